import { err, ok, type Result } from '../../core/base/result.ts';
import { type Bitps, bitps } from '../../core/base/units.ts';
import type { InterfaceReading } from './reading.ts';

/** What two readings of one interface say of the time between them. */
export interface InterfaceRates {
  readonly elapsedMs: number;
  readonly inbound: Bitps;
  readonly outbound: Bitps;
  /** Discarded of all packets of the direction, 0 to 1. */
  readonly inboundDiscardRatio: number;
  readonly outboundDiscardRatio: number;
  readonly errors: number;
}

/** Why two readings cannot be compared; the second becomes the first of the next pair. */
export type RateError =
  | 'restarted'
  | 'discontinuity'
  | 'counter_reset'
  | 'other_interface'
  | 'too_close'
  | 'implausible';

/** The agent's clock may differ from ours by this much before it counts as a restart. */
const clockSlackMs = 30_000;
const upTimeModulus = 2 ** 32;
/** Framing and a speed that is rounded: what is beyond this is no traffic. */
const speedSlack = 1.2;

/**
 * Rates by the agent's own clock, so that a late answer does not bend them.
 * 32-bit counters may wrap once between readings; 64-bit ones do not wrap in a lifetime, so that going back is a reset.
 */
export function ratesBetween(
  before: InterfaceReading,
  after: InterfaceReading,
): Result<InterfaceRates, RateError> {
  if (before.name !== after.name || before.width !== after.width) return err('other_interface');
  const oursMs = after.atMs - before.atMs;
  // Forward distance modulo 2^32: an uptime of 497 days wraps, a restart does not look like our own clock.
  const elapsedMs = ((after.upTime - before.upTime + upTimeModulus) % upTimeModulus) * 10;
  if (Math.abs(elapsedMs - oursMs) > clockSlackMs) return err('restarted');
  if (after.discontinuity !== before.discontinuity) return err('discontinuity');
  if (elapsedMs < 100) return err('too_close');
  const width = before.width;
  const inBytes = difference(before.inBytes, after.inBytes, width);
  const outBytes = difference(before.outBytes, after.outBytes, width);
  if (inBytes === undefined || outBytes === undefined) return err('counter_reset');
  const inbound = (inBytes * 8000) / elapsedMs;
  const outbound = (outBytes * 8000) / elapsedMs;
  const speed = Math.max(before.speed, after.speed);
  if (speed > 0 && Math.max(inbound, outbound) > speed * speedSlack) return err('implausible');
  const packets = (direction: 'inPackets' | 'outPackets') =>
    difference(before[direction], after[direction], 64) ?? 0;
  const narrow = (counter: 'inDiscards' | 'outDiscards' | 'inErrors' | 'outErrors') =>
    difference(before[counter], after[counter], 32) ?? 0;
  return ok({
    elapsedMs,
    inbound: bitps(inbound),
    outbound: bitps(outbound),
    inboundDiscardRatio: ratio(narrow('inDiscards'), packets('inPackets')),
    outboundDiscardRatio: ratio(narrow('outDiscards'), packets('outPackets')),
    errors: narrow('inErrors') + narrow('outErrors'),
  });
}

/** Undefined when the counter went back and cannot have wrapped. */
function difference(before: bigint, after: bigint, width: 32 | 64): number | undefined {
  if (after >= before) return Number(after - before);
  return width === 32 ? Number(after - before + 4294967296n) : undefined;
}

/** Discarded packets are not among the delivered ones (RFC 2863). */
const ratio = (discarded: number, delivered: number): number =>
  discarded === 0 ? 0 : discarded / (discarded + delivered);
