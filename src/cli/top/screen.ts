/** One screen of `headgate top` as lines of text. Pure: the same frame on the same terminal is the same screen. */
import { stripVTControlCharacters } from 'node:util';
import type {
  BlockView,
  ExplainView,
  HistoryView,
  LinkView,
  PlanView,
  SessionsView,
  StatusView,
  TcpView,
} from '../../control/index.ts';
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
  readonly sessions: SessionsView;
  /** How often each rail stopped a move in the last hour. */
  readonly rails: HistoryView['rails'];
}

/** What blocks are sorted by; the key `s` takes the next. */
export const orders = ['rate', 'block', 'link'] as const;
export type Order = (typeof orders)[number];

/** What the person at the terminal has asked for. */
export interface Look {
  readonly order: Order;
  /** Part of a prefix, link or group; empty shows all. */
  readonly filter: string;
  /** The filter is being typed. */
  readonly isTyping: boolean;
  /** Row of the blocks, from 0; beyond the last it is the last. */
  readonly cursor: number;
  readonly explained?: ExplainView;
  /** Utilisation of each link over the last frames, oldest first. */
  readonly trends: ReadonlyMap<string, readonly number[]>;
  readonly hasColour: boolean;
  /** UTF-8 terminals have finer sparklines. */
  readonly isUtf8: boolean;
}

const barWidth = 10;
const sparkWidth = 12;
/** The most lines that moves may take from the blocks. */
const movesMax = 5;
/** Utilisation from which a link is shown as in danger. */
const high = 0.9;

/** At most as wide and as high as the terminal: nothing wraps or scrolls. */
export function renderTop(
  frame: Frame,
  look: Look,
  width: number,
  height: number,
): readonly string[] {
  const head = renderHead(frame, look);
  const foot = renderFoot(look);
  const middle = look.explained
    ? renderExplanation(look.explained, width)
    : renderParts(frame, look, height - head.length - 2);
  const lines = [...head, '', ...middle].slice(0, Math.max(0, height - 1));
  return [...lines, foot].map((line) => cut(line, width));
}

/** The blocks as they are listed: those with traffic or a plan, filtered and sorted. */
export function listed(
  blocks: readonly BlockView[],
  { order, filter }: Pick<Look, 'order' | 'filter'>,
): readonly BlockView[] {
  const wanted = filter.toLowerCase();
  return blocks
    .filter((block) => block.inbound_bitps + block.outbound_bitps > 0 || block.link)
    .filter(({ prefix, link, group, inbound }) =>
      [prefix, link, group, ...inbound.map((entry) => entry.link)].some((text) =>
        (text ?? '').toLowerCase().includes(wanted),
      ),
    )
    .sort(comparers[order]);
}

/** Plain ASCII: over ssh, without colour, in any font. */
export function bar(share: number, width = barWidth): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `[${'#'.repeat(full)}${'.'.repeat(width - full)}]`;
}

/** The last values as one character each, from none to full. */
export function sparkline(values: readonly number[], isUtf8: boolean): string {
  const levels = isUtf8 ? '▁▂▃▄▅▆▇█' : '_.,-=+*#';
  return values
    .slice(-sparkWidth)
    .map((value) => levels[Math.min(7, Math.max(0, Math.floor(value * 8)))] ?? '')
    .join('')
    .padStart(sparkWidth);
}

function renderParts(frame: Frame, look: Look, room: number): string[] {
  const links = renderLinks(frame, look);
  const moves = renderMoves(frame);
  // Blank lines between the three parts.
  const blocks = renderBlocks(
    frame.blocks,
    look,
    Math.max(2, room - links.length - moves.length - 2),
  );
  return [...links, '', ...blocks, '', ...moves];
}

function renderHead({ status }: Frame, look: Look): string[] {
  const { plan, reasons, mode } = status;
  const [first] = reasons;
  const state = first
    ? `! ${first.what} (for ${formatDuration(status.at - first.since)})${reasons.length > 1 ? ` and ${reasons.length - 1} more` : ''}`
    : 'all is well';
  const proposal = status.proposal ? `, proposal ${status.proposal.id} waits` : '';
  return [
    `headgate ${mode}, ${formatTime(status.at)}, plan ${plan.generation}: ${plan.steered} of ${plan.blocks} blocks steered${proposal}`,
    paint(look, first ? 'red' : 'green', state),
  ];
}

function renderFoot({ order, filter, isTyping, explained }: Look): string {
  if (explained) return 'esc back   q end';
  if (isTyping) return `filter: ${filter}_   enter keep   esc all`;
  return `q end  s sort (${order})  / filter${filter === '' ? '' : ` (${filter})`}  j k choose  enter explain`;
}

function renderLinks({ links, sessions }: Frame, look: Look): string[] {
  const tcp = new Map(sessions.links.map((entry) => [entry.link, entry]));
  const lines = formatTable(
    [
      { head: 'link', cell: (link) => link.name.slice(0, 12) },
      { head: 'load', cell: (link) => (link.is_up ? bar(link.utilisation ?? 0) : 'DOWN') },
      { head: '', cell: (link) => formatShare(link.utilisation, 0), align: 'right' },
      {
        head: 'trend',
        cell: (link) => sparkline(look.trends.get(link.name) ?? [], look.isUtf8),
      },
      { head: 'in', cell: (link) => formatRate(link.inbound_bitps), align: 'right' },
      { head: 'out', cell: (link) => formatRate(link.outbound_bitps), align: 'right' },
      {
        head: 'lost<>',
        cell: (link) => {
          const seen = tcp.get(link.name);
          return seen ? `${lossOf(seen.inbound)} ${lossOf(seen.outbound)}` : '-';
        },
        align: 'right',
      },
      { head: 'rtt', cell: (link) => formatRtt(link.rtt_us), align: 'right' },
    ],
    links,
  ).split('\n');
  return lines.map((line, i) => {
    const link = links[i - 1];
    if (!link) return line;
    const isBad = !link.is_up || (link.utilisation ?? 0) >= high;
    return isBad ? paint(look, 'red', line) : line;
  });
}

/** Retransmissions of a direction by side: lost before us / beyond us, in percent of the segments with data. */
function lossOf({ data_segments, lost_before, lost_beyond }: TcpView): string {
  if (data_segments === 0) return '-';
  const share = (lost: number) => ((100 * lost) / data_segments).toFixed(1);
  return `${share(lost_before)}/${share(lost_beyond)}`;
}

function renderBlocks(blocks: readonly BlockView[], look: Look, room: number): string[] {
  const all = listed(blocks, look);
  const cursor = Math.min(look.cursor, all.length - 1);
  // The row of the cursor is always in sight.
  const from = Math.max(0, Math.min(cursor - room + 2, all.length - room + 1));
  const rows = all.slice(from, from + room - 1);
  const lines = formatTable(
    [
      { head: ' ', cell: (block) => (block === all[cursor] ? '>' : ' ') },
      { head: `block (${all.length} of ${blocks.length})`, cell: (block) => block.prefix },
      { head: 'planned', cell: (block) => (block.link ? `${block.link}+${block.rung}` : 'any') },
      { head: 'in', cell: (block) => formatRate(block.inbound_bitps), align: 'right' },
      { head: 'out', cell: (block) => formatRate(block.outbound_bitps), align: 'right' },
      ...(rows.some((block) => block.rtt_us)
        ? [
            {
              head: 'round trip',
              cell: ({ rtt_us }: BlockView) => formatRtt(rtt_us?.p50 ?? undefined),
              align: 'right' as const,
            },
          ]
        : []),
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
  return lines.map((line, i) => (i - 1 + from === cursor ? paint(look, 'bold', line) : line));
}

const byName = (a: BlockView, b: BlockView) => (a.prefix < b.prefix ? -1 : 1);
const comparers: Readonly<Record<Order, (a: BlockView, b: BlockView) => number>> = {
  rate: (a, b) => b.inbound_bitps - a.inbound_bitps || byName(a, b),
  block: byName,
  link: (a, b) => (a.link ?? '').localeCompare(b.link ?? '') || byName(a, b),
};

function renderMoves({ plan: { moves, stopped }, rails }: Frame): string[] {
  const bites = rails.map(({ rail, result, count }) => `${rail} ${result}s ${count}`).join(', ');
  const last = bites === '' ? [] : [`rails in the last hour: ${bites}`];
  if (moves.length + stopped.length === 0) return ['no moves yet', ...last];
  const lines = moves.map(
    (move) =>
      `${formatTime(move.at).slice(11)} ${move.block}: ${move.from ?? 'any'} -> ${move.to ?? 'any'} (${move.outcome}) ${move.reason}`,
  );
  const held = stopped.map(
    (move) =>
      `${move.rail ?? 'a rail'} stops ${move.block} -> ${move.to ?? 'any'}: ${move.rail_reason ?? ''}`,
  );
  return [...lines.slice(0, movesMax - Math.min(2, held.length)), ...held.slice(0, 2), ...last];
}

/** What `headgate explain` says, on the whole screen. */
function renderExplanation(
  { prefix, text, candidates, verdicts }: ExplainView,
  width: number,
): string[] {
  return [
    prefix,
    ...text.split('\n').flatMap((line) => wrap(line, width)),
    '',
    ...formatTable(
      [
        { head: 'link', cell: (candidate) => candidate.link ?? 'any' },
        { head: 'rung', cell: ({ rung }) => String(rung), align: 'right' },
        { head: 'score', cell: ({ score }) => score.toFixed(3), align: 'right' },
        { head: 'refused by', cell: (candidate) => candidate.rejected_by ?? '' },
      ],
      candidates,
    ).split('\n'),
    '',
    ...verdicts.map(({ rail, result, reason }) => `${rail}: ${result}: ${reason}`),
  ];
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

const codes = { red: 31, green: 32, bold: 1 } as const;

function paint({ hasColour }: Look, colour: keyof typeof codes, text: string): string {
  return hasColour ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text;
}

/** Cuts what is seen to a width; colours take none. */
function cut(line: string, width: number): string {
  const text = stripVTControlCharacters(line);
  if (text === line) return line.slice(0, width);
  const begin = line.slice(0, line.indexOf(text));
  const end = line.slice(begin.length + text.length);
  return begin + text.slice(0, width) + end;
}
