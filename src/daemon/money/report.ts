/** What a unit answered, as the page of `headgate report` and the live page show it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Answer, BillView, HistoryView, LinkView } from '../../control/index.ts';
import { bitps, linkId, ms, prefixText } from '../../core/base/units.ts';
import {
  type LinkSeries,
  type Report,
  type ReportAssets,
  renderReport,
} from '../../core/report/render.ts';

/** Asks a unit one command. */
export type AskUnit = <View>(
  command: string,
  args: Readonly<Record<string, unknown>>,
) => Promise<View>;

/** Asks the unit that this process is. */
export function askOf(answers: ReadonlyMap<string, Answer>): AskUnit {
  return async (command, args) => {
    const answer = await answers.get(command)?.(args);
    if (!answer?.ok) throw new Error(`${command}: ${answer?.error.message ?? 'no answer'}`);
    // A cast: the views are typed in src/control/views.ts.
    return answer.value as never;
  };
}

/** Moves on one page: more than a person reads. */
const movesMax = 10_000;
/** How often the live page is loaded anew, seconds. */
const refreshS = 30;
const dayMs = 86_400_000;

export async function gatherReport(
  ask: AskUnit,
  { title, from, to }: Pick<ReportInput, 'title' | 'from' | 'to'>,
): Promise<Report> {
  const args = { from, to, limit: movesMax, samples: true };
  const history = await ask<HistoryView>('history', args);
  const links = await ask<readonly LinkView[]>('links', {});
  const bill = await ask<BillView>('bill', {});
  return buildReport({ title, from, to, history, links, bill });
}

/** The charting library of the page, as text; read when it is first asked for. */
export function reportAssets(): ReportAssets {
  const { resolve } = createRequire(import.meta.url);
  const asset = (name: string) => readFileSync(resolve(`uplot/dist/${name}`), 'utf8');
  return { chartScript: asset('uPlot.iife.min.js'), chartStyle: asset('uPlot.min.css') };
}

/** The last day up to now, as a page that loads itself anew. */
export async function livePage(ask: AskUnit, title: string, now: number): Promise<string> {
  const report = await gatherReport(ask, { title, from: now - dayMs, to: now });
  return renderReport(report, reportAssets(), refreshS);
}

export interface ReportInput {
  readonly title: string;
  readonly from: number;
  readonly to: number;
  readonly history: HistoryView;
  readonly links: readonly LinkView[];
  readonly bill: BillView;
}

/** What the unit answered, as the page shows it: one time axis for all links. */
export function buildReport({ title, from, to, history, links, bill }: ReportInput): Report {
  const usage = history.usage ?? [];
  const quality = history.quality ?? [];
  const times = [...new Set([...usage, ...quality].map(({ at }) => at))].sort((a, b) => a - b);
  const seriesOf = ({ name, capacity_bitps }: LinkView): LinkSeries => {
    const used = new Map(
      usage.filter(({ link }) => link === name).map((sample) => [sample.at, sample]),
    );
    const seen = new Map(
      quality.filter(({ link }) => link === name).map((sample) => [sample.at, sample]),
    );
    const rate = (bytes: number | undefined, coveredMs: number | undefined) =>
      bytes === undefined || !coveredMs ? null : (bytes * 8000) / coveredMs;
    const line = bill.links.find(({ link }) => link === name);
    return {
      link: linkId(name),
      capacity: bitps(capacity_bitps),
      inbound: times.map((at) => rate(used.get(at)?.inbound_bytes, used.get(at)?.covered_ms)),
      outbound: times.map((at) => rate(used.get(at)?.outbound_bytes, used.get(at)?.covered_ms)),
      retransmission: times.map((at) => seen.get(at)?.retransmission_ratio ?? null),
      rttUs: times.map((at) => seen.get(at)?.rtt_us ?? null),
      lossRatio: times.map((at) => seen.get(at)?.loss_ratio ?? null),
      ...(line === undefined ? {} : { percentile: bitps(line.charged_bitps) }),
      ...(line?.commit_bitps === undefined ? {} : { commit: bitps(line.commit_bitps) }),
    };
  };
  const rails = new Map<string, { refused: number; postponed: number }>();
  for (const { rail, result, count } of history.rails) {
    const entry = rails.get(rail) ?? { refused: 0, postponed: 0 };
    if (result === 'refuse') entry.refused += count;
    else entry.postponed += count;
    rails.set(rail, entry);
  }
  return {
    unit: title,
    from: ms(from),
    to: ms(to),
    times: times.map(ms),
    links: links.map(seriesOf),
    moves: history.moves.map((move) => ({
      at: ms(move.at),
      block: prefixText(move.block),
      from: move.from ?? 'unbiased',
      to: move.to ?? 'unbiased',
      reason: move.reason,
      outcome: move.outcome,
    })),
    rails: [...rails].map(([rail, counts]) => ({ rail, ...counts })),
    bills: bill.links.map((line) => ({
      link: linkId(line.link),
      soFar: `${line.amount} ${line.currency}`,
      forecast: `${line.forecast} ${line.currency}`,
    })),
  };
}
