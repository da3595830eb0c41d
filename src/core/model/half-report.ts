/** Halves of sampled sessions as a unit reports them: plain JSON, and never more than it may take. */
import type { LinkId } from '../base/units.ts';
import type { HalfSegment } from './halves.ts';
import type { Direction } from './link.ts';

export interface HalfReport {
  /** Counts the unit's reports of halves: one that comes twice is one. */
  readonly serial: number;
  readonly sessions: readonly ReportedHalf[];
}

export interface ReportedHalf {
  readonly session: string;
  readonly direction: Direction;
  readonly link: LinkId | null;
  readonly startUs: number;
  readonly seq: number;
  readonly ack: number;
  readonly tsval: number;
  readonly tsecr: number;
  readonly hasTimestamps: boolean;
  /** Of each segment, beside the one before: microseconds, sequence, acknowledgement, TSval, TSecr; then payload, flags. */
  readonly rows: readonly number[];
}

const columns = 7;

/**
 * As many sessions as fit, those of the lowest names: all units keep the same ones. What a wire saw but once is no half
 * of anything that could be measured.
 */
export function reportHalves(
  segments: readonly HalfSegment[],
  serial: number,
  bytesMax: number,
): { readonly report: HalfReport; readonly sent: number; readonly dropped: number } {
  const halves = new Map<string, HalfSegment[]>();
  for (const segment of segments) {
    const key = `${segment.session} ${segment.direction} ${segment.link ?? ''}`;
    const rows = halves.get(key);
    if (rows) rows.push(segment);
    else halves.set(key, [segment]);
  }
  const sessions: ReportedHalf[] = [];
  // But for the last, a comma follows each; and the brackets.
  let left = bytesMax - 1;
  let dropped = 0;
  for (const [, rows] of [...halves].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (rows.length < 2) continue;
    const half = reported(rows);
    const bytes = JSON.stringify(half).length + 1;
    if (bytes > left) {
      dropped++;
      continue;
    }
    left -= bytes;
    sessions.push(half);
  }
  return { report: { serial, sessions }, sent: sessions.length, dropped };
}

export function segmentsOf({ sessions }: HalfReport): readonly HalfSegment[] {
  return sessions.flatMap(({ rows, startUs, link, hasTimestamps, ...half }) => {
    const { session, direction } = half;
    let { seq, ack, tsval, tsecr } = half;
    let timeUs = startUs;
    return Array.from({ length: Math.floor(rows.length / columns) }, (_, i): HalfSegment => {
      const at = i * columns;
      timeUs += rows[at] ?? 0;
      seq = (seq + (rows[at + 1] ?? 0)) >>> 0;
      ack = (ack + (rows[at + 2] ?? 0)) >>> 0;
      tsval = (tsval + (rows[at + 3] ?? 0)) >>> 0;
      tsecr = (tsecr + (rows[at + 4] ?? 0)) >>> 0;
      const segment = {
        session,
        direction,
        link: link ?? undefined,
        timeUs,
        seq,
        ack,
        payloadBytes: rows[at + 5] ?? 0,
        flags: rows[at + 6] ?? 0,
      };
      return hasTimestamps ? { ...segment, tsval, tsecr } : segment;
    });
  });
}

function reported(unordered: readonly HalfSegment[]): ReportedHalf {
  const rows = [...unordered].sort((a, b) => a.timeUs - b.timeUs);
  const cells = (row: HalfSegment) => [row.seq, row.ack, row.tsval ?? 0, row.tsecr ?? 0] as const;
  const first = rows[0];
  const [seq = 0, ack = 0, tsval = 0, tsecr = 0] = first ? cells(first) : [];
  const startUs = first?.timeUs ?? 0;
  let before: readonly number[] = [seq, ack, tsval, tsecr];
  let beforeUs = startUs;
  const told = rows.flatMap((row) => {
    const now = cells(row);
    const steps = now.map((value, i) => (value - (before[i] ?? 0)) | 0);
    const us = row.timeUs - beforeUs;
    [before, beforeUs] = [now, row.timeUs];
    return [us, ...steps, row.payloadBytes, row.flags];
  });
  return {
    session: first?.session ?? '',
    direction: first?.direction ?? 'inbound',
    link: first?.link ?? null,
    startUs,
    seq,
    ack,
    tsval,
    tsecr,
    // All of a session's segments have them or none (RFC 7323, section 3.2), but for resets, which measure nothing.
    hasTimestamps: first?.tsval !== undefined,
    rows: told,
  };
}
