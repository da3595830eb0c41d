/** Merges what the sources measured to one observation. Pure: the same samples give the same observation. */
import { eachSliced, mapSliced, type Sliced, whole } from '../../core/base/slices.ts';
import { type Bitps, bitps, type LinkId, ms, type PrefixText } from '../../core/base/units.ts';
import type { Direction } from '../../core/model/link.ts';
import type {
  BlockObservation,
  BlockRouting,
  LinkBilling,
  LinkObservation,
  Observation,
  Sampled,
} from '../../core/model/observation.ts';
import type { Settings } from '../../core/settings/index.ts';
import type {
  BlockCount,
  EngineSnapshot,
  LinkCount,
  TcpCount,
  WireCount,
} from '../../engine/index.ts';
import { compare, type Statement } from './compare.ts';
import type { FlowStretch, LinkSamples } from './samples.ts';
import { judgeLink, type Retransmissions } from './signs.ts';

export interface ObserveInput {
  /** Wall clock, milliseconds since the epoch. */
  readonly at: number;
  readonly settings: Settings;
  /** Two snapshots around the averaging time; absent while there are no two. */
  readonly wire?: {
    readonly earlier: EngineSnapshot;
    readonly later: EngineSnapshot;
    readonly ageMs: number;
  };
  readonly samples?: ReadonlyMap<LinkId, LinkSamples>;
  readonly flows?: FlowStretch;
  readonly routing?: ReadonlyMap<PrefixText, BlockRouting>;
  /** Where links that are billed by a percentile stand in their month. */
  readonly billing?: ReadonlyMap<LinkId, LinkBilling>;
  /** Links whose router has lost its session with the provider. */
  readonly cut?: ReadonlySet<LinkId>;
  /** The links of the observation before this: a verdict of congestion is left later than it is reached. */
  readonly before?: readonly LinkObservation[];
}

/**
 * Where several sources measure one thing, the wire comes first: it sees every packet and is of the moment.
 * Then the routers' counters, then flow exports.
 */
export const observe = (input: ObserveInput): Observation => whole(observeSliced(input));

export function* observeSliced(input: ObserveInput): Sliced<Observation> {
  const { at, settings, wire } = input;
  const deltas = wire && (yield* differences(wire.earlier, wire.later));
  const isInline = settings.wires.length > 0;
  const exported = isInline ? undefined : exportedByBlock(input.flows);
  return {
    at: ms(at),
    intervalMs: ms(deltas?.elapsedMs ?? input.flows?.elapsedMs ?? 0),
    links: settings.links.map((link) => judgeAll(input, observeLink(input, link, deltas), deltas)),
    blocks: yield* mapSliced(settings.blocks, ({ prefix }) =>
      exported ? observeExported(input, prefix, exported) : observeBlock(input, prefix, deltas),
    ),
  };
}

/** Adds to what was measured of a link what all of it together says. */
function judgeAll(
  input: ObserveInput,
  seen: LinkObservation,
  deltas: Differences | undefined,
): LinkObservation {
  const samples = input.samples?.get(seen.link);
  const tcp = deltas?.links.get(seen.link)?.tcp;
  const before = input.before?.find(({ link }) => link === seen.link)?.congestion ?? [];
  const congestion = judgeLink({ seen, samples, before, ...(tcp ? { tcp } : {}) });
  const comparisons = (['inbound', 'outbound'] as const).flatMap((direction) =>
    compare(direction, statementsOf(input, seen, direction, deltas)),
  );
  const billing = input.billing?.get(seen.link);
  return {
    ...seen,
    ...(billing ? { billing } : {}),
    ...(congestion.length > 0 ? { congestion } : {}),
    ...(comparisons.length > 0 ? { comparisons } : {}),
  };
}

/** What each source that measures a link's rate says of it. */
function statementsOf(
  { settings, samples, flows }: ObserveInput,
  seen: LinkObservation,
  direction: Direction,
  deltas: Differences | undefined,
): Statement[] {
  const { link } = seen;
  const taken = seen[direction];
  const wireName = settings.links.find(({ name }) => name === link)?.attribute?.wire;
  const place = settings.wires.find(({ name }) => name === wireName)?.place;
  const averageMs = deltas?.elapsedMs ?? flows?.elapsedMs ?? 0;
  const told = samples?.get(link)?.[direction];
  // What is older than the averaging time speaks of another time, and contradicts nothing.
  const counted = told && told.ageMs <= averageMs ? told : undefined;
  const exported = flows && flows.elapsedMs > 0 ? flows : undefined;
  const isWire = taken?.source === 'wire' || taken?.source === 'mirror';
  return [
    // A wire behind the router misses what the router itself takes and what leaves it elsewhere.
    ...(isWire
      ? [
          {
            source: taken.source,
            rate: taken.value,
            errorRatio: 0,
            isWhole: place === 'link' && taken.coverage === 1,
          },
        ]
      : []),
    ...(counted
      ? [{ source: counted.source, rate: counted.value, errorRatio: 0, isWhole: true }]
      : []),
    ...(exported
      ? [
          {
            source: exported.source,
            rate: rate(exported.links.get(link)?.[direction] ?? 0, exported),
            errorRatio: exported.errorRatio,
            isWhole: true,
          },
        ]
      : []),
  ];
}

type ExportedByBlock = ReadonlyMap<PrefixText, FlowStretch['blocks']>;

function exportedByBlock(flows: FlowStretch | undefined): ExportedByBlock | undefined {
  if (!flows) return undefined;
  const byBlock = new Map<PrefixText, FlowStretch['blocks'][number][]>();
  for (const entry of flows.blocks) {
    const entries = byBlock.get(entry.block);
    if (entries) entries.push(entry);
    else byBlock.set(entry.block, [entry]);
  }
  return byBlock;
}

function observeExported(
  { flows, routing }: ObserveInput,
  block: PrefixText,
  exported: ExportedByBlock,
): BlockObservation {
  const counted = exported.get(block) ?? [];
  const elapsedMs = flows?.elapsedMs ?? 0;
  const rates = (direction: Direction) =>
    counted.flatMap((entry) =>
      entry.direction === direction && entry.bytes > 0
        ? [{ link: entry.link, rate: rate(entry.bytes, { elapsedMs }) }]
        : [],
    );
  const told = routing?.get(block);
  return {
    block,
    inbound: rates('inbound'),
    outbound: rates('outbound'),
    ageMs: ms(flows?.ageMs ?? 0),
    coverage: elapsedMs > 0 ? (flows?.coverage ?? 0) : 0,
    ...(told === undefined ? {} : { routing: told }),
  };
}

/** What was counted between two snapshots. */
interface Differences {
  readonly elapsedMs: number;
  readonly links: ReadonlyMap<LinkId | undefined, LinkDifference>;
  readonly blocks: ReadonlyMap<PrefixText, readonly BlockDifference[]>;
  /** Share of the frames of each wire that passed the unit and not the bypass. */
  readonly coverage: ReadonlyMap<string, number>;
}

interface LinkDifference {
  readonly inboundBytes: number;
  readonly outboundBytes: number;
  readonly tcp: Readonly<Record<Direction, Retransmissions>>;
  readonly rttUs: number | undefined;
}

interface BlockDifference {
  readonly link: LinkId | undefined;
  readonly direction: 'inbound' | 'outbound';
  readonly bytes: number;
}

function observeLink(
  { settings, wire, samples, flows, cut }: ObserveInput,
  link: Settings['links'][number],
  deltas: Differences | undefined,
): LinkObservation {
  const other = samples?.get(link.name);
  const wireName = link.attribute?.wire;
  const place = settings.wires.find((entry) => entry.name === wireName)?.place;
  const port = wire?.later.wires.find((entry) => entry.wire === wireName);
  // Only a wire of place link is the circuit itself; behind one of place inside a router still stands.
  const isCut = (place === 'link' && port?.state === 'down') || cut?.has(link.name) === true;
  const seen = {
    link: link.name,
    isUp: (other?.isUp ?? true) && !isCut,
    capacity: bitps(Math.min(link.capacity, other?.capacity ?? link.capacity)),
    ...(other?.lossRatio === undefined ? {} : { lossRatio: other.lossRatio }),
    ...(other?.asHops === undefined ? {} : { asHops: other.asHops }),
  };
  if (wireName === undefined || wire === undefined || deltas === undefined) {
    return { ...seen, ...outOfLine(other, flows, link.name) };
  }
  const coverage = deltas.coverage.get(wireName) ?? 0;
  const source = port?.driver === 'mirror' ? 'mirror' : 'wire';
  const sampled = <T>(value: T): Sampled<T> => ({ value, ageMs: ms(wire.ageMs), coverage, source });
  const counted = deltas.links.get(link.name);
  const segments = (counted?.tcp.inbound.segments ?? 0) + (counted?.tcp.outbound.segments ?? 0);
  const lost = (counted?.tcp.inbound.lost ?? 0) + (counted?.tcp.outbound.lost ?? 0);
  return {
    ...seen,
    inbound: sampled(rate(counted?.inboundBytes ?? 0, deltas)),
    outbound: sampled(rate(counted?.outboundBytes ?? 0, deltas)),
    ...(segments > 0 ? { retransmissionRatio: sampled(Math.min(1, lost / segments)) } : {}),
    ...(counted?.rttUs === undefined ? probed(other) : { rttUs: sampled(counted.rttUs) }),
  };
}

/** A link that no wire carries. */
function outOfLine(
  other: LinkSamples | undefined,
  flows: FlowStretch | undefined,
  link: LinkId,
): Pick<LinkObservation, 'inbound' | 'outbound' | 'rttUs'> {
  const { inbound, outbound } = other ?? {};
  if (inbound && outbound) return { inbound, outbound, ...probed(other) };
  if (!flows || flows.elapsedMs === 0) return probed(other);
  const bytes = flows.links.get(link) ?? { inbound: 0, outbound: 0 };
  const sampled = (value: number): Sampled<Bitps> => ({
    value: rate(value, flows),
    ageMs: ms(flows.ageMs),
    coverage: flows.coverage,
    source: flows.source,
  });
  return { inbound: sampled(bytes.inbound), outbound: sampled(bytes.outbound), ...probed(other) };
}

const probed = (other: LinkSamples | undefined) => (other?.rttUs ? { rttUs: other.rttUs } : {});

function observeBlock(
  { wire, routing }: ObserveInput,
  block: PrefixText,
  deltas: Differences | undefined,
): BlockObservation {
  const counted = deltas?.blocks.get(block) ?? [];
  const sum = (entries: readonly BlockDifference[]) =>
    entries.reduce((total, entry) => total + entry.bytes, 0);
  const all = sum(counted);
  const known = sum(counted.filter((entry) => entry.link !== undefined));
  const covered = deltas ? Math.min(1, ...deltas.coverage.values()) : 0;
  const told = routing?.get(block);
  return {
    block,
    inbound: ratesByLink(counted, 'inbound', deltas),
    outbound: ratesByLink(counted, 'outbound', deltas),
    ageMs: ms(wire?.ageMs ?? 0),
    // Bytes whose link is unknown were counted, but cannot be laid to a link.
    coverage: covered * (all === 0 ? 1 : known / all),
    ...(told === undefined ? {} : { routing: told }),
  };
}

function ratesByLink(
  counted: readonly BlockDifference[],
  direction: 'inbound' | 'outbound',
  deltas: Differences | undefined,
) {
  return counted.flatMap((entry) =>
    entry.direction === direction && entry.link !== undefined && entry.bytes > 0 && deltas
      ? [{ link: entry.link, rate: rate(entry.bytes, deltas) }]
      : [],
  );
}

const rate = (bytes: number, { elapsedMs }: Pick<Differences, 'elapsedMs'>) =>
  bitps((bytes * 8000) / elapsedMs);

function* differences(
  earlier: EngineSnapshot,
  later: EngineSnapshot,
): Sliced<Differences | undefined> {
  const elapsedMs = later.monotonicMs - earlier.monotonicMs;
  if (elapsedMs <= 0) return undefined;
  const linksBefore = new Map(earlier.links.map((count) => [count.link, count]));
  const blocksBefore = new Map<string, number>();
  yield* eachSliced(earlier.blocks, (count) => blocksBefore.set(blockKey(count), count.l2Bytes));
  const blocks = new Map<PrefixText, BlockDifference[]>();
  yield* eachSliced(later.blocks, (count) => {
    const bytes = grown(count.l2Bytes, blocksBefore.get(blockKey(count)));
    const entry = { link: count.link, direction: count.direction, bytes };
    const entries = blocks.get(count.block);
    if (entries) entries.push(entry);
    else blocks.set(count.block, [entry]);
  });
  const wiresBefore = new Map(earlier.wires.map((count) => [count.wire, count]));
  return {
    elapsedMs,
    blocks,
    links: new Map(
      later.links.map((count) => [count.link, linkDifference(count, linksBefore.get(count.link))]),
    ),
    coverage: new Map(
      later.wires.map((count) => [count.wire, coverageOf(count, wiresBefore.get(count.wire))]),
    ),
  };
}

const blockKey = (count: BlockCount) => `${count.block} ${count.link ?? ''} ${count.direction}`;

/** A counter that went back was started anew: all it says now is new. */
const grown = (now: number, before = 0) => (now >= before ? now - before : now);

function linkDifference(now: LinkCount, before: LinkCount | undefined): LinkDifference {
  const { inbound, outbound } = now.tcp;
  // The provider's side of the unit: before it for what comes in, beyond it for what goes out.
  const tcp = {
    inbound: {
      segments: grown(inbound.dataSegments, before?.tcp.inbound.dataSegments),
      lost: grown(inbound.lostBefore, before?.tcp.inbound.lostBefore),
    },
    outbound: {
      segments: grown(outbound.dataSegments, before?.tcp.outbound.dataSegments),
      lost: lostBeyond(outbound, before?.tcp.outbound),
    },
  };
  return {
    inboundBytes: grown(now.inbound.l2Bytes, before?.inbound.l2Bytes),
    outboundBytes: grown(now.outbound.l2Bytes, before?.outbound.l2Bytes),
    tcp,
    rttUs: medianOf(now, before),
  };
}

/** What receivers took back since may have been counted earlier: never less than nothing. */
function lostBeyond(now: TcpCount, before: TcpCount | undefined): number {
  const lost = grown(now.lostBeyond, before?.lostBeyond);
  return Math.max(0, lost - grown(now.needless, before?.needless));
}

/** Median of the round-trip times towards outside that were taken between the snapshots: the bound of its bucket. */
function medianOf(now: LinkCount, before: LinkCount | undefined): number | undefined {
  const earlier = new Map(before?.rtt.outside.buckets.map((b) => [b.boundUs, b.count]));
  const buckets = now.rtt.outside.buckets.map((b) => ({
    boundUs: b.boundUs,
    count: grown(b.count, earlier.get(b.boundUs)),
  }));
  const total = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  let seen = 0;
  for (const bucket of buckets) {
    seen += bucket.count;
    if (total > 0 && seen * 2 >= total) return bucket.boundUs;
  }
  return undefined;
}

function coverageOf(now: WireCount, before: WireCount | undefined): number {
  const frames = (count: WireCount | undefined, path: 'unit' | 'bypass') =>
    count === undefined ? 0 : count[path].inbound.packets + count[path].outbound.packets;
  const unit = grown(frames(now, 'unit'), frames(before, 'unit'));
  const bypass = grown(frames(now, 'bypass'), frames(before, 'bypass'));
  if (unit + bypass > 0) return unit / (unit + bypass);
  // Nothing passed: all of nothing was measured, unless nobody was looking.
  return now.state === 'forwarding' ? 1 : 0;
}
