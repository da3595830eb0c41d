/** `headgate explain PREFIX`: the candidates of a block, each with its score, and what stops it. */
import type { Command } from 'commander';
import type { ExplainView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { UseError } from './face/exit.ts';
import { formatShare, formatTable, formatTime } from './face/text.ts';
import { timeOf } from './face/time.ts';
import { renderMoves } from './plan.ts';

interface ExplainOptions extends AskOptions {
  readonly at?: string;
}

export function register(program: Command): void {
  askCommand(
    program,
    'explain <prefix> [address]',
    'says why a block is where it is, or, as `explain resolver ADDRESS`, why a resolver is answered as it is',
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
      print(options, await ask<ExplainView>(options, 'explain', args), renderExplanation);
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
    ...(view.moves.length > 0 ? [renderMoves(view.moves)] : []),
  ].join('\n\n');
}
