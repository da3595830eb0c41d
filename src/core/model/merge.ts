/** What several units measured, as the one observation of the whole network. Pure; the order of the parts is nothing. */
import { eachSliced, mapSliced, type Sliced, whole } from '../base/slices.ts';
import { type Bitps, bitps, type LinkId, type Ms, ms, type PrefixText } from '../base/units.ts';
import type { JoinedLink } from './halves.ts';
import type {
  BlockObservation,
  BlockRouting,
  LinkObservation,
  Observation,
  Sampled,
} from './observation.ts';
import { type BlockState, eachRate, type Report } from './report.ts';

/** Of two units on one link: each sees a part of the traffic, or both see all of it. */
export type Pairing = 'parallel' | 'series';

export interface MergedLink {
  readonly link: LinkId;
  readonly capacity: Bitps;
  /** Units that have it: one, or a pair. */
  readonly units: readonly string[];
  readonly pairing: Pairing;
}

export interface UnitPart {
  readonly unit: string;
  /** Since it was measured, on the clock of whoever merges. */
  readonly ageMs: number;
  readonly report: Report;
  /** Of blocks that were divided otherwise nothing can be taken over. */
  readonly hasOurBlocks: boolean;
}

export interface MergeInput {
  readonly at: Ms;
  readonly links: readonly MergedLink[];
  readonly blocks: readonly PrefixText[];
  /** The latest report of each unit that sent one. */
  readonly parts: readonly UnitPart[];
  /** Units that are silent but may still announce, with the reason in words. */
  readonly frozen: ReadonlyMap<string, string>;
  /** Units that have let go: their links are none. */
  readonly gone: ReadonlySet<string>;
  /** What sessions say that go out at one unit and come in at another, and the share of all that were asked. */
  readonly joined?: { readonly links: ReadonlyMap<LinkId, JoinedLink>; readonly share: number };
}

export const mergeReports = (input: MergeInput): Observation => whole(mergeSliced(input));

export function* mergeSliced(input: MergeInput): Sliced<Observation> {
  const parts = [...input.parts]
    .filter(({ unit }) => !input.gone.has(unit))
    .sort((a, b) => (a.unit < b.unit ? -1 : 1));
  const speakers = speakersOf(input, parts);
  return {
    at: input.at,
    intervalMs: ms(Math.max(0, ...parts.map(({ report }) => report.intervalMs))),
    links: input.links.flatMap((link) =>
      mergeLink(input, link, speakers.get(link.link) ?? []).map((seen) =>
        withJoined(seen, input.joined),
      ),
    ),
    blocks: yield* mergeBlocks(input, parts, speakers),
  };
}

type Speakers = ReadonlyMap<LinkId, readonly UnitPart[]>;

/** Whose word counts for each link: a silent unit's only where no other of a pair speaks. */
function speakersOf({ links, frozen }: MergeInput, parts: readonly UnitPart[]): Speakers {
  return new Map(
    links.map(({ link, units }) => {
      const own = parts.filter(({ unit }) => units.includes(unit));
      const live = own.filter(({ unit }) => !frozen.has(unit));
      return [link, live.length > 0 ? live : own];
    }),
  );
}

/** Nothing at all where a unit that counts has not spoken yet: decide freezes on that. */
function mergeLink(
  { gone }: MergeInput,
  { link, capacity, units, pairing }: MergedLink,
  speakers: readonly UnitPart[],
): readonly LinkObservation[] {
  if (units.every((unit) => gone.has(unit))) return [{ link, capacity, isUp: false }];
  const seen = speakers.flatMap(({ report, ageMs }) => {
    const own = report.links.find((entry) => entry.link === link);
    return own ? [agedLink(own, ageMs)] : [];
  });
  const [first, second] = seen;
  if (!first) return [];
  return [second ? linkOfPair(first, second, pairing) : first];
}

/** Fewer round trips, or fewer retransmissions, prove nothing. */
const leastJoined = { rtt: 10, retransmitted: 20 };

/**
 * What no unit could see by itself: the round-trip time of a link whose sessions leave elsewhere, and how many of the
 * retransmissions that left by it were needless. Where a wire sees sessions both ways it knows both.
 */
function withJoined(link: LinkObservation, joined: MergeInput['joined']): LinkObservation {
  const told = joined?.links.get(link.link);
  if (!joined || !told || !link.isUp || link.rttUs?.source === 'wire') return link;
  const { rttUs, retransmitted, spurious } = told;
  const median = rttUs[rttUs.length >> 1];
  const isTimed = !link.rttUs && median !== undefined && rttUs.length >= leastJoined.rtt;
  const ratio = link.retransmissionRatio;
  const isJudged = ratio?.source === 'wire' && retransmitted >= leastJoined.retransmitted;
  return {
    ...link,
    ...(isTimed
      ? { rttUs: { value: median, ageMs: ms(0), coverage: joined.share, source: 'wire' } }
      : {}),
    ...(isJudged
      ? { retransmissionRatio: { ...ratio, value: ratio.value * (1 - spurious / retransmitted) } }
      : {}),
  };
}

/** Of one link, what each of two units saw. */
export function linkOfPair(
  one: LinkObservation,
  other: LinkObservation,
  pairing: Pairing,
): LinkObservation {
  const rate = (direction: 'inbound' | 'outbound') => {
    const both = summed(one[direction], other[direction], pairing);
    return both ? { [direction]: both } : {};
  };
  const better = (key: 'retransmissionRatio' | 'lossRatio' | 'rttUs' | 'asHops') => {
    const best = clearest(one[key], other[key]);
    return best ? { [key]: best } : {};
  };
  const congestion = one.congestion ?? other.congestion;
  const billing = one.billing ?? other.billing;
  return {
    link: one.link,
    isUp: one.isUp || other.isUp,
    capacity: bitps(Math.max(one.capacity, other.capacity)),
    ...rate('inbound'),
    ...rate('outbound'),
    ...better('retransmissionRatio'),
    ...better('lossRatio'),
    ...better('rttUs'),
    ...better('asHops'),
    ...(congestion ? { congestion } : {}),
    ...(billing ? { billing } : {}),
  };
}

/** Only wires see parts: a router's counter that both units read is one counter. */
function summed(
  one: Sampled<Bitps> | undefined,
  other: Sampled<Bitps> | undefined,
  pairing: Pairing,
): Sampled<Bitps> | undefined {
  if (!one || !other) return one ?? other;
  const isWire = ({ source }: Sampled<Bitps>) => source === 'wire' || source === 'mirror';
  if (pairing === 'series' || !isWire(one) || !isWire(other)) return clearest(one, other);
  return {
    value: bitps(one.value + other.value),
    ageMs: ms(Math.max(one.ageMs, other.ageMs)),
    coverage: Math.min(one.coverage, other.coverage),
    source: one.source,
  };
}

function clearest<T>(
  one: Sampled<T> | undefined,
  other: Sampled<T> | undefined,
): Sampled<T> | undefined {
  if (!one || !other) return one ?? other;
  if (one.coverage !== other.coverage) return one.coverage > other.coverage ? one : other;
  return one.ageMs <= other.ageMs ? one : other;
}

/** As it is so much later. */
export function agedLink(link: LinkObservation, ageMs: number): LinkObservation {
  const older = <T>(sample: Sampled<T> | undefined) =>
    sample && { ...sample, ageMs: ms(sample.ageMs + ageMs) };
  const samples = {
    inbound: older(link.inbound),
    outbound: older(link.outbound),
    retransmissionRatio: older(link.retransmissionRatio),
    lossRatio: older(link.lossRatio),
    rttUs: older(link.rttUs),
    asHops: older(link.asHops),
  };
  const present = Object.entries(samples).filter(([, sample]) => sample !== undefined);
  return { ...link, ...Object.fromEntries(present) };
}

function* mergeBlocks(
  input: MergeInput,
  parts: readonly UnitPart[],
  speakers: Speakers,
): Sliced<readonly BlockObservation[]> {
  const { blocks, frozen, links } = input;
  const isSeries = new Set(
    links
      .filter(({ pairing, units }) => pairing === 'series' && units.length > 1)
      .map((l) => l.link),
  );
  const rates = {
    inbound: new Map<PrefixText, Map<LinkId, Bitps>>(),
    outbound: new Map<PrefixText, Map<LinkId, Bitps>>(),
  };
  yield* eachSliced(parts, (part) => {
    if (!part.hasOurBlocks) return;
    const { blocks: reported } = part.report;
    const counts = new Set(reported.links.filter((link) => speakers.get(link)?.includes(part)));
    for (const direction of ['inbound', 'outbound'] as const) {
      eachRate(reported, reported[direction], (block, link, rate) => {
        if (!counts.has(link)) return;
        const own = rates[direction].get(block) ?? new Map<LinkId, Bitps>();
        const before = own.get(link) ?? 0;
        own.set(link, bitps(isSeries.has(link) ? Math.max(before, rate) : before + rate));
        rates[direction].set(block, own);
      });
    }
  });
  yield;
  const live = parts.filter(({ unit }) => !frozen.has(unit));
  const stateOf = statesOf(live);
  const routingOf = routingsOf(input, parts);
  return yield* mapSliced(blocks, (block) => {
    const routing = routingOf(block);
    return {
      block,
      inbound: listed(rates.inbound.get(block)),
      outbound: listed(rates.outbound.get(block)),
      ...stateOf(block),
      ...(routing ? { routing } : {}),
    };
  });
}

const listed = (rates: ReadonlyMap<LinkId, Bitps> | undefined) =>
  [...(rates ?? [])].map(([link, rate]) => ({ link, rate }));

type StateAt = (block: PrefixText) => BlockState | undefined;

/** What a report says of each block. */
function lookup({ blocks: { common, others } }: Report): StateAt {
  const differing = new Map<PrefixText, BlockState>();
  for (const { blocks, ...state } of others)
    for (const block of blocks) differing.set(block, state);
  return (block) => differing.get(block) ?? common;
}

/** A block is as old as its oldest part, and as well measured as its worst. */
function statesOf(
  live: readonly UnitPart[],
): (block: PrefixText) => Pick<BlockObservation, 'ageMs' | 'coverage'> {
  const ways = live.map((part) => ({ part, at: lookup(part.report) }));
  return (block) => {
    let age = 0;
    let coverage = live.length > 0 ? 1 : 0;
    for (const { part, at } of ways) {
      const state = at(block);
      age = Math.max(age, (state?.ageMs ?? 0) + part.ageMs);
      coverage = Math.min(coverage, part.hasOurBlocks ? (state?.coverage ?? 0) : 0);
    }
    return { ageMs: ms(age), coverage };
  };
}

function routingsOf(
  { links, frozen }: MergeInput,
  parts: readonly UnitPart[],
): (block: PrefixText) => BlockRouting | undefined {
  const ways = parts.map((part) => ({
    unit: part.unit,
    own: links.filter(({ units }) => units.includes(part.unit)).map(({ link }) => link),
    at: lookup(part.report),
  }));
  // A hundred units say much the same of ten thousand blocks: what was merged once is merged.
  const merged = new Map<string, BlockRouting | undefined>();
  const numbers = new Map<BlockRouting | undefined, number>();
  return (block) => {
    const told = ways.map(({ at }) => at(block)?.routing);
    const key = told
      .map((routing) => {
        const known = numbers.get(routing) ?? numbers.size;
        numbers.set(routing, known);
        return known;
      })
      .join(' ');
    if (!merged.has(key)) {
      const all = ways.map(({ unit, own }, i) => ({ unit, own, routing: told[i] }));
      merged.set(key, mergeRouting(all, frozen));
    }
    return merged.get(key);
  };
}

interface ToldRouting {
  readonly unit: string;
  readonly own: readonly LinkId[];
  readonly routing: BlockRouting | undefined;
}

/** Whatever any unit's routers forbid is forbidden, and what a silent unit announces is left alone. */
function mergeRouting(
  all: readonly ToldRouting[],
  frozen: ReadonlyMap<string, string>,
): BlockRouting | undefined {
  const told = all.flatMap(({ unit, routing }) => (routing ? [{ unit, ...routing }] : []));
  const foreign = told.find(({ isForeign }) => isForeign);
  const doubted =
    told.find(({ roa }) => roa === 'invalid') ?? told.find(({ roa }) => roa === 'stale');
  const judged = doubted ?? told.find(({ roa }) => roa !== undefined);
  const carriedOn = carriedByAny(all);
  const silent = all.find(
    ({ unit, own, routing }) =>
      frozen.has(unit) &&
      (routing?.carriedOn === undefined ||
        own.length === 0 ||
        routing.carriedOn.length > 0 ||
        routing.awaitedOn !== undefined),
  );
  const awaitedOn = [...new Set(told.flatMap((routing) => routing.awaitedOn ?? []))];
  const frozenReason = silent && frozen.get(silent.unit);
  const merged: BlockRouting = {
    ...(foreign
      ? {
          isForeign: true,
          foreignReason: `${foreign.foreignReason ?? 'somebody else announces it'} (at ${foreign.unit})`,
        }
      : {}),
    ...(told.some(({ isWithheld }) => isWithheld) ? { isWithheld: true } : {}),
    ...(judged?.roa === undefined ? {} : { roa: judged.roa }),
    ...(judged?.roaReason === undefined ? {} : { roaReason: judged.roaReason }),
    ...(carriedOn ? { carriedOn } : {}),
    ...(awaitedOn.length > 0 ? { awaitedOn } : {}),
    ...(frozenReason === undefined ? {} : { frozenReason }),
  };
  return Object.keys(merged).length > 0 ? merged : undefined;
}

/** A unit that says nothing of what its routers carry is no evidence that they do not. */
function carriedByAny(all: readonly ToldRouting[]): readonly LinkId[] | undefined {
  if (!all.some(({ routing }) => routing?.carriedOn)) return undefined;
  const carried = all.flatMap(({ own, routing }) => routing?.carriedOn ?? own);
  return [...new Set(carried)];
}
