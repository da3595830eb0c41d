/** `headgate explain PREFIX`: why a block is where it is, or by which links the sessions of a destination go. */
import type { Command } from 'commander';
import type { BlockRttView, DestinationExplainView, ExplainView } from '../control/index.ts';
import { HeadgateError } from '../core/base/error.ts';
import { windowOf } from './blocks.ts';
import { renderCosts } from './destinations.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { UseError } from './face/exit.ts';
import { formatRtt, formatShare, formatTable, formatTime } from './face/text.ts';
import { timeOf } from './face/time.ts';
import { renderMoves } from './plan.ts';

interface ExplainOptions extends AskOptions {
  readonly at?: string;
}

export function register(program: Command): void {
  askCommand(
    program,
    'explain <prefix> [address]',
    'says why a block is where it is, by which links the sessions of a destination go, or, as `explain resolver ADDRESS`, why a resolver is answered as it is',
  )
    .option('--at <time>', 'as it was decided then, such as 2026-03-01T22:00:00Z')
    .action(async (prefix: string, address: string | undefined, options: ExplainOptions) => {
      if (prefix === 'resolver') {
        if (address === undefined) throw new UseError('explain resolver wants its address');
        const view = await ask<ResolverExplainView>(options, 'explain_resolver', { address });
        print(options, view, ({ text }) => text);
        return;
      }
      if (address !== undefined)
        throw new UseError(`explain takes one prefix, not also "${address}"`);
      const at = options.at === undefined ? undefined : timeOf(options.at);
      const args = { prefix, ...(at === undefined ? {} : { at }) };
      try {
        print(options, await ask<ExplainView>(options, 'explain', args), renderExplanation);
      } catch (error) {
        const isForeign = error instanceof HeadgateError && error.code === 'not_found';
        if (!isForeign || at !== undefined) throw error;
        const view = await ask<DestinationExplainView>(options, 'explain_destination', { prefix });
        print(options, view, renderDestinationExplanation);
      }
    });
}

interface ResolverExplainView {
  readonly address: string;
  readonly text: string;
}

export function renderExplanation(view: ExplainView): string {
  const score = (value: number) => value.toFixed(4);
  return [
    `${view.prefix} at ${formatTime(view.at)}`,
    view.text,
    formatTable(
      [
        { head: 'link', cell: (c) => c.link ?? 'any' },
        { head: 'rung', cell: (c) => String(c.rung), align: 'right' },
        { head: 'score', cell: (c) => score(c.score), align: 'right' },
        { head: 'balance', cell: (c) => score(c.terms.balance), align: 'right' },
        { head: 'congestion', cell: (c) => score(c.terms.congestion), align: 'right' },
        { head: 'response', cell: (c) => score(c.terms.response), align: 'right' },
        { head: 'price', cell: (c) => score(c.terms.price), align: 'right' },
        { head: 'share', cell: (c) => formatShare(c.share, 0), align: 'right' },
        { head: 'rejected by', cell: (c) => c.rejected_by ?? '' },
      ],
      view.candidates,
    ),
    ...(view.rtt_us ? [renderRoundTrips(view.rtt_us)] : []),
    ...(view.moves.length > 0 ? [renderMoves(view.moves)] : []),
  ].join('\n\n');
}

function renderRoundTrips(rtt: BlockRttView): string {
  const [p50, p95] = [rtt.p50, rtt.p95].map((us) => formatRtt(us ?? undefined));
  return `round trips to the Internet: median ${p50}, p95 ${p95} (${rtt.samples} samples), ${windowOf(rtt)}`;
}

export function renderDestinationExplanation(view: DestinationExplainView): string {
  const down = new Map(view.down.map(({ link, reason }) => [link, reason]));
  const state = view.is_on
    ? `sessions are marked for ${view.router}`
    : `${view.router} chooses for all sessions: these weights are not in force`;
  return [
    `${view.prefix}, one of ${view.prefixes} destinations by ${view.class}, since ${formatTime(view.since)}`,
    `${view.reason}; ${state}`,
    formatTable(
      [
        { head: 'link', cell: ({ link }) => link },
        { head: 'new sessions', cell: ({ share }) => formatShare(share, 0), align: 'right' },
        { head: 'best', cell: ({ wanted }) => formatShare(wanted, 0), align: 'right' },
        { head: 'the next bit costs', cell: ({ terms }) => renderCosts(terms) },
        { head: 'down', cell: ({ link }) => down.get(link) ?? '' },
      ],
      view.links,
    ),
  ].join('\n\n');
}
