/**
 * TCP sessions that go out at one unit and come in at another: what each of them saw, joined. Pure.
 *
 * The halves were timed by different clocks. How far each is from the leader's was asked over the network, which is sure
 * to half of the time that asking took; the traffic narrows that, since no answer is seen before what it answers.
 */
import type { LinkId } from '../base/units.ts';
import type { Direction } from './link.ts';

/** A TCP segment of a sampled session of which the other direction was not seen by the same wire. */
export interface HalfSegment {
  /** The same at all units, in both directions. */
  readonly session: string;
  /** On its unit's clock, microseconds. */
  readonly timeUs: number;
  readonly direction: Direction;
  readonly link: LinkId | undefined;
  readonly seq: number;
  readonly ack: number;
  readonly payloadBytes: number;
  /** Of the TCP header. */
  readonly flags: number;
  /** Of the timestamps option (RFC 7323), where it is there. */
  readonly tsval?: number;
  readonly tsecr?: number;
}

/** By how much a unit's clock is ahead of the leader's, and how far that may be wrong, microseconds. */
export interface ClockOffset {
  readonly aheadUs: number;
  readonly errorUs: number;
}

/** What one unit saw. */
export interface Halves {
  readonly unit: string;
  readonly clock: ClockOffset;
  readonly segments: readonly HalfSegment[];
}

export interface JoinedLink {
  /** Round trips between the units and the far ends whose packets come in by this link, microseconds, ascending. */
  readonly rttUs: readonly number[];
  /** Retransmitted segments that went out by this link, and of them those whose first copy had been acknowledged. */
  readonly retransmitted: number;
  readonly spurious: number;
}

export interface Joined {
  readonly links: ReadonlyMap<LinkId, JoinedLink>;
  /** Sessions of which both halves were told, of which one, and whose clocks are not known well enough. */
  readonly joined: number;
  readonly alone: number;
  readonly unsure: number;
}

/** Two clocks that may be further apart than this from what is believed say nothing of round trips. */
const errorUsMax = 1000;
/** A round trip that takes longer was none: kSampleMaxUs of native/core/tcp_steady.h. */
const sampleUsMax = 10_000_000;

export function joinHalves(parts: readonly Halves[]): Joined {
  const links = new Map<LinkId, { rttUs: number[]; retransmitted: number; spurious: number }>();
  const at = (link: LinkId | undefined) => {
    const known = (link && links.get(link)) ?? { rttUs: [], retransmitted: 0, spurious: 0 };
    if (link !== undefined) links.set(link, known);
    return known;
  };
  const clocks = new Map(parts.map(({ unit, clock }) => [unit, clock]));
  let [joined, alone, unsure] = [0, 0, 0];
  for (const { out, back } of pairsOf(parts)) {
    if (out.rows.length === 0 || back.rows.length === 0) {
      alone++;
      continue;
    }
    const aheadUs = aheadOf(out, back, clocks);
    if (aheadUs === undefined) {
      unsure++;
      continue;
    }
    joined++;
    const rows = [
      ...out.rows,
      ...back.rows.map((row) => ({ ...row, timeUs: row.timeUs + aheadUs })),
    ];
    rows.sort((a, b) => a.timeUs - b.timeUs);
    const { rttUs, retransmitted, spurious } = followed(rows);
    at(back.rows[0]?.link).rttUs.push(...rttUs);
    const own = at(out.rows[0]?.link);
    own.retransmitted += retransmitted;
    own.spurious += spurious;
  }
  for (const { rttUs } of links.values()) rttUs.sort((a, b) => a - b);
  return { links, joined, alone, unsure };
}

interface Half {
  readonly unit: string;
  /** In the order of their times. */
  readonly rows: readonly HalfSegment[];
}

/** What went out, and what came back. */
interface Pair {
  readonly out: Half;
  readonly back: Half;
}

/** One for each session; of a direction that several units saw, the one that saw most of it speaks. */
function pairsOf(parts: readonly Halves[]): readonly Pair[] {
  const sessions = new Map<string, Record<Direction, Half>>();
  for (const { unit, segments } of [...parts].sort((a, b) => (a.unit < b.unit ? -1 : 1))) {
    const own = new Map<string, HalfSegment[]>();
    for (const segment of segments) {
      const key = `${segment.session} ${segment.direction}`;
      const rows = own.get(key);
      if (rows) rows.push(segment);
      else own.set(key, [segment]);
    }
    for (const rows of own.values()) {
      const [first] = rows;
      if (!first) continue;
      const known = sessions.get(first.session) ?? { inbound: nothing, outbound: nothing };
      if (rows.length <= known[first.direction].rows.length) continue;
      rows.sort((a, b) => a.timeUs - b.timeUs);
      sessions.set(first.session, { ...known, [first.direction]: { unit, rows } });
    }
  }
  return [...sessions.values()].map(({ inbound, outbound }) => ({ out: outbound, back: inbound }));
}

const nothing: Half = { unit: '', rows: [] };

/** What must be added to the times of the way back; undefined where that is not known well enough. */
function aheadOf(
  out: Half,
  back: Half,
  clocks: ReadonlyMap<string, ClockOffset>,
): number | undefined {
  if (out.unit === back.unit) return 0;
  const [own, other] = [clocks.get(out.unit), clocks.get(back.unit)];
  if (!own || !other) return undefined;
  const asked = own.aheadUs - other.aheadUs;
  const errorUs = own.errorUs + other.errorUs;
  const most = Math.min(asked + errorUs, leastAnswer(back.rows, out.rows));
  const least = Math.max(asked - errorUs, -leastAnswer(out.rows, back.rows));
  if (least > most || most - least > 2 * errorUsMax) return undefined;
  return Math.min(most, Math.max(least, asked));
}

const fin = 0x01;
const syn = 0x02;
const ack = 0x10;

/** Signed distance in sequence space. */
const beyond = (a: number, b: number): number => (a - b) | 0;

const endOf = ({ seq, payloadBytes, flags }: HalfSegment): number =>
  (seq + payloadBytes + (flags & syn ? 1 : 0) + (flags & fin ? 1 : 0)) >>> 0;

/** The least time from a segment to the first that acknowledges it, on their two clocks. */
function leastAnswer(data: readonly HalfSegment[], acks: readonly HalfSegment[]): number {
  let least = Number.POSITIVE_INFINITY;
  let next: number | undefined;
  let at = 0;
  for (const row of data) {
    const end = endOf(row);
    if (end === row.seq || (next !== undefined && beyond(end, next) <= 0)) continue;
    next = end;
    for (; at < acks.length; at++) {
      const answer = acks[at];
      if (!answer || (answer.flags & ack) === 0 || beyond(answer.ack, end) < 0) continue;
      least = Math.min(least, answer.timeUs - row.timeUs);
      break;
    }
  }
  return least;
}

/** What is known of one direction while its segments pass. */
interface Side {
  next?: number;
  /** The newest TSval. */
  tsval?: number;
  /** How far the other side has acknowledged it. */
  acked?: number;
  /** The round trip that is being timed: by an echo, or by an acknowledgement. */
  sample?: {
    readonly key: number;
    readonly bySequence: boolean;
    /** Begun by what the other side answers for its own sake: data, SYN or FIN. */
    readonly isAnswered: boolean;
    readonly timeUs: number;
  };
}

/** A session as one unit would have followed it that saw both directions: what native/core/tcp.cc does. */
function followed(rows: readonly HalfSegment[]): {
  readonly rttUs: readonly number[];
  readonly retransmitted: number;
  readonly spurious: number;
} {
  const sides: Record<Direction, Side> = { inbound: {}, outbound: {} };
  const rttUs: number[] = [];
  let [retransmitted, spurious] = [0, 0];
  for (const row of rows) {
    const { direction } = row;
    const own = sides[direction];
    const other = sides[direction === 'inbound' ? 'outbound' : 'inbound'];
    const isAck = (row.flags & ack) !== 0;
    const took = isAck ? endSample(other, row) : undefined;
    if (took !== undefined && direction === 'inbound') rttUs.push(took);
    const end = endOf(row);
    const { next } = own;
    const isOld = next !== undefined && end !== row.seq && beyond(end, next) <= 0;
    if (!isOld) beginSample(own, row, end);
    else if (!isKeepAlive(row, end, next)) {
      if (direction === 'outbound') {
        retransmitted++;
        if (own.acked !== undefined && beyond(end, own.acked) <= 0) spurious++;
      }
      // Which copy an acknowledgement answers is not known (RFC 6298, section 3).
      if (own.sample?.bySequence && beyond(row.seq, own.sample.key) < 0) delete own.sample;
    }
    if (next === undefined || beyond(end, next) > 0) own.next = end;
    if (isAck && (other.acked === undefined || beyond(row.ack, other.acked) > 0))
      other.acked = row.ack;
  }
  return { rttUs, retransmitted, spurious };
}

/** One byte or none below what was sent (RFC 9293, section 3.8.4). */
const isKeepAlive = (row: HalfSegment, end: number, next: number): boolean =>
  row.payloadBytes <= 1 && end === next && (row.flags & (syn | fin)) === 0;

function beginSample(own: Side, { seq, timeUs, tsval }: HalfSegment, end: number): void {
  // Only the first segment of a tick: its echo cannot tell which of them it answers.
  const isNewTick =
    tsval !== undefined && (own.tsval === undefined || beyond(tsval, own.tsval) > 0);
  if (isNewTick) own.tsval = tsval;
  const { sample } = own;
  const isAnswered = end !== seq;
  // What a pure acknowledgement began, which nothing may ever answer, gives way to what is answered.
  const givesWay = sample?.bySequence === false && !sample.isAnswered && isAnswered;
  if (sample && !givesWay && (!sample.bySequence || timeUs - sample.timeUs < sampleUsMax)) return;
  if (tsval !== undefined && tsval !== 0) {
    if (isNewTick) own.sample = { key: tsval, bySequence: false, isAnswered, timeUs };
  } else if (isAnswered) own.sample = { key: end, bySequence: true, isAnswered, timeUs };
}

function endSample(other: Side, row: HalfSegment): number | undefined {
  const { sample } = other;
  if (!sample || (!sample.bySequence && row.tsecr === undefined)) return undefined;
  const distance = beyond(sample.bySequence ? row.ack : (row.tsecr ?? 0), sample.key);
  if (distance < 0) return undefined;
  delete other.sample;
  const took = row.timeUs - sample.timeUs;
  // A tick that a delayed acknowledgement passed over: its time is not known.
  const isPassedOver = !sample.bySequence && distance > 0;
  return isPassedOver || took >= sampleUsMax ? undefined : took;
}
