/** One screen of `headgate top` as lines of text. Pure: the same frame on the same terminal is the same screen. */
import type { BlockView, LinkView, PlanView, StatusView } from '../../control/index.ts';
import {
  formatDuration,
  formatRate,
  formatRtt,
  formatShare,
  formatTable,
  formatTime,
} from '../face/text.ts';

export interface Frame {
  readonly status: StatusView;
  readonly links: readonly LinkView[];
  readonly blocks: readonly BlockView[];
  readonly plan: PlanView;
}

/** What blocks are sorted by; the key `s` takes the next. */
export const orders = ['rate', 'block', 'link'] as const;
export type Order = (typeof orders)[number];

const barWidth = 20;
/** The most lines that moves may take from the blocks. */
const movesMax = 6;

/** Exactly as wide and at most as high as the terminal: nothing wraps or scrolls. */
export function renderTop(
  frame: Frame,
  order: Order,
  width: number,
  height: number,
): readonly string[] {
  const head = renderHead(frame);
  const links = renderLinks(frame.links);
  const moves = renderMoves(frame.plan);
  const foot = `q end   s sort (${order})`;
  // Blank lines between the four parts, and the foot.
  const room = height - head.length - links.length - moves.length - 4;
  const blocks = renderBlocks(frame.blocks, order, Math.max(2, room));
  const lines = [...head, '', ...links, '', ...blocks, '', ...moves];
  return [...lines.slice(0, Math.max(0, height - 1)), foot].map((line) => line.slice(0, width));
}

function renderHead({ status }: Frame): string[] {
  const { plan, reasons, mode } = status;
  const [first] = reasons;
  const state = first
    ? `! ${first.what} (for ${formatDuration(status.at - first.since)})${reasons.length > 1 ? ` and ${reasons.length - 1} more` : ''}`
    : 'all is well';
  const proposal = status.proposal ? `, proposal ${status.proposal.id} waits` : '';
  return [
    `headgate ${mode}, ${formatTime(status.at)}, plan ${plan.generation}: ${plan.steered} of ${plan.blocks} blocks steered${proposal}`,
    state,
  ];
}

function renderLinks(links: readonly LinkView[]): string[] {
  return formatTable(
    [
      { head: 'link', cell: (link) => link.name },
      { head: 'load', cell: (link) => (link.is_up ? bar(link.utilisation ?? 0) : 'DOWN') },
      { head: '', cell: (link) => formatShare(link.utilisation, 0), align: 'right' },
      { head: 'in', cell: (link) => formatRate(link.inbound_bitps), align: 'right' },
      { head: 'out', cell: (link) => formatRate(link.outbound_bitps), align: 'right' },
      {
        head: 'retrans',
        cell: (link) => formatShare(link.retransmission_ratio, 2),
        align: 'right',
      },
      { head: 'rtt', cell: (link) => formatRtt(link.rtt_us), align: 'right' },
    ],
    links,
  ).split('\n');
}

/** Plain ASCII: over ssh, without colour, in any font. */
export function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * barWidth);
  return `[${'#'.repeat(full)}${'.'.repeat(barWidth - full)}]`;
}

function renderBlocks(blocks: readonly BlockView[], order: Order, room: number): string[] {
  const busy = blocks.filter(
    (block) => block.inbound_bitps + block.outbound_bitps > 0 || block.link,
  );
  const rows = [...busy].sort(comparers[order]).slice(0, room - 1);
  return formatTable(
    [
      { head: `block (${busy.length} of ${blocks.length})`, cell: (block) => block.prefix },
      { head: 'planned', cell: (block) => (block.link ? `${block.link}+${block.rung}` : 'any') },
      { head: 'in', cell: (block) => formatRate(block.inbound_bitps), align: 'right' },
      { head: 'out', cell: (block) => formatRate(block.outbound_bitps), align: 'right' },
      {
        head: 'comes in by',
        cell: (block) =>
          block.inbound
            .map(({ link, bitps }) => `${link} ${formatShare(bitps / block.inbound_bitps, 0)}`)
            .join(', '),
      },
    ],
    rows,
  ).split('\n');
}

const byName = (a: BlockView, b: BlockView) => (a.prefix < b.prefix ? -1 : 1);
const comparers: Readonly<Record<Order, (a: BlockView, b: BlockView) => number>> = {
  rate: (a, b) => b.inbound_bitps - a.inbound_bitps || byName(a, b),
  block: byName,
  link: (a, b) => (a.link ?? '').localeCompare(b.link ?? '') || byName(a, b),
};

function renderMoves({ moves, stopped }: PlanView): string[] {
  if (moves.length + stopped.length === 0) return ['no moves yet'];
  const lines = moves.map(
    (move) =>
      `${formatTime(move.at).slice(11)} ${move.block}: ${move.from ?? 'any'} -> ${move.to ?? 'any'} (${move.outcome}) ${move.reason}`,
  );
  const held = stopped.map(
    (move) =>
      `${move.rail ?? 'a rail'} stops ${move.block} -> ${move.to ?? 'any'}: ${move.rail_reason ?? ''}`,
  );
  return [...lines.slice(0, movesMax - Math.min(2, held.length)), ...held.slice(0, 2)];
}
