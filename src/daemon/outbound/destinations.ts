/** The egress traffic manager: which destinations leave by another link than plain BGP chose, and the routers told so. */
import { bitps, type LinkId, ms, type PrefixText, type RouterId } from '../../core/base/units.ts';
import {
  type DestinationObservation,
  type Disproved,
  decideEgress,
  type EgressPlan,
  type EgressPolicy,
  type Override,
  type PathTime,
} from '../../core/decide/egress/index.ts';
import type { Observation } from '../../core/model/observation.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { Memory } from '../../history/index.ts';
import type { InjectedDetour, Speaker } from '../../speaker/index.ts';
import type { Clock } from '../clock.ts';
import { cycleTimesOf, policyOf } from '../configure.ts';
import type { Log } from '../log.ts';
import type { ConfiguredRouters } from '../routes/configured.ts';
import type { UselessReason, WaysOut } from '../routes/egress-routes.ts';
import type { ToldPaths } from '../routes/told-paths.ts';
import { CountedDestinations } from './counted-destinations.ts';
import type { MeasuredRates } from './destination-rates.ts';
import { DetourCarriers } from './detour-carriers.ts';
import { EgressLinks } from './egress-links.ts';
import type { ExportCheck } from './export-check.ts';
import { Growth } from './growth.ts';
import type { OutboundInForce, PairRole } from './shared.ts';

type OutboundSettings = NonNullable<Settings['outbound']>;
export type PathTimes = NonNullable<DestinationObservation['rtt']>;

/** Destinations come and go in a table all the time; when more of them are new, the sum of all rates is another one. */
const newShareMax = 0.01;

export interface DestinationsTurn {
  readonly observation: Observation;
  /** `observe` also while the operator has withdrawn everything. */
  readonly mode: Settings['mode'];
  /** By the wires, else by exports; undefined where nobody counted. */
  readonly measured: MeasuredRates | undefined;
  /** Of a unit that has its routers alone: `decides`. */
  readonly role: PairRole;
  /** Round-trip times by prefix and link, where paths are probed. */
  readonly times?: ReadonlyMap<PrefixText, PathTimes> | undefined;
  /** Round trips of the traffic itself, where wires see it. */
  readonly passive?: ReadonlyMap<PrefixText, PathTime> | undefined;
}

/** One router (or those decided for together) and what was last decided; `N` names what moves as one. */
export interface RouterEgress<N extends string = PrefixText> {
  readonly router: string;
  /** Why detours are only advised here; undefined when they are carried out. */
  readonly adviseOnly: string | undefined;
  readonly destinations: ReadonlyArray<DestinationObservation<N>>;
  readonly plan: EgressPlan<N>;
}

export interface DestinationsParts {
  readonly speaker: Speaker;
  readonly paths: ToldPaths;
  readonly configured?: ConfiguredRouters | undefined;
  readonly clock: Pick<Clock, 'now' | 'after'>;
  readonly log: Log;
  /** Absent where no router with BGP customers can be asked. */
  readonly exports?: ExportCheck | undefined;
}

/** What routers do not let be carried out, and links for which no relief was found. */
export function egressComplaints(routers: readonly RouterEgress<string>[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { router, adviseOnly, plan } of routers) {
    if (adviseOnly !== undefined)
      found.set(
        `outbound ${router}`,
        `outbound: detours of ${router} are only advised: ${adviseOnly}`,
      );
    for (const { link, text } of plan.unplaced) found.set(`outbound ${link}`, `outbound: ${text}`);
  }
  return found;
}

export class Destinations {
  #settings: Settings;
  #outbound: OutboundSettings;
  readonly #paths: ToldPaths;
  readonly #log: Log;
  /** In force, of all routers. */
  #overrides: readonly Override[];
  #routers: readonly RouterEgress[] = [];
  #measuredAt: number | undefined;
  /** Since when traffic is counted: less than an averaging time ago its rates are too low. */
  #firstMeasuredAt: number | undefined;
  /** An earlier run left something in force. */
  readonly #hasRecalled: boolean;
  #disproved: readonly Disproved[] = [];
  #mode: Settings['mode'] = 'observe';
  readonly #links = new Map<string, EgressLinks>();
  readonly #growth = new Growth();
  #isRecounted = false;
  #source: 'wire' | 'flows' | undefined;
  readonly #useless = new Map<UselessReason, number>();
  #isChanged = true;
  #measured: MeasuredRates | undefined;
  readonly #counted: CountedDestinations;
  readonly #carriers: DetourCarriers;

  /** `initial`: what an earlier run left in force, so that a restart changes nothing. */
  constructor(
    settings: Settings,
    outbound: OutboundSettings,
    { speaker, paths, configured, clock, log, exports }: DestinationsParts,
    initial: Pick<Memory, 'detours' | 'disproved'>,
  ) {
    this.#settings = settings;
    this.#outbound = outbound;
    this.#paths = paths;
    this.#log = log;
    this.#overrides = initial.detours ?? [];
    this.#hasRecalled = this.#overrides.length > 0;
    this.#disproved = initial.disproved ?? [];
    this.#counted = new CountedDestinations(this.#paths);
    this.#carriers = new DetourCarriers(
      settings,
      outbound,
      speaker,
      this.#paths,
      configured,
      clock,
      exports,
    );
    paths.onKept(() => {
      this.#isChanged = true;
    });
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
  /** What was measured in the last cycle. */
  get measured(): MeasuredRates | undefined {
    return this.#measured;
  }
  get source(): 'wire' | 'flows' | undefined {
    return this.#source;
  }
  /** Paths that were no way out at the last look, by reason. */
  get useless(): ReadonlyMap<UselessReason, number> {
    return this.#useless;
  }

  /** What became of the detours of one entry of `routers`. */
  told({ plan }: Pick<RouterEgress, 'plan'>): readonly InjectedDetour[] {
    const wanted = new Set(plan.overrides.map(({ destination }) => destination));
    return this.#carriers.told(this.#overrides.filter((o) => wanted.has(o.destination)));
  }

  adopt(settings: Settings): void {
    this.#settings = settings;
    this.#outbound = settings.outbound ?? this.#outbound;
    this.#carriers.adopt(settings, this.#outbound);
    this.#isChanged = true;
  }

  /** Whether other foreign prefixes are to be counted, when the routers' tables have changed since the last call. */
  takeCounted(): boolean {
    if (!this.#isChanged || this.#settings.wires.length === 0) return false;
    this.#isChanged = false;
    const isNew = this.#counted.refresh(this.#settings.networks, this.#outbound.counted);
    if (isNew && this.#counted.newShare > newShareMax) this.#isRecounted = true;
    return isNew;
  }

  /** What the wires count. */
  get counted(): readonly PrefixText[] {
    return this.#counted.prefixes;
  }

  /** As adopted last. */
  get settings(): Settings {
    return this.#settings;
  }

  isDetoured(prefix: PrefixText): boolean {
    return this.#overrides.some(({ destination }) => destination === prefix);
  }

  /** Between two cycles: ends the detours whose path the router has taken back, and no others. Gives whether any did. */
  dropLost(): boolean {
    const before = this.#overrides;
    this.#overrides = this.#overrides.filter(({ destination, link, nextHop, from }) => {
      const router = this.#carriers.routerOf(link);
      const has =
        router !== undefined &&
        // Of a session that is lost nothing is known: that is for the next cycles to judge.
        (!this.#paths.isKnown(router) ||
          this.#routesOf([router], destination, from).routes.some(
            (route) => route.link === link && route.nextHop === nextHop,
          ));
      if (!has)
        this.#log.info(
          { destination, from: link, to: from },
          'detour ends: its path was withdrawn',
        );
      return has;
    });
    const isLess = this.#overrides.length < before.length;
    if (isLess) this.#tell();
    return isLess;
  }

  /** `from`: the link that it was taken off, if it is detoured. */
  #routesOf(routers: readonly RouterId[], destination: PrefixText, from?: LinkId): WaysOut {
    const whole = this.#carriers.wholeOf(destination);
    return this.#paths.waysOut(this.#settings, routers, whole, from);
  }

  /** One cycle: project, decide, tell the routers. */
  turn(input: DestinationsTurn): void {
    const { observation, measured } = input;
    this.#mode = input.mode;
    this.#measured = measured;
    if (measured && measured.rates.size > 0) this.#firstMeasuredAt ??= observation.at;
    if (input.role !== 'decides') {
      this.#standBy(input.role, observation.at);
      return;
    }
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
    const rates = this.#divide(measured, observation.at);
    const growth = this.#growthOf(rates, observation.at);
    this.#routers = this.#carriers.scopes.map((scope) => this.#decide(scope, input, rates, growth));
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
    this.#carriers.checkExports();
  }

  /** Another unit decided, and this one carries out the same. */
  follow({ detours, disproved }: Pick<OutboundInForce, 'detours' | 'disproved'>): void {
    this.#overrides = detours.filter(({ link }) => this.#carriers.routerOf(link) !== undefined);
    this.#disproved = disproved;
    this.#tell();
  }

  /** Whether the routers tell their paths, and traffic was counted for long enough to judge by. */
  readiness(at: number): { readonly isTold: boolean; readonly isSettled: boolean } {
    const { averageMs } = cycleTimesOf(this.#settings);
    return {
      // Who may tell its router nothing decides for nobody else.
      isTold:
        this.#mode === 'control' &&
        this.#carriers.scopes.flat().every((router) => this.#paths.isKnown(router)),
      isSettled: at - (this.#firstMeasuredAt ?? at) >= averageMs,
    };
  }

  /** Nothing is decided here: what is in force stays, or all of it ends. */
  #standBy(role: PairRole, at: number): void {
    if (role === 'lets_go') this.#overrides = [];
    this.#measuredAt = at;
    this.#routers = this.#carriers.scopes.map((scope) => ({
      router: scope.join(' + '),
      adviseOnly: this.#carriers.adviseOnly(scope),
      destinations: [],
      plan: untouched(
        this.#overrides.filter(({ link }) => {
          const owner = this.#carriers.routerOf(link);
          return scope.some((router) => router === owner);
        }),
        this.#disproved,
      ),
    }));
    this.#tell();
  }

  /** What routers may be told has changed. */
  retell(): void {
    this.#tell();
  }

  /** What is not as it should be. */
  complaints(): ReadonlyMap<string, string> {
    const found = egressComplaints(this.#routers);
    const { left, prefixes } = this.#counted;
    if (left > 0) {
      found.set(
        'outbound counted',
        `outbound: the wires count ${prefixes.length} of ${left + prefixes.length} destinations; raise outbound.counted`,
      );
    }
    return found;
  }

  /** Halves what is too large to move; what was told of the whole ends with that. */
  #divide({ source, rates }: MeasuredRates, at: number): ReadonlyMap<PrefixText, number> {
    const { split } = this.#outbound;
    if (split === undefined || source !== 'wire') return rates;
    const smallest = Math.min(...this.#settings.links.map(({ capacity }) => capacity));
    const divided = this.#counted.divide({
      rates,
      limit: split * smallest,
      isDetoured: (prefix) => this.isDetoured(prefix),
      at,
      averageMs: cycleTimesOf(this.#settings).averageMs,
    });
    const changed = new Set(divided.changed);
    if (changed.size > 0) this.#isChanged = true;
    this.#overrides = this.#overrides.filter(({ destination }) => !changed.has(destination));
    for (const prefix of changed) this.#log.info({ prefix }, 'counted in other parts from now on');
    return divided.rates;
  }

  #decide(
    scope: readonly RouterId[],
    input: DestinationsTurn,
    rates: ReadonlyMap<PrefixText, number>,
    growth: number,
  ): RouterEgress {
    const { observation, times, passive } = input;
    const own = new Set(
      this.#settings.links
        .filter(({ router }) => scope.some((name) => name === router))
        .map(({ name }) => name),
    );
    const router = scope.join(' + ');
    const before = this.#overrides.filter(({ link }) => own.has(link));
    // What an earlier run left in force, or what is while a session is lost, is not judged by what is not known.
    if (before.length > 0 && this.#isWaiting(scope, observation.at))
      return {
        router,
        adviseOnly: undefined,
        destinations: [],
        plan: untouched(before, this.#disproved),
      };
    const destinations = this.#destinations(scope, rates, before, { times, passive });
    const known = this.#links.get(router) ?? new EgressLinks();
    this.#links.set(router, known);
    const links = known.of(this.#settings, own, observation, destinations, before);
    const egress = { at: ms(observation.at), links, destinations, growth };
    const policy = egressPolicyOf(this.#settings, this.#outbound);
    return {
      router,
      adviseOnly: this.#carriers.adviseOnly(scope),
      destinations,
      plan: decideEgress(egress, policy, before, this.#disproved),
    };
  }

  #isWaiting(scope: readonly RouterId[], at: number): boolean {
    const { holdMs } = policyOf(this.#settings).rails;
    const { averageMs } = cycleTimesOf(this.#settings);
    const isRecalled = at - (this.#firstMeasuredAt ?? at) < averageMs && this.#hasRecalled;
    return this.#paths.isWaiting(scope, at, holdMs) || isRecalled;
  }

  /** An average speaks of its middle, and what is decided now holds until the next cycle. */
  #growthOf(rates: ReadonlyMap<PrefixText, number>, at: number): number {
    const { intervalMs, averageMs } = cycleTimesOf(this.#settings);
    if (this.#isRecounted) this.#growth.rest(at + averageMs);
    this.#isRecounted = false;
    const total = [...rates.values()].reduce((sum, rate) => sum + rate, 0);
    return this.#growth.of(total, at, averageMs / 2 + intervalMs);
  }

  /** The heaviest, and those detoured already, whatever they carry now. */
  #destinations(
    scope: readonly RouterId[],
    rates: ReadonlyMap<PrefixText, number>,
    before: readonly Override[],
    { times, passive }: Pick<DestinationsTurn, 'times' | 'passive'>,
  ): readonly DestinationObservation[] {
    const heaviest = [...rates]
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
      .slice(0, this.#outbound.destinations)
      .map(([prefix]) => prefix);
    const detoured = new Map(before.map(({ destination, from }) => [destination, from]));
    const wanted = new Set([...heaviest, ...detoured.keys()]);
    return [...wanted].flatMap((prefix) => {
      const { routes, useless } = this.#routesOf(scope, prefix, detoured.get(prefix));
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

  #tell(): void {
    this.#carriers.tell(this.#mode === 'control' ? this.#overrides : []);
  }

  #say({ added, removed }: EgressPlan, isDone: boolean): void {
    if (!isDone) return;
    for (const { destination, from, link, text } of added)
      this.#log.info({ destination, from, to: link }, `detour: ${text}`);
    for (const { destination, from, link, removedBecause } of removed)
      this.#log.info({ destination, from: link, to: from }, `detour ends: ${removedBecause}`);
  }
}

/** Goes on with what is in force. */
export const untouched = <N extends string>(
  overrides: ReadonlyArray<Override<N>>,
  disproved: ReadonlyArray<Disproved<N>> = [],
): EgressPlan<N> => ({
  overrides,
  disproved,
  added: [],
  removed: [],
  projection: [],
  unplaced: [],
});

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
