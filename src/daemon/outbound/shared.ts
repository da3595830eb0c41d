/** Outbound that two units share, since they have the same routers: what is in force, and what both measure. Pure. */
import { bitps, type LinkId, type PrefixText } from '../../core/base/units.ts';
import type { Disproved, Override } from '../../core/decide/egress/index.ts';
import type { ClassWay, RememberedWeights } from '../../core/decide/weights/index.ts';
import { linkOfPair, type Pairing } from '../../core/model/merge.ts';
import type { LinkObservation, Observation } from '../../core/model/observation.ts';
import type { MeasuredRates } from './destination-rates.ts';

/** `keeps`: what is in force, unchanged. `lets_go`: plain BGP. */
export type PairRole = 'decides' | 'follows' | 'keeps' | 'lets_go';

/** Marks as another unit needs them to mark alike. */
export interface SharedMarks extends RememberedWeights {
  readonly near: readonly NearMembers[];
}

/** All that is in force of outbound, and what the next decision goes on from. */
export interface OutboundInForce {
  readonly detours: readonly Override[];
  readonly disproved: readonly Disproved[];
  readonly marks?: SharedMarks;
}

/** What one unit's wires, routers and exports say of outbound traffic. */
export interface OutboundMeasure {
  readonly ageMs: number;
  readonly source: MeasuredRates['source'];
  /** The heaviest, bit/s. */
  readonly rates: ReadonlyArray<readonly [PrefixText, number]>;
  readonly links: readonly LinkObservation[];
  readonly total: number;
  readonly byLink: ReadonlyArray<readonly [LinkId, number]>;
}

/** Destinations that are as near by each link: their round trips in shares of the longest. */
export interface NearClass {
  readonly name: string;
  readonly ways: readonly ClassWay[];
}

export interface NearMembers extends NearClass {
  readonly prefixes: readonly PrefixText[];
}

/** Bit/s that went out by the wires: in all, and by the link that packets were marked for. */
export interface WireLoad {
  readonly total: number;
  readonly byLink: ReadonlyMap<LinkId, number>;
}

/** The heaviest are told; of the rest the sum is known. */
const ratesMax = 2000;

/** What this unit measured, as it is told. */
export function measureOf(
  measured: MeasuredRates | undefined,
  links: readonly LinkObservation[],
  load: WireLoad,
): OutboundMeasure | undefined {
  if (!measured) return undefined;
  const { rates, source, ageMs } = measured;
  const heaviest = [...rates].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return {
    ageMs,
    source,
    rates: heaviest.slice(0, ratesMax).map(([prefix, rate]) => [prefix, Math.round(rate)]),
    links,
    total: load.total,
    byLink: [...load.byLink],
  };
}

/** Both wires' destinations: in parallel each has a part, in series both have all. */
export function ratesOfBoth(
  own: MeasuredRates | undefined,
  theirs: OutboundMeasure | undefined,
  pairing: Pairing,
): MeasuredRates | undefined {
  if (!theirs) return own;
  if (!own) return { ...theirs, rates: new Map(theirs.rates.map(([p, rate]) => [p, bitps(rate)])) };
  const rates = new Map(own.rates);
  for (const [prefix, rate] of theirs.rates)
    rates.set(prefix, bitps(ofBoth(rates.get(prefix) ?? 0, rate, isSum(own, theirs, pairing))));
  return { ...own, rates, ageMs: Math.max(own.ageMs, theirs.ageMs) };
}

export function loadOfBoth(own: WireLoad, theirs: OutboundMeasure, pairing: Pairing): WireLoad {
  const isParallel = pairing === 'parallel';
  const byLink = new Map(own.byLink);
  for (const [link, rate] of theirs.byLink)
    byLink.set(link, ofBoth(byLink.get(link) ?? 0, rate, isParallel));
  return { total: ofBoth(own.total, theirs.total, isParallel), byLink };
}

/** An observation with the links as both see them. */
export function linksOfBoth(
  own: Observation,
  theirs: OutboundMeasure,
  pairing: Pairing,
): Observation {
  const told = new Map(theirs.links.map((link) => [link.link, link]));
  return {
    ...own,
    links: own.links.map((link) => {
      const other = told.get(link.link);
      return other ? linkOfPair(link, other, pairing) : link;
    }),
  };
}

/** Exports come from the routers: both units hear of the same traffic. */
const isSum = (own: MeasuredRates, theirs: OutboundMeasure, pairing: Pairing): boolean =>
  pairing === 'parallel' && own.source === 'wire' && theirs.source === 'wire';

const ofBoth = (own: number, theirs: number, isSummed: boolean): number =>
  isSummed ? own + theirs : Math.max(own, theirs);
