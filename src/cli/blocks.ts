/** `headgate blocks`: each block of ours, the link that it is steered to and the links that it comes in by. */
import type { Command } from 'commander';
import type { BlockRttView, BlockView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import {
  type Column,
  formatDuration,
  formatRate,
  formatRtt,
  formatShare,
  formatTable,
} from './face/text.ts';

interface BlocksOptions extends AskOptions {
  readonly all?: boolean;
}

export function register(program: Command): void {
  askCommand(
    program,
    'blocks',
    'shows each block, where it should and where it does come in, and how far away its peers are',
  )
    .option('--all', 'also those without traffic and plan')
    .action(async (options: BlocksOptions) => {
      const blocks = await ask<readonly BlockView[]>(options, 'blocks');
      print(options, blocks, (all) => renderBlocks(all, options.all === true));
    });
}

export function renderBlocks(all: readonly BlockView[], withIdle: boolean): string {
  const isBusy = (block: BlockView) =>
    // Of several units bytes are counted here alone, rates everywhere.
    block.inbound_bytes + block.outbound_bytes + block.inbound_bitps + block.outbound_bitps > 0 ||
    block.link !== null;
  const shown = withIdle ? all : all.filter(isBusy);
  const table = formatTable(
    [
      { head: 'block', cell: (block) => block.prefix },
      { head: 'group', cell: (block) => block.group ?? '' },
      { head: 'planned', cell: (block) => block.link ?? 'any' },
      { head: 'rung', cell: (block) => String(block.rung), align: 'right' },
      { head: 'in bit/s', cell: (block) => formatRate(block.inbound_bitps), align: 'right' },
      { head: 'out bit/s', cell: (block) => formatRate(block.outbound_bitps), align: 'right' },
      { head: 'comes in by', cell: comesInBy },
      ...roundTrips(shown),
      { head: 'why', cell: (block) => block.reason },
    ],
    shown,
  );
  const idle = all.length - shown.length;
  const window = all.find((block) => block.rtt_us)?.rtt_us;
  return [
    table,
    ...(idle > 0 ? [`${idle} blocks without traffic (--all shows them)`] : []),
    ...(window ? [`round trips to the Internet ${windowOf(window)}`] : []),
  ].join('\n');
}

/** Of what the quantiles are. */
export const windowOf = ({ over_ms }: BlockRttView): string =>
  `over the last ${formatDuration(over_ms)}, to half an octave; - with less than 20 samples`;

/** No columns where no wire sees the blocks. */
function roundTrips(shown: readonly BlockView[]): readonly Column<BlockView>[] {
  if (!shown.some((block) => block.rtt_us)) return [];
  const rtt = (of: 'p50' | 'p95') => (block: BlockView) =>
    formatRtt(block.rtt_us?.[of] ?? undefined);
  return [
    { head: 'round trip', cell: rtt('p50'), align: 'right' },
    { head: 'p95', cell: rtt('p95'), align: 'right' },
    {
      head: 'samples',
      cell: (block) => String(block.rtt_us?.samples ?? 0),
      align: 'right',
    },
  ];
}

function comesInBy({ inbound, inbound_bitps }: BlockView): string {
  return [...inbound]
    .sort((a, b) => b.bitps - a.bitps)
    .map(({ link, bitps }) => `${link} ${formatShare(bitps / inbound_bitps, 0)}`)
    .join(', ');
}
