/** The egress traffic manager: which destinations leave by another link than plain BGP chose, and the routers told so. */
import { covers, formatPrefix, prefixOf } from '../core/base/prefix.ts';
import { bitps, type LinkId, ms, type PrefixText, type RouterId } from '../core/base/units.ts';
import type { Detour } from '../core/bgp/detour.ts';
import {
  type DestinationObservation,
  type Disproved,
  decideEgress,
  type EgressPlan,
  type EgressPolicy,
  type Override,
  type PathTime,
} from '../core/decide/egress/index.ts';
import type { Observation } from '../core/model/observation.ts';
import type { Settings } from '../core/settings/index.ts';
import type { EngineSnapshot, EngineTables } from '../engine/index.ts';
import type { Memory } from '../history/index.ts';
import type { InjectedDetour, Speaker } from '../speaker/index.ts';
import { policyOf } from './configure.ts';
import type { ConfiguredRouters } from './configured.ts';
import { measureRates } from './destination-rates.ts';
import { EgressLinks } from './egress-links.ts';
import { type UselessReason, waysOut } from './egress-routes.ts';
import type { Log } from './log.ts';
import type { FlowStretch } from './samples.ts';

type OutboundSettings = NonNullable<Settings['outbound']>;
export type PathTimes = NonNullable<DestinationObservation['rtt']>;

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
  readonly times?: ReadonlyMap<PrefixText, PathTimes> | undefined;
  /** Round trips of the traffic itself, where wires see it. */
  readonly passive?: ReadonlyMap<PrefixText, PathTime> | undefined;
}

/** One router and what was last decided for it; `N` names what moves as one. */
export interface RouterEgress<N extends string = PrefixText> {
  readonly router: RouterId;
  /** Why detours are only advised here; undefined when they are carried out. */
  readonly adviseOnly: string | undefined;
  readonly destinations: ReadonlyArray<DestinationObservation<N>>;
  readonly plan: EgressPlan<N>;
}

export class Destinations {
  #settings: Settings;
  #outbound: OutboundSettings;
  readonly #speaker: Speaker;
  readonly #configured: ConfiguredRouters | undefined;
  readonly #log: Log;
  /** In force, of all routers. */
  #overrides: readonly Override[];
  #routers: readonly RouterEgress[] = [];
  #measuredAt: number | undefined;
  #disproved: readonly Disproved[] = [];
  #mode: Settings['mode'] = 'observe';
  readonly #links = new Map<RouterId, EgressLinks>();
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
    configured?: ConfiguredRouters,
    disproved: readonly Disproved[] = [],
  ) {
    this.#settings = settings;
    this.#outbound = outbound;
    this.#speaker = speaker;
    this.#log = log;
    this.#overrides = initial;
    this.#configured = configured;
    this.#disproved = disproved;
    speaker.onChange((change) => {
      if (change.kind === 'received') this.#isChanged = true;
    });
  }

  /** What to remember over a restart. */
  get overrides(): readonly Override[] {
    return this.#overrides;
  }
  /** Ways that lately did not help. */
  get disproved(): readonly Disproved[] {
    return this.#disproved;
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
    if (this.#carriedBy(router) !== 'driver') return this.#speaker.detours(router);
    const done = new Map(
      this.#configured?.inForce(router).destinations.map((entry) => [entry.prefix, entry.gateway]),
    );
    const reason = this.#configured?.trouble(router) ?? 'the router is being configured';
    return this.#overrides
      .filter(({ link }) => this.#routerOf(link) === router)
      .map(({ destination, nextHop }) => ({
        detour: this.#detourOf(destination, nextHop),
        ...(done.get(destination) === nextHop
          ? { state: 'sent' as const, reason: '' }
          : { state: 'waiting' as const, reason }),
      }));
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
    const before = this.#overrides;
    this.#overrides = this.#overrides.filter(({ destination, link, nextHop, from }) => {
      const router = this.#routerOf(link);
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
    if (this.#overrides.length < before.length) this.#tell();
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

  /** Detours that packets carry to their router. */
  #marked(): readonly Override[] {
    const isMarked = new Map(
      this.#settings.routers.map(({ name }) => [name, this.#carriedBy(name) === 'marks']),
    );
    return this.#overrides.filter(({ link }) => {
      const router = this.#routerOf(link);
      return router !== undefined && isMarked.get(router);
    });
  }

  /** One cycle: project, decide, tell the routers. */
  turn(input: DestinationsTurn): void {
    const { observation } = input;
    this.#mode = input.mode;
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
      this.#tell();
      return;
    }
    this.#measuredAt = observation.at;
    this.#source = measured.source;
    this.#useless.clear();
    const names = this.#settings.routers.flatMap(({ name, bgp, driver }) =>
      bgp && driver?.outbound !== 'sessions' ? [name] : [],
    );
    this.#routers = names.map((router) => this.#decide(router, input, measured.rates));
    this.#disproved = this.#routers.flatMap(({ plan }) => plan.disproved);
    const inForce = this.#routers.flatMap(({ plan, adviseOnly }) =>
      adviseOnly === undefined ? plan.overrides : [],
    );
    const isCarriedOut = input.mode === 'control';
    this.#overrides = isCarriedOut ? inForce : [];
    for (const { plan, adviseOnly } of this.#routers) {
      this.#say(plan, isCarriedOut && adviseOnly === undefined);
    }
    this.#tell();
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
    const { observation, times, passive } = input;
    const own = new Set(
      this.#settings.links.filter((link) => link.router === router).map(({ name }) => name),
    );
    const before = this.#overrides.filter(({ link }) => own.has(link));
    const destinations = this.#destinations(router, rates, before, { times, passive });
    const known = this.#links.get(router) ?? new EgressLinks();
    this.#links.set(router, known);
    const links = known.of(this.#settings, own, observation, destinations, before);
    const egress = { at: ms(observation.at), links, destinations };
    const policy = egressPolicyOf(this.#settings, this.#outbound);
    return {
      router,
      adviseOnly: this.#adviseOnly(router),
      destinations,
      plan: decideEgress(egress, policy, before, this.#disproved),
    };
  }

  /** The heaviest, and those detoured already, whatever they carry now. */
  #destinations(
    router: RouterId,
    rates: ReadonlyMap<PrefixText, number>,
    before: readonly Override[],
    { times, passive }: Pick<DestinationsTurn, 'times' | 'passive'>,
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
      const own = passive?.get(prefix);
      const rate = bitps(rates.get(prefix) ?? 0);
      return [
        {
          destination: prefix,
          rate,
          routes,
          ...(rtt ? { rtt } : {}),
          ...(own ? { passive: own } : {}),
        },
      ];
    });
  }

  #adviseOnly(name: RouterId): string | undefined {
    const router = this.#settings.routers.find((entry) => entry.name === name);
    if (router?.bgpCustomers)
      return 'it has BGP customers, from whom NO_EXPORT would hide the prefix';
    const session = this.#speaker.sessions().find((entry) => entry.router === name);
    const carrier = this.#carriedBy(name);
    if (carrier === undefined)
      return 'it has no session for detours (set management.egress_address), no driver that carries them, nor marks on all its links';
    // Marks change no route: what the router tells stays what it told.
    if (carrier === 'marks') return undefined;
    if (session?.phase === 'established' && !session.capabilities.includes('add_path_receive'))
      return 'it does not tell all its paths: set add_path on both sides';
    return undefined;
  }

  /** How detours reach a router; undefined when they do not. */
  #carriedBy(name: RouterId): 'session' | 'driver' | 'marks' | undefined {
    const router = this.#settings.routers.find((entry) => entry.name === name);
    if (router?.driver?.outbound === 'destinations') return 'driver';
    const session = this.#speaker.sessions().find((entry) => entry.router === name);
    if (session?.egress) return 'session';
    return this.#isMarked(name) ? 'marks' : undefined;
  }

  #routerOf(link: LinkId): RouterId | undefined {
    return this.#settings.links.find(({ name }) => name === link)?.router;
  }

  #detourOf(prefix: PrefixText, nextHop: string): Detour {
    return { prefix, nextHop, localPref: this.#outbound.localPreference };
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

  #tell(): void {
    const toldTo = (router: RouterId) =>
      this.#mode === 'control'
        ? this.#overrides.filter(({ link }) => this.#routerOf(link) === router)
        : [];
    for (const { router, egress } of this.#speaker.sessions()) {
      if (this.#carriedBy(router) === 'driver') {
        const destinations = toldTo(router).map(({ destination, nextHop }) => ({
          prefix: destination,
          gateway: nextHop,
        }));
        this.#configured?.setOutbound(router, { destinations });
      } else if (egress) {
        this.#speaker.setDetours(
          router,
          toldTo(router).map(({ destination, nextHop }) => this.#detourOf(destination, nextHop)),
        );
      }
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

export function egressPolicyOf(settings: Settings, outbound: OutboundSettings): EgressPolicy {
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
            settleMs: performance.settle ?? policyOf(settings).rails.settleMs,
            restMs: performance.rest ?? (6 * 3_600_000) / settings.timeScale,
          },
        }
      : {}),
  };
}

/** Of an earlier run's detours, those that settings still allow; none that are older than the hold time. */
export function recallDetours(
  memory: Pick<Memory, 'at' | 'detours' | 'sessions'> | undefined,
  settings: Settings,
  now: number,
): Required<Pick<Memory, 'detours' | 'sessions'>> {
  const { holdMs } = policyOf(settings).rails;
  if (!memory || settings.mode !== 'control' || now - memory.at > holdMs)
    return { detours: [], sessions: [] };
  const links = new Set<string>(settings.links.map(({ name }) => name));
  const isKnown = ({ link, from }: Override<string>) => links.has(link) && links.has(from);
  return {
    detours: (memory.detours ?? []).filter(isKnown),
    sessions: (memory.sessions ?? []).filter(isKnown),
  };
}
