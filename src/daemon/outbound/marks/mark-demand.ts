/** What the decision over weights is made from: the demand of each class, and what links carry beside. */
import {
  bitps,
  type LinkId,
  ms,
  type PrefixText,
  type RouterId,
} from '../../../core/base/units.ts';
import { buildNetwork } from '../../../core/decide/network.ts';
import type {
  DestinationClass,
  WeightsInput,
  WeightsPolicy,
} from '../../../core/decide/weights/index.ts';
import type { Observation } from '../../../core/model/observation.ts';
import type { Settings } from '../../../core/settings/index.ts';
import type { EngineSnapshot } from '../../../engine/index.ts';
import { policyOf } from '../../configure.ts';
import type { LinkSamples } from '../../measure/samples.ts';
import type { MeasuredRates } from '../destination-rates.ts';
import { LeastOf } from '../least-of.ts';
import type { NearClass, WireLoad } from '../shared.ts';
import type { RouteTable } from './route-classes.ts';

interface Measured {
  readonly observation: Observation;
  readonly load: WireLoad;
  readonly rates: MeasuredRates;
}

interface Known {
  readonly settings: Settings;
  readonly router: RouterId;
  readonly routes: RouteTable;
  readonly near: readonly NearClass[];
  readonly classOf: (prefix: PrefixText) => string;
  /** What the router's own counters say. */
  readonly counters: ReadonlyMap<LinkId, LinkSamples> | undefined;
  readonly down: ReadonlyMap<LinkId, unknown>;
}

/** The thresholds of outbound, and the rails of all that moves traffic. */
export function marksPolicyOf(settings: Settings): WeightsPolicy {
  const { sharePerRound, settleMs, high } = policyOf(settings).rails;
  const own = new Map(
    settings.links.map(({ name, outboundThreshold }) => [name, outboundThreshold]),
  );
  return {
    high: (link) => own.get(link) ?? settings.outbound?.threshold ?? high,
    sharePerRound,
    settleMs,
  };
}

export class MarkDemand {
  readonly #beside = new LeastOf<LinkId>();

  of(measured: Measured, known: Known): WeightsInput {
    const { settings, router, down } = known;
    const links = settings.links.filter((link) => link.router === router).map(({ name }) => name);
    const all = policyOf(settings);
    const policy = { ...all, links: all.links.filter(({ link }) => links.includes(link)) };
    const observation = {
      ...measured.observation,
      links: measured.observation.links.map((link) =>
        down.has(link.link) ? { ...link, isUp: false } : link,
      ),
    };
    const network = buildNetwork(observation, policy, 'outbound');
    const { load } = measured;
    const beside = this.#beside.next(besideOf(links, known.counters, load));
    return {
      at: ms(measured.observation.at),
      network,
      classes: classesOf(measured.rates, load.total, known),
      fixed: network.links.map((link) => beside.get(link) ?? 0),
    };
  }
}

/** What counted destinations carry, by class; the rest goes where no prefix covers, as nothing else is known of it. */
function classesOf(
  { rates }: MeasuredRates,
  total: number,
  { routes, near, classOf }: Known,
): readonly DestinationClass[] {
  const sums = new Map<string, number>();
  let known = 0;
  for (const [prefix, rate] of rates) {
    const name = classOf(prefix);
    sums.set(name, (sums.get(name) ?? 0) + rate);
    known += rate;
  }
  const rest = Math.max(0, total - known);
  const { otherwise } = routes;
  sums.set(otherwise.name, (sums.get(otherwise.name) ?? 0) + rest);
  const plain = new Map([otherwise, ...routes.classes].map((each) => [each.name, each.links]));
  return [
    ...[...plain].map(([name, links]) => ({ name, ways: links.map((link) => ({ link })) })),
    ...near,
  ].map(({ name, ways }) => ({ name, ways, rate: bitps(sums.get(name) ?? 0) }));
}

/** Bit/s that went out, by link as the packets were marked, and in all. */
export function loadOf(
  span: { readonly earlier: EngineSnapshot; readonly later: EngineSnapshot } | undefined,
): WireLoad {
  const byLink = new Map<LinkId, number>();
  const elapsedMs = span ? span.later.monotonicMs - span.earlier.monotonicMs : 0;
  if (!span || elapsedMs <= 0) return { total: 0, byLink };
  const before = new Map(span.earlier.links.map(({ link, outbound }) => [link, outbound.l2Bytes]));
  let total = 0;
  for (const { link, outbound } of span.later.links) {
    const earlier = before.get(link) ?? 0;
    const bytes = outbound.l2Bytes >= earlier ? outbound.l2Bytes - earlier : outbound.l2Bytes;
    const rate = (bytes * 8000) / elapsedMs;
    total += rate;
    if (link !== undefined) byLink.set(link, rate);
  }
  return { total, byLink };
}

/**
 * What the router's counters saw leave by each link that did not come through the wires. What came through them
 * unmarked left by some link too, and will be marked: only what is beyond that counts.
 */
function besideOf(
  links: readonly LinkId[],
  counters: Known['counters'],
  { total, byLink }: WireLoad,
): ReadonlyMap<LinkId, number> {
  const beside = new Map<LinkId, number>();
  let sum = 0;
  let unmarked = total;
  for (const link of links) {
    const marked = byLink.get(link) ?? 0;
    const own = Math.max(0, (counters?.get(link)?.outbound?.value ?? 0) - marked);
    beside.set(link, own);
    sum += own;
    unmarked -= marked;
  }
  const share = sum > 0 ? Math.max(0, sum - Math.max(0, unmarked)) / sum : 0;
  return new Map([...beside].map(([link, own]) => [link, own * share]));
}
