/** How much goes to each foreign prefix, and what of a link's load belongs to none of them. Pure. */
import { type Bitps, bitps, type LinkId, type PrefixText } from '../../core/base/units.ts';
import type { Override } from '../../core/decide/egress/index.ts';
import type { EngineSnapshot } from '../../engine/index.ts';
import type { FlowStretch } from '../measure/samples.ts';

export interface MeasuredRates {
  readonly rates: ReadonlyMap<PrefixText, Bitps>;
  readonly source: 'wire' | 'flows';
  readonly ageMs: number;
}

export interface Span {
  readonly earlier: EngineSnapshot;
  readonly later: EngineSnapshot;
  readonly ageMs: number;
}

/** From the wires where they count destinations, else from flow exports; undefined where nobody counted. */
export function measureRates(
  span: Span | undefined,
  flows: FlowStretch | undefined,
): MeasuredRates | undefined {
  const elapsedMs = span ? span.later.monotonicMs - span.earlier.monotonicMs : 0;
  if (span && elapsedMs > 0 && span.later.destinations.length > 0) {
    const before = new Map(span.earlier.destinations.map((d) => [d.prefix, d.l2Bytes]));
    const rates = new Map<PrefixText, Bitps>();
    for (const { prefix, l2Bytes } of span.later.destinations) {
      const earlier = before.get(prefix) ?? 0;
      const bytes = l2Bytes >= earlier ? l2Bytes - earlier : l2Bytes;
      if (bytes > 0) rates.set(prefix, bitps((bytes * 8000) / elapsedMs));
    }
    return { rates, source: 'wire', ageMs: span.ageMs };
  }
  if (!flows || flows.elapsedMs === 0) return undefined;
  const rates = new Map<PrefixText, Bitps>();
  for (const [prefix, bytes] of flows.destinations)
    rates.set(prefix, bitps((bytes * 8000) / flows.elapsedMs));
  return { rates, source: 'flows', ageMs: flows.ageMs };
}

/**
 * What the links carry beside the known destinations. Only the sum over all links is trusted: right after a detour the
 * averages of a link's counter and of its destinations speak of different times, and their difference is no traffic.
 */
export function unattributed(
  measured: ReadonlyMap<LinkId, number>,
  attributed: ReadonlyMap<LinkId, number>,
): ReadonlyMap<LinkId, Bitps> {
  const rest = new Map<LinkId, number>();
  let total = 0;
  let sum = 0;
  for (const [link, rate] of measured) {
    const own = Math.max(0, rate - (attributed.get(link) ?? 0));
    rest.set(link, own);
    sum += own;
    total += rate - (attributed.get(link) ?? 0);
  }
  const share = sum > 0 ? Math.max(0, total) / sum : 0;
  return new Map([...rest].map(([link, own]) => [link, bitps(own * share)]));
}

/** By link, the rates of the destinations that go by it now. */
export function attributedRates<N extends string>(
  destinations: ReadonlyArray<{
    readonly destination: N;
    readonly rate: number;
    readonly routes: ReadonlyArray<{ readonly link: LinkId }>;
  }>,
  inForce: ReadonlyArray<Override<N>>,
  isUp: (link: LinkId) => boolean,
): ReadonlyMap<LinkId, number> {
  const detoured = new Map(inForce.map(({ destination, link }) => [destination, link]));
  const sums = new Map<LinkId, number>();
  for (const { destination, rate, routes } of destinations) {
    const link = detoured.get(destination) ?? routes.find((route) => isUp(route.link))?.link;
    if (link !== undefined) sums.set(link, (sums.get(link) ?? 0) + rate);
  }
  return sums;
}
