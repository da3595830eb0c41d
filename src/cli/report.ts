/** `headgate report`: one HTML page of loads, moves, bills and what rails stopped; needs no network to be read. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Command } from 'commander';
import type { BillView, HistoryView, LinkView } from '../control/index.ts';
import { bitps, linkId, ms, prefixText } from '../core/base/units.ts';
import { type LinkSeries, type Report, renderReport } from '../core/report/render.ts';
import { type AskOptions, ask, askCommand } from './face/ask.ts';
import { timeOf } from './face/time.ts';

interface ReportOptions extends AskOptions {
  readonly from?: string;
  readonly to?: string;
  readonly output: string;
  readonly title: string;
}

export function register(program: Command): void {
  askCommand(
    program,
    'report',
    'writes one HTML page of loads, moves, bills and what rails stopped',
  )
    .option('--from <time>', 'such as 2026-03-01T22:00:00Z; the last day unless set')
    .option('--to <time>', 'such as 2026-03-02T22:00:00Z; now unless set')
    .option('-o, --output <file>', 'where the page goes', 'headgate-report.html')
    .option('--title <text>', 'name of the unit or network', 'unit')
    .action(async (options: ReportOptions) => {
      const report = await gather(options);
      if (options.json) {
        process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
        return;
      }
      const asset = (name: string) => readFileSync(require.resolve(`uplot/dist/${name}`), 'utf8');
      const page = renderReport(report, {
        chartScript: asset('uPlot.iife.min.js'),
        chartStyle: asset('uPlot.min.css'),
      });
      writeFileSync(options.output, page);
      process.stdout.write(
        `${options.output}: ${report.links.length} links, ${report.moves.length} moves\n`,
      );
    });
}

const require = createRequire(import.meta.url);
const dayMs = 86_400_000;
/** Moves on one page: more than a person reads. */
const movesMax = 10_000;

async function gather(options: ReportOptions): Promise<Report> {
  const to = options.to === undefined ? Date.now() : timeOf(options.to);
  const from = options.from === undefined ? to - dayMs : timeOf(options.from);
  const history = await ask<HistoryView>(options, 'history', {
    from,
    to,
    limit: movesMax,
    samples: true,
  });
  const links = await ask<{ readonly links: readonly LinkView[] }>(options, 'links');
  const bill = await ask<BillView>(options, 'bill');
  return buildReport({ title: options.title, from, to, history, links: links.links, bill });
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
    const charged = bill.links.find(({ link }) => link === name)?.charged_bitps;
    return {
      link: linkId(name),
      capacity: bitps(capacity_bitps),
      inbound: times.map((at) => rate(used.get(at)?.inbound_bytes, used.get(at)?.covered_ms)),
      outbound: times.map((at) => rate(used.get(at)?.outbound_bytes, used.get(at)?.covered_ms)),
      retransmission: times.map((at) => seen.get(at)?.retransmission_ratio ?? null),
      rttUs: times.map((at) => seen.get(at)?.rtt_us ?? null),
      ...(charged === undefined ? {} : { percentile: bitps(charged) }),
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
