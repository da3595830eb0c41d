/** `headgate history`: what was moved, what became of it, and what rails stopped. */
import type { Command } from 'commander';
import type { HistoryView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { UseError } from './face/exit.ts';
import { formatTable, formatTime } from './face/text.ts';
import { timeOf } from './face/time.ts';
import { renderMoves } from './plan.ts';

interface HistoryOptions extends AskOptions {
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
  readonly samples?: boolean;
}

export function register(program: Command): void {
  askCommand(
    program,
    'history [prefix]',
    'shows what was moved, what became of it and what rails stopped',
  )
    .option('--from <time>', 'such as 2026-03-01T22:00:00Z')
    .option('--to <time>', 'such as 2026-03-02T22:00:00Z')
    .option('--limit <count>', 'moves at most', '100')
    .option('--samples', 'with --json: also the 5-minute samples of each link')
    .action(async (prefix: string | undefined, options: HistoryOptions) => {
      const limit = Number(options.limit);
      if (!Number.isInteger(limit) || limit < 1)
        throw new UseError('--limit takes a whole number above 0');
      const view = await ask<HistoryView>(options, 'history', {
        limit,
        ...(prefix === undefined ? {} : { prefix }),
        ...(options.from === undefined ? {} : { from: timeOf(options.from) }),
        ...(options.to === undefined ? {} : { to: timeOf(options.to) }),
        ...(options.samples ? { samples: true } : {}),
      });
      print(options, view, renderHistory);
    });
}

export function renderHistory({ from, to, moves, rails }: HistoryView): string {
  const parts = [
    `${moves.length} moves from ${from === 0 ? 'the beginning' : formatTime(from)} to ${formatTime(to)}`,
  ];
  if (moves.length > 0) parts.push(renderMoves(moves));
  if (rails.length > 0) {
    parts.push(
      formatTable(
        [
          { head: 'rail', cell: (entry) => entry.rail },
          { head: 'said', cell: (entry) => entry.result },
          { head: 'times', cell: (entry) => String(entry.count), align: 'right' },
        ],
        rails,
      ),
    );
  }
  return parts.join('\n\n');
}
