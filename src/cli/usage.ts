/** `headgate usage`: what each block or group carried over a time, and how much of that time was measured. */
import type { Command } from 'commander';
import type { BlockUsageView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatBytes, formatRate, formatShare, formatTable, formatTime } from './face/text.ts';
import { timeOf } from './face/time.ts';

interface UsageOptions extends AskOptions {
  readonly from?: string;
  readonly to?: string;
  readonly groups?: boolean;
}

export function register(program: Command): void {
  askCommand(program, 'usage', 'shows what each block carried over a time, heaviest first')
    .option('--from <time>', 'such as 2026-03-01T22:00:00Z; a day ago unless set')
    .option('--to <time>', 'now unless set')
    .option('--groups', 'blocks of one group together')
    .action(async (options: UsageOptions) => {
      const view = await ask<BlockUsageView>(options, 'usage', {
        by: options.groups ? 'group' : 'block',
        ...(options.from === undefined ? {} : { from: timeOf(options.from) }),
        ...(options.to === undefined ? {} : { to: timeOf(options.to) }),
      });
      print(options, view, renderUsage);
    });
}

export function renderUsage({ from, to, coverage, rows }: BlockUsageView): string {
  const head = `${formatTime(from)} to ${formatTime(to)}, ${formatShare(coverage)} of it measured`;
  if (rows.length === 0) return `${head}: nothing was carried`;
  const table = formatTable(
    [
      { head: 'block', cell: (row) => row.name },
      { head: 'in', cell: (row) => formatBytes(row.inbound_bytes), align: 'right' },
      { head: 'in bit/s', cell: (row) => formatRate(row.inbound_bitps), align: 'right' },
      { head: 'of all', cell: (row) => formatShare(row.share), align: 'right' },
      { head: 'out', cell: (row) => formatBytes(row.outbound_bytes), align: 'right' },
      { head: 'out bit/s', cell: (row) => formatRate(row.outbound_bitps), align: 'right' },
    ],
    rows,
  );
  return `${head}\n${table}`;
}
