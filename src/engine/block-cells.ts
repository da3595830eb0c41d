/** The counters of blocks as the native module hands them over: tens of thousands of cells, read in slices. */
import type { Sliced } from '../core/base/slices.ts';
import { layout } from './layout.ts';
import type { Names } from './records.ts';
import type { BlockCount, TrafficCount } from './snapshot.ts';

/** The link of a cell whose packets were laid to none. */
export const noLink = 0xff;

type Direction = BlockCount['direction'];

/** By link index (`noLink`: unknown), and by direction. */
export type LinkTotals = ReadonlyMap<number, Readonly<Record<Direction, TrafficCount>>>;

/** Counts by `cellKey`. */
export type CellCounts = ReadonlyMap<number, TrafficCount>;

export interface BlockCells {
  readonly counts: readonly BlockCount[];
  readonly totals: LinkTotals;
}

const { block_cell: cell, traffic } = layout.records;
const cellsAtOnce = 256;

/** `inherited`: what cells had counted for earlier blocks of their index; the links' totals have it. */
export function* readBlockCells(
  buffer: ArrayBuffer,
  names: Pick<Names, 'block' | 'link'>,
  inherited: CellCounts,
): Sliced<BlockCells> {
  const view = new DataView(buffer);
  const counts: BlockCount[] = [];
  const totals = new Map<number, Record<Direction, Writable>>();
  const end = buffer.byteLength - cell.bytes;
  for (let at = 0, read = 1; at <= end; at += cell.bytes, read++) {
    const index = view.getUint32(at + cell.fields.block[0], true);
    const link = view.getUint16(at + cell.fields.link[0], true);
    const direction = directionAt(view, at);
    const own = trafficAt(view, at);
    let total = totals.get(link);
    if (!total) {
      total = { inbound: { ...nothing }, outbound: { ...nothing } };
      totals.set(link, total);
    }
    add(total[direction], own);
    const before = inherited.size > 0 ? inherited.get(cellKey(index, link, direction)) : undefined;
    const block = names.block(index);
    if (block !== undefined)
      counts.push({
        block,
        link: link === noLink ? undefined : names.link(link),
        direction,
        packets: own.packets - (before?.packets ?? 0),
        ipBytes: own.ipBytes - (before?.ipBytes ?? 0),
        l2Bytes: own.l2Bytes - (before?.l2Bytes ?? 0),
      });
    if (read % cellsAtOnce === 0) yield;
  }
  return { counts, totals };
}

/** What the cells of these blocks have counted so far. */
export function cellsOf(buffer: ArrayBuffer, indices: ReadonlySet<number>): CellCounts {
  const view = new DataView(buffer);
  const found = new Map<number, TrafficCount>();
  for (let at = 0; at + cell.bytes <= buffer.byteLength; at += cell.bytes) {
    const index = view.getUint32(at + cell.fields.block[0], true);
    if (!indices.has(index)) continue;
    const link = view.getUint16(at + cell.fields.link[0], true);
    found.set(cellKey(index, link, directionAt(view, at)), trafficAt(view, at));
  }
  return found;
}

type Writable = { -readonly [K in keyof TrafficCount]: number };
const nothing: TrafficCount = { packets: 0, ipBytes: 0, l2Bytes: 0 };

const cellKey = (index: number, link: number, direction: Direction): number =>
  (index * 256 + link) * 2 + (direction === 'inbound' ? 0 : 1);

const directionAt = (view: DataView, at: number): Direction =>
  view.getUint16(at + cell.fields.direction[0], true) === 0 ? 'inbound' : 'outbound';

function trafficAt(view: DataView, at: number): TrafficCount {
  const from = at + cell.fields.traffic[0];
  return {
    packets: u64(view, from + traffic.fields.packets[0]),
    ipBytes: u64(view, from + traffic.fields.ip_bytes[0]),
    l2Bytes: u64(view, from + traffic.fields.l2_bytes[0]),
  };
}

/** Exact up to 2^53: at 400 Gbit/s that is 5.7 years of bytes. */
const u64 = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;

function add(sum: Writable, { packets, ipBytes, l2Bytes }: TrafficCount): void {
  sum.packets += packets;
  sum.ipBytes += ipBytes;
  sum.l2Bytes += l2Bytes;
}
