/**
 * Outbound by single sessions: on a router that reads no mark and takes no injected route, the heaviest sessions of a
 * link above its threshold are routed one by one. A session keeps its way until it ends or the way is lost.
 */
import { formatPrefix, parseAddress } from '../../core/base/prefix.ts';
import { bitps, type LinkId, ms, type RouterId, routerId } from '../../core/base/units.ts';
import type { Detour } from '../../core/bgp/detour.ts';
import {
  type DestinationObservation,
  decideEgress,
  type EgressRoute,
  type Override,
} from '../../core/decide/egress/index.ts';
import type { Observation } from '../../core/model/observation.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { HeavySession } from '../../engine/index.ts';
import type { SessionRoute } from '../../router/index.ts';
import { cycleTimesOf, policyOf } from '../configure.ts';
import type { Log } from '../log.ts';
import type { ConfiguredRouters } from '../routes/configured.ts';
import type { ToldPaths } from '../routes/told-paths.ts';
import { egressComplaints, type RouterEgress, untouched } from './destinations.ts';
import { EgressLinks } from './egress-links.ts';

export interface SessionsTurn {
  readonly observation: Observation;
  readonly mode: Settings['mode'];
  readonly heaviest: readonly HeavySession[];
  /** When they were read, monotonic ms. */
  readonly nowMs: number;
}

type OutboundSettings = NonNullable<Settings['outbound']>;

/** The wires' list is about a second old: over less than this, ms, a session could seem to rest. */
const windowMsMin = 5000;

/**
 * A session of which nothing was seen for so long, ms, is taken to have ended; TCP that closes is gone from the list at
 * once. Light sessions are seen seldom: the list comes from samples.
 */
const idleMs = { tcp: 300_000, udp: 60_000 } as const;

/** What every session of the list had sent at one time. */
interface Reading {
  readonly atMs: number;
  readonly bytes: ReadonlyMap<string, number>;
}

export class SessionRoutes {
  #settings: Settings;
  #outbound: OutboundSettings;
  readonly #paths: ToldPaths;
  readonly #configured: ConfiguredRouters;
  readonly #log: Log;
  readonly #links = new Map<RouterId, EgressLinks>();
  /** Oldest first, of the averaging time. */
  #readings: readonly Reading[] = [];
  /** When a session was last seen to send, monotonic ms. */
  #alive: ReadonlyMap<string, number> = new Map();
  #overrides: ReadonlyArray<Override<string>>;
  #routers: ReadonlyArray<RouterEgress<string>> = [];

  /** `initial`: what an earlier run left in force. */
  constructor(
    settings: Settings,
    outbound: OutboundSettings,
    paths: ToldPaths,
    configured: ConfiguredRouters,
    log: Log,
    initial: ReadonlyArray<Override<string>>,
  ) {
    this.#settings = settings;
    this.#outbound = outbound;
    this.#paths = paths;
    this.#configured = configured;
    this.#log = log;
    this.#overrides = initial;
  }

  /** What to remember over a restart. */
  get overrides(): ReadonlyArray<Override<string>> {
    return this.#overrides;
  }
  get routers(): ReadonlyArray<RouterEgress<string>> {
    return this.#routers;
  }

  adopt(settings: Settings): void {
    this.#settings = settings;
    this.#outbound = settings.outbound ?? this.#outbound;
  }

  /** What one router does of its detours. */
  told({ router: name }: Pick<RouterEgress<string>, 'router'>): ReadonlyArray<{
    readonly detour: Pick<Detour, 'nextHop'> & { readonly prefix: string };
    readonly state: 'sent' | 'waiting';
    readonly reason: string;
  }> {
    const router = routerId(name);
    const done = new Set(this.#configured.inForce(router).sessions.map(nameOf));
    const reason = this.#configured.trouble(router) ?? 'the router is being configured';
    return this.#overridesOf(router).map(({ destination, nextHop }) => ({
      detour: { prefix: destination, nextHop },
      ...(done.has(destination)
        ? { state: 'sent' as const, reason: '' }
        : { state: 'waiting' as const, reason }),
    }));
  }

  /** One cycle: who sends how much, decide, tell the routers. */
  turn(input: SessionsTurn): void {
    const rates = this.#measure(input);
    if (!rates) return;
    const names = this.#settings.routers.flatMap(({ name, driver }) =>
      driver?.outbound === 'sessions' ? [name] : [],
    );
    this.#routers = names.map((name) => this.#decide(name, input, rates));
    const isAllowed = input.mode === 'control';
    this.#overrides = isAllowed
      ? this.#routers.flatMap(({ plan, adviseOnly }) =>
          adviseOnly === undefined ? plan.overrides : [],
        )
      : [];
    for (const name of names) this.#configured.setOutbound(name, { sessions: this.#rulesOf(name) });
    for (const { plan, adviseOnly } of this.#routers) {
      if (!isAllowed || adviseOnly !== undefined) continue;
      for (const { destination, from, link, text } of plan.added)
        this.#log.info({ session: destination, from, to: link }, `session detour: ${text}`);
      for (const { destination, from, link, removedBecause } of plan.removed)
        this.#log.info(
          { session: destination, from: link, to: from },
          `session detour ends: ${removedBecause}`,
        );
    }
  }

  complaints(): ReadonlyMap<string, string> {
    return egressComplaints(this.#routers);
  }

  /** Bit/s over the averaging time of every session that has not ended; undefined before two readings. */
  #measure({ heaviest, nowMs }: SessionsTurn): ReadonlyMap<string, number> | undefined {
    const windowMs = Math.max(cycleTimesOf(this.#settings).averageMs, windowMsMin);
    const bytes = new Map<string, number>();
    for (const session of heaviest) {
      const name = nameOf(session);
      bytes.set(name, (bytes.get(name) ?? 0) + session.l2Bytes);
    }
    const isOld = ({ atMs }: Reading) => atMs <= nowMs - windowMs;
    const first = this.#readings.findLast(isOld);
    const kept = this.#readings.filter((reading) => reading === first || !isOld(reading));
    const last = kept.at(-1);
    this.#readings = [...kept, { atMs: nowMs, bytes }];
    this.#alive = this.#stillAlive(bytes, last?.bytes, nowMs);
    // A session of an earlier run may not have been seen again yet: nothing ends before a whole averaging time.
    if (!first) return undefined;
    return new Map(
      [...this.#alive.keys()].map((name) => {
        const sent = Math.max(0, (bytes.get(name) ?? 0) - (first.bytes.get(name) ?? 0));
        return [name, (sent * 8000) / (nowMs - first.atMs)];
      }),
    );
  }

  #stillAlive(
    bytes: ReadonlyMap<string, number>,
    before: ReadonlyMap<string, number> | undefined,
    nowMs: number,
  ): ReadonlyMap<string, number> {
    const alive = new Map<string, number>();
    // Those of an earlier run have a while to be seen again.
    const known = before
      ? this.#alive
      : this.#overrides.map((o) => [o.destination, nowMs] as const);
    for (const [name, seenMs] of known) {
      const protocol = name.startsWith('udp') ? 'udp' : 'tcp';
      // TCP that was listed has closed. A full list loses the lightest: of UDP nothing else tells the end.
      const hasClosed = protocol === 'tcp' && !bytes.has(name) && (before?.has(name) ?? false);
      if (!hasClosed && nowMs - seenMs <= idleMs[protocol]) alive.set(name, seenMs);
    }
    for (const [name, count] of bytes)
      if (before === undefined || count !== before.get(name)) alive.set(name, nowMs);
    return alive;
  }

  #decide(
    router: RouterId,
    { observation }: SessionsTurn,
    rates: ReadonlyMap<string, number>,
  ): RouterEgress<string> {
    const settings = this.#settings;
    const most = settings.routers.find(({ name }) => name === router)?.driver?.sessions ?? 0;
    const before = this.#overridesOf(router);
    const { holdMs } = policyOf(settings).rails;
    if (before.length > 0 && this.#paths.isWaiting([router], observation.at, holdMs))
      return { router, adviseOnly: undefined, destinations: [], plan: untouched(before) };
    const destinations = this.#sessions(router, rates, before, 2 * most);
    const own = new Set<LinkId>(
      settings.links.filter((link) => link.router === router).map(({ name }) => name),
    );
    const known = this.#links.get(router) ?? new EgressLinks();
    this.#links.set(router, known);
    const links = known.of(settings, own, observation, destinations, before);
    const { threshold, target, release } = this.#outbound;
    return {
      router,
      adviseOnly: this.#adviseOnly(router),
      destinations,
      plan: decideEgress<string>(
        { at: ms(observation.at), links, destinations },
        { threshold, target, release, overridesMax: most, isSticky: true },
        before,
      ),
    };
  }

  #adviseOnly(router: RouterId): string | undefined {
    const phase = this.#paths.phaseOf(router);
    return phase === 'established'
      ? undefined
      : `the session that tells its paths is ${phase ?? 'not there'}`;
  }

  /** The heaviest, and those detoured already. */
  #sessions(
    router: RouterId,
    rates: ReadonlyMap<string, number>,
    before: ReadonlyArray<Override<string>>,
    most: number,
  ): ReadonlyArray<DestinationObservation<string>> {
    const detoured = new Set(before.map(({ destination }) => destination));
    const byHost = new Map<string, readonly EgressRoute[]>();
    return [...rates]
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
      .filter(([name], i) => i < most || detoured.has(name))
      .flatMap(([name, rate]) => {
        const host = parseName(name)?.destination ?? '';
        const routes = byHost.get(host) ?? this.#routesTo(router, host);
        byHost.set(host, routes);
        return routes.length === 0 ? [] : [{ destination: name, rate: bitps(rate), routes }];
      });
  }

  /** The ways of the longest prefix that has any. */
  #routesTo(router: RouterId, host: string): readonly EgressRoute[] {
    const address = parseAddress(host);
    if (!address.ok) return [];
    for (const prefix of this.#paths.covering(address.value)) {
      const { routes } = this.#paths.waysOut(this.#settings, [router], formatPrefix(prefix));
      if (routes.length > 0) return routes;
    }
    return [];
  }

  #overridesOf(router: RouterId): ReadonlyArray<Override<string>> {
    const own = new Set<LinkId>(
      this.#settings.links.filter((link) => link.router === router).map(({ name }) => name),
    );
    return this.#overrides.filter(({ link }) => own.has(link));
  }

  #rulesOf(router: RouterId): readonly SessionRoute[] {
    const numbers = new Map(this.#settings.links.map(({ name }, i) => [name, i + 1]));
    return this.#overridesOf(router).flatMap(({ destination, link }) => {
      const session = parseName(destination);
      const number = numbers.get(link);
      return session && number !== undefined ? [{ ...session, link: number }] : [];
    });
  }
}

type Session = Omit<SessionRoute, 'link'>;

/** `tcp 198.51.100.1:40000 > 203.0.113.1:443`, IPv6 in brackets: how people and history know a session. */
export function nameOf(session: Session): string {
  const end = (host: string, port: number) => `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const { protocol, source, sourcePort, destination, destinationPort } = session;
  return `${protocol} ${end(source, sourcePort)} > ${end(destination, destinationPort)}`;
}

const pattern = /^(tcp|udp) \[?([0-9a-f.:]+?)\]?:(\d+) > \[?([0-9a-f.:]+?)\]?:(\d+)$/;

/** Undefined for a name that `nameOf` does not give. */
export function parseName(name: string): Session | undefined {
  const match = pattern.exec(name);
  if (!match) return undefined;
  const [, protocol, source = '', sourcePort, destination = '', destinationPort] = match;
  return {
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    source,
    sourcePort: Number(sourcePort),
    destination,
    destinationPort: Number(destinationPort),
  };
}
