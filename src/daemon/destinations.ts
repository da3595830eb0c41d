/** The egress traffic manager: which destinations leave by another link than plain BGP chose, and the routers told so. */
import { covers, formatPrefix, prefixOf } from '../core/base/prefix.ts';
import {
  type Bitps,
  bitps,
  type LinkId,
  ms,
  type PrefixText,
  type RouterId,
} from '../core/base/units.ts';
import {
  type DestinationObservation,
  decideEgress,
  type EgressLink,
  type EgressPlan,
  type EgressPolicy,
  type Override,
} from '../core/decide/egress/index.ts';
import type { Observation } from '../core/model/observation.ts';
import type { Settings } from '../core/settings/index.ts';
import type { EngineSnapshot, EngineTables } from '../engine/index.ts';
import type { InjectedDetour, Speaker } from '../speaker/index.ts';
import { policyOf } from './configure.ts';
import { attributedRates, measureRates, unattributed } from './destination-rates.ts';
import { type UselessReason, waysOut } from './egress-routes.ts';
import type { Log } from './log.ts';
import type { FlowStretch } from './samples.ts';

type OutboundSettings = NonNullable<Settings['outbound']>;
export type PathTimes = NonNullable<DestinationObservation['rtt']>;

const settlingCycles = 4;

export interface DestinationsTurn {
  readonly observation: Observation;
  /** `observe` also while the operator has withdrawn everything. */
  readonly mode: Settings['mode'];
  readonly span?: {
    readonly earlier: EngineSnapshot;
    readonly later: EngineSnapshot;
    readonly ageMs: number;
  };
  readonly flows?: FlowStretch;
  /** Round-trip times by prefix and link, where paths are probed. */
  readonly times?: ReadonlyMap<PrefixText, PathTimes>;
}

/** One router and what was last decided for it. */
export interface RouterEgress {
  readonly router: RouterId;
  /** Why detours are only advised here; undefined when they are carried out. */
  readonly adviseOnly: string | undefined;
  readonly destinations: readonly DestinationObservation[];
  readonly plan: EgressPlan;
}

export class Destinations {
  #settings: Settings;
  #outbound: OutboundSettings;
  readonly #speaker: Speaker;
  readonly #log: Log;
  /** In force, of all routers. */
  #overrides: readonly Override[];
  #routers: readonly RouterEgress[] = [];
  #measuredAt: number | undefined;
  /** By router, what no destination accounted for in the latest cycles, the newest first. */
  readonly #rests = new Map<RouterId, readonly ReadonlyMap<LinkId, Bitps>[]>();
  #source: 'wire' | 'flows' | undefined;
  readonly #useless = new Map<UselessReason, number>();
  #isChanged = true;
  #counted: readonly PrefixText[] = [];
  #left = 0;
  #markedKey = '';

  /** `initial`: what an earlier run left in force, so that a restart changes nothing. */
  constructor(
    settings: Settings,
    outbound: OutboundSettings,
    speaker: Speaker,
    log: Log,
    initial: readonly Override[],
  ) {
    this.#settings = settings;
    this.#outbound = outbound;
    this.#speaker = speaker;
    this.#log = log;
    this.#overrides = initial;
    speaker.onChange((change) => {
      if (change.kind === 'received') this.#isChanged = true;
    });
  }

  /** What to remember over a restart. */
  get overrides(): readonly Override[] {
    return this.#overrides;
  }
  /** The last decision of each router. */
  get routers(): readonly RouterEgress[] {
    return this.#routers;
  }
  get source(): 'wire' | 'flows' | undefined {
    return this.#source;
  }
  /** Paths that were no way out at the last look, by reason. */
  get useless(): ReadonlyMap<UselessReason, number> {
    return this.#useless;
  }

  /** What one router is told, with what became of it. */
  told(router: RouterId): readonly InjectedDetour[] {
    return this.#speaker.detours(router);
  }

  adopt(settings: Settings): void {
    this.#settings = settings;
    this.#outbound = settings.outbound ?? this.#outbound;
    this.#isChanged = true;
  }

  /** Foreign prefixes for the wires to count, when the routers' tables have changed since the last call. */
  takeCounted(): readonly PrefixText[] | undefined {
    if (!this.#isChanged || this.#settings.wires.length === 0) return undefined;
    this.#isChanged = false;
    const own = this.#settings.networks.map(prefixOf);
    const found: PrefixText[] = [];
    this.#left = 0;
    for (const family of [4, 6] as const) {
      for (const { prefix } of this.#speaker.rib.entries(family)) {
        if (prefix.length === 0 || own.some((network) => covers(network, prefix))) continue;
        if (found.length < this.#outbound.counted) found.push(formatPrefix(prefix));
        else this.#left++;
      }
    }
    found.sort();
    if (found.join() === this.#counted.join()) return undefined;
    this.#counted = found;
    return found;
  }

  /** What the wires count and, where marks carry detours, mark. */
  get table(): NonNullable<EngineTables['destinations']> {
    const marked = new Map(this.#marked().map(({ destination, link }) => [destination, link]));
    return [...new Set([...this.#counted, ...marked.keys()])].map((prefix) => {
      const link = marked.get(prefix);
      return link === undefined ? { prefix } : { prefix, link };
    });
  }

  /** As adopted last. */
  get settings(): Settings {
    return this.#settings;
  }

  isDetoured(prefix: PrefixText): boolean {
    return this.#overrides.some(({ destination }) => destination === prefix);
  }

  /** Between two cycles: ends the detours whose path the router has taken back, and no others. */
  dropLost(): void {
    const routerOf = new Map(this.#settings.links.map(({ name, router }) => [name, router]));
    this.#overrides = this.#overrides.filter(({ destination, link, nextHop, from }) => {
      const router = routerOf.get(link);
      const has =
        router !== undefined &&
        this.#routesOf(router, destination).routes.some(
          (route) => route.link === link && route.nextHop === nextHop,
        );
      if (!has)
        this.#log.info(
          { destination, from: link, to: from },
          'detour ends: its path was withdrawn',
        );
      return has;
    });
  }

  #routesOf(router: RouterId, prefix: PrefixText) {
    const told = this.#speaker.routesFrom(router, prefix).filter((r) => r.prefix === prefix);
    return waysOut(this.#settings, router, told);
  }

  /** Whether the marks differ from what `table` gave at the last call of this. */
  takeMarks(): boolean {
    const key = this.#marked()
      .map(({ destination, link }) => `${destination} ${link}`)
      .join();
    const isNew = key !== this.#markedKey;
    this.#markedKey = key;
    return isNew;
  }

  /** Detours of routers that have no session for them. */
  #marked(): readonly Override[] {
    const spoken = new Set<string>(
      this.#speaker.sessions().flatMap(({ router, egress }) => (egress ? [router] : [])),
    );
    const links = this.#settings.links.filter(({ router }) => !spoken.has(router ?? ''));
    const own = new Set<LinkId>(links.map(({ name }) => name));
    return this.#overrides.filter(({ link }) => own.has(link));
  }

  /** One cycle: project, decide, tell the routers. */
  turn(input: DestinationsTurn): void {
    const { observation } = input;
    const measured = measureRates(input.span, input.flows);
    const { maxAgeMs, holdMs } = policyOf(this.#settings).rails;
    if (!measured || measured.ageMs > maxAgeMs) {
      // Nothing new is known: what is in force stays for the hold time, then plain BGP.
      const since = this.#measuredAt ?? observation.at;
      this.#measuredAt = since;
      if (observation.at - since > holdMs && this.#overrides.length > 0) {
        this.#log.warn({}, 'outbound: nothing measured for the hold time; back to plain BGP');
        this.#overrides = [];
      }
      this.#tell(input, this.#overrides);
      return;
    }
    this.#measuredAt = observation.at;
    this.#source = measured.source;
    this.#useless.clear();
    const names = this.#settings.routers.filter((router) => router.bgp).map(({ name }) => name);
    this.#routers = names.map((router) => this.#decide(router, input, measured.rates));
    const inForce = this.#routers.flatMap(({ plan, adviseOnly }) =>
      adviseOnly === undefined ? plan.overrides : [],
    );
    const isCarriedOut = input.mode === 'control';
    this.#overrides = isCarriedOut ? inForce : [];
    for (const { plan, adviseOnly } of this.#routers) {
      this.#say(plan, isCarriedOut && adviseOnly === undefined);
    }
    this.#tell(input, this.#overrides);
  }

  /** What is not as it should be. */
  complaints(): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const { router, adviseOnly, plan } of this.#routers) {
      if (adviseOnly !== undefined)
        found.set(
          `outbound ${router}`,
          `outbound: detours of ${router} are only advised: ${adviseOnly}`,
        );
      for (const { link, text } of plan.unplaced)
        found.set(`outbound ${link}`, `outbound: ${text}`);
    }
    if (this.#left > 0) {
      const all = this.#left + this.#counted.length;
      found.set(
        'outbound counted',
        `outbound: the wires count ${this.#counted.length} of ${all} destinations; raise outbound.counted`,
      );
    }
    return found;
  }

  #decide(
    router: RouterId,
    input: DestinationsTurn,
    rates: ReadonlyMap<PrefixText, number>,
  ): RouterEgress {
    const { observation, times } = input;
    const own = new Set(
      this.#settings.links.filter((link) => link.router === router).map(({ name }) => name),
    );
    const before = this.#overrides.filter(({ link }) => own.has(link));
    const destinations = this.#destinations(router, rates, before, times);
    const seen = observation.links.filter(({ link }) => own.has(link));
    const isUp = (link: LinkId) => seen.some((entry) => entry.link === link && entry.isUp);
    const rest = this.#settledRest(
      router,
      unattributed(
        new Map(seen.flatMap(({ link, outbound }) => (outbound ? [[link, outbound.value]] : []))),
        attributedRates(destinations, before, isUp),
      ),
    );
    const links = seen.map((entry): EgressLink => {
      const { link, capacity } = entry;
      const { isDrained, threshold, pricePerMbps } = this.#termsOf(link, observation);
      return {
        link,
        isUp: entry.isUp,
        capacity,
        unattributed: rest.get(link) ?? bitps(0),
        pricePerMbps,
        ...(isDrained ? { threshold: 0 } : threshold === undefined ? {} : { threshold }),
      };
    });
    const egress = { at: ms(observation.at), links, destinations };
    return {
      router,
      adviseOnly: this.#adviseOnly(router),
      destinations,
      plan: decideEgress(egress, egressPolicyOf(this.#outbound), before),
    };
  }

  /**
   * The least of the latest cycles: counters of routers come in bursts of their own, and a burst must not chase traffic
   * away. What is really there beside the destinations counts a few cycles later.
   */
  #settledRest(router: RouterId, now: ReadonlyMap<LinkId, Bitps>): ReadonlyMap<LinkId, Bitps> {
    const latest = [now, ...(this.#rests.get(router) ?? [])].slice(0, settlingCycles);
    this.#rests.set(router, latest);
    return new Map(
      [...now.keys()].map((link) => [
        link,
        latest.length < settlingCycles
          ? bitps(0)
          : bitps(Math.min(...latest.map((rest) => rest.get(link) ?? 0))),
      ]),
    );
  }

  /** The heaviest, and those detoured already, whatever they carry now. */
  #destinations(
    router: RouterId,
    rates: ReadonlyMap<PrefixText, number>,
    before: readonly Override[],
    times: DestinationsTurn['times'],
  ): readonly DestinationObservation[] {
    const heaviest = [...rates]
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
      .slice(0, this.#outbound.destinations)
      .map(([prefix]) => prefix);
    const wanted = new Set([...heaviest, ...before.map(({ destination }) => destination)]);
    return [...wanted].flatMap((prefix) => {
      const { routes, useless } = this.#routesOf(router, prefix);
      for (const reason of useless) this.#useless.set(reason, (this.#useless.get(reason) ?? 0) + 1);
      if (routes.length === 0) return [];
      const rtt = times?.get(prefix);
      const rate = bitps(rates.get(prefix) ?? 0);
      return [{ destination: prefix, rate, routes, ...(rtt ? { rtt } : {}) }];
    });
  }

  /** What policy says of a link beside its capacity: the same prices and maintenance as inbound. */
  #termsOf(link: LinkId, observation: Observation) {
    const { at } = observation;
    const { links, maintenance } = policyOf(this.#settings);
    const settings = this.#settings.links.find(({ name }) => name === link);
    const seen = observation.links.find((entry) => entry.link === link);
    const billed =
      settings?.price && 'direction' in settings.price ? settings.price.direction : undefined;
    // While the other direction decides the bill, another bit outbound costs nothing.
    const isFree =
      billed === 'inbound' ||
      (billed === 'larger' && (seen?.outbound?.value ?? 0) < (seen?.inbound?.value ?? 0));
    return {
      isDrained: maintenance.some((w) => w.link === link && w.from <= at && at < w.to),
      threshold: settings?.outboundThreshold,
      pricePerMbps: isFree ? 0 : (links.find((entry) => entry.link === link)?.pricePerMbps ?? 0),
    };
  }

  #adviseOnly(name: RouterId): string | undefined {
    const router = this.#settings.routers.find((entry) => entry.name === name);
    if (router?.bgpCustomers)
      return 'it has BGP customers, from whom NO_EXPORT would hide the prefix';
    const session = this.#speaker.sessions().find((entry) => entry.router === name);
    if (!session?.egress)
      return this.#isMarked(name)
        ? undefined
        : 'it has no session for detours (set management.egress_address), nor marks on all its links';
    if (session.phase === 'established' && !session.capabilities.includes('add_path_receive'))
      return 'it does not tell all its paths: set add_path on both sides';
    return undefined;
  }

  /** Every link of the router has a mark and a wire behind which the router reads it: packets carry the detour then. */
  #isMarked(name: RouterId): boolean {
    const { links, wires } = this.#settings;
    const own = links.filter(({ router }) => router === name);
    return own.every(
      ({ mark, attribute }) =>
        mark !== undefined &&
        wires.some((wire) => wire.name === attribute?.wire && wire.place === 'inside'),
    );
  }

  #tell({ mode }: DestinationsTurn, overrides: readonly Override[]): void {
    const isAllowed = mode === 'control';
    const routerOf = new Map(this.#settings.links.map(({ name, router }) => [name, router]));
    for (const { router, egress } of this.#speaker.sessions()) {
      if (!egress) continue;
      const own = overrides.filter(({ link }) => isAllowed && routerOf.get(link) === router);
      this.#speaker.setDetours(
        router,
        own.map(({ destination, nextHop }) => ({
          prefix: destination,
          nextHop,
          localPref: this.#outbound.localPreference,
        })),
      );
    }
  }

  #say({ added, removed }: EgressPlan, isDone: boolean): void {
    if (!isDone) return;
    for (const { destination, from, link, text } of added)
      this.#log.info({ destination, from, to: link }, `detour: ${text}`);
    for (const { destination, from, link, removedBecause } of removed)
      this.#log.info({ destination, from: link, to: from }, `detour ends: ${removedBecause}`);
  }
}

export function egressPolicyOf(outbound: OutboundSettings): EgressPolicy {
  const { threshold, target, release, detours, performance } = outbound;
  return {
    threshold,
    target,
    release,
    overridesMax: detours,
    ...(performance
      ? {
          performance: {
            gainUs: performance.gain * 1000,
            gainShare: performance.gainShare,
            samplesMin: performance.samples,
            sharePerRound: performance.sharePerRound,
            controlShare: performance.controlShare,
          },
        }
      : {}),
  };
}

/** Of an earlier run's detours, those that settings still allow; none that are older than the hold time. */
export function recallDetours(
  memory: { readonly at: number; readonly detours?: readonly Override[] } | undefined,
  settings: Settings,
  now: number,
): readonly Override[] {
  const { holdMs } = policyOf(settings).rails;
  if (!memory || settings.mode !== 'control' || now - memory.at > holdMs) return [];
  const links = new Set<string>(settings.links.map(({ name }) => name));
  return (memory.detours ?? []).filter(({ link, from }) => links.has(link) && links.has(from));
}
