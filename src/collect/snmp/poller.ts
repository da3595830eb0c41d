import { HeadgateError } from '../../core/base/error.ts';
import {
  type Bitps,
  bitps,
  type LinkId,
  type Ms,
  ms,
  type RouterId,
} from '../../core/base/units.ts';
import type { Sampled } from '../../core/model/observation.ts';
import type { SnmpSettings } from '../../core/settings/snmp.ts';
import { type LinkInterface, resolveInterfaces } from './interfaces.ts';
import { type InterfaceRates, type RateError, ratesBetween } from './rates.ts';
import {
  columnCount,
  decodeReading,
  type InterfaceReading,
  interfaceOids,
  memberOids,
  oids,
  type ReadingError,
} from './reading.ts';
import { openSnmpSession, type SnmpSession } from './session.ts';

export interface PolledRouter {
  readonly router: RouterId;
  readonly address: string;
  readonly settings: SnmpSettings;
  readonly links: ReadonlyArray<{ readonly link: LinkId; readonly interface: string }>;
}

export interface SnmpPollerOptions {
  readonly routers: readonly PolledRouter[];
  readonly open?: (address: string, settings: SnmpSettings) => SnmpSession;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** 0 to 1: spreads the schedules. */
  readonly random?: () => number;
}

/** Why a poll, or a link's part of it, gave no value. */
export type PollFailure =
  | 'timeout'
  | 'failed'
  | 'unresolved_interface'
  | 'first_reading'
  | ReadingError
  | RateError;

export interface LinkCounters {
  readonly link: LinkId;
  readonly router: RouterId;
  readonly ifIndex: number;
  readonly isUp: boolean;
  /** Of the interface, or of the members of its bundle that are up; 0 when the router does not know. */
  readonly capacity: Bitps;
  readonly inbound: Sampled<Bitps>;
  readonly outbound: Sampled<Bitps>;
  readonly inboundDiscardRatio: Sampled<number>;
  readonly outboundDiscardRatio: Sampled<number>;
  /** The time between the two readings that the rates stand for. */
  readonly elapsedMs: Ms;
  /** Erroneous packets of both directions between the last two readings. */
  readonly errors: number;
}

export interface RouterState {
  readonly router: RouterId;
  /** Since the last poll that answered; undefined before the first. */
  readonly ageMs: Ms | undefined;
  readonly polls: number;
  readonly failures: Readonly<Partial<Record<PollFailure, number>>>;
}

export interface SnmpSamples {
  readonly at: Ms;
  readonly links: readonly LinkCounters[];
  readonly routers: readonly RouterState[];
}

export interface SnmpPoller {
  start(): void;
  stop(): Promise<void>;
  samples(): SnmpSamples;
  /** Asks all routers once now, beside the schedule: for `headgate check` and tests. */
  poll(): Promise<void>;
  /** The numbers of the links' interfaces, for the flow collector. */
  interfaces(router: RouterId): ReadonlyMap<LinkId, number>;
}

/** Reads the border routers' counters, each on its own schedule. Nothing is asked before `start` or `poll`. */
export function createSnmpPoller(options: SnmpPollerOptions): SnmpPoller {
  const now = options.now ?? Date.now;
  const random = options.random ?? Math.random;
  const open = options.open ?? openSnmpSession;
  const routers = options.routers.map((router) => makeRouterPoll(router, open, now));
  const timers = new Map<RouterPoll, NodeJS.Timeout>();
  let isRunning = false;

  function schedule(poll: RouterPoll, delayMs: number): void {
    const timer = setTimeout(async () => {
      await poll.once();
      // A tenth either way, so that routers and units are not asked in step.
      if (isRunning) schedule(poll, poll.intervalMs * (0.9 + 0.2 * random()));
    }, delayMs);
    timers.set(poll, timer);
  }

  return {
    start() {
      isRunning = true;
      for (const poll of routers) schedule(poll, poll.intervalMs * 0.1 * random());
    },
    async stop() {
      isRunning = false;
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
      await Promise.all(routers.map((poll) => poll.close()));
    },
    samples() {
      const at = now();
      return {
        at: ms(at),
        links: routers.flatMap((poll) => poll.links(at)),
        routers: routers.map((poll) => poll.state(at)),
      };
    },
    async poll() {
      await Promise.all(routers.map((poll) => poll.once()));
    },
    interfaces(router) {
      return routers.find((poll) => poll.router === router)?.interfaces() ?? new Map();
    },
  };
}

interface RouterPoll {
  readonly router: RouterId;
  readonly intervalMs: number;
  /** One poll; calls while one is under way share it. Never throws. */
  once(): Promise<void>;
  links(nowMs: number): LinkCounters[];
  state(nowMs: number): RouterState;
  interfaces(): ReadonlyMap<LinkId, number>;
  close(): Promise<void>;
}

interface LinkTrack {
  readonly place: LinkInterface;
  reading: InterfaceReading | undefined;
  rates: InterfaceRates | undefined;
  capacity: Bitps;
  /** Whether each of the last polls gave a rate, the newest last. */
  readonly outcomes: boolean[];
}

/** Bundles and names are looked up anew this often, since members come and go. */
const resolveEveryMs = 10 * 60_000;
const outcomesKept = 8;

function makeRouterPoll(
  { router, address, settings, links }: PolledRouter,
  open: (address: string, settings: SnmpSettings) => SnmpSession,
  now: () => number,
): RouterPoll {
  const failures: Partial<Record<PollFailure, number>> = {};
  let session: SnmpSession | undefined;
  let tracks: LinkTrack[] = [];
  let resolvedMs = Number.NEGATIVE_INFINITY;
  let answeredMs: number | undefined;
  let polls = 0;
  let current: Promise<void> | undefined;

  const fail = (reason: PollFailure) => {
    failures[reason] = (failures[reason] ?? 0) + 1;
  };

  async function resolve(through: SnmpSession): Promise<void> {
    const { found, missing } = await resolveInterfaces(through, links);
    for (const _ of missing) fail('unresolved_interface');
    tracks = found.map((place) => {
      const known = tracks.find(
        (track) => track.place.link === place.link && track.place.ifIndex === place.ifIndex,
      );
      return {
        reading: undefined,
        rates: undefined,
        capacity: bitps(0),
        outcomes: [],
        ...known,
        place,
      };
    });
    // What was not found is looked for again at the next poll.
    resolvedMs = missing.length > 0 ? Number.NEGATIVE_INFINITY : now();
  }

  function take(track: LinkTrack, reading: InterfaceReading): void {
    const before = track.reading;
    track.reading = reading;
    const rates = before ? ratesBetween(before, reading) : undefined;
    if (rates?.ok) track.rates = rates.value;
    else fail(rates ? rates.error : 'first_reading');
    if (rates && !rates.ok && rates.error !== 'too_close') track.rates = undefined;
    const mustResolve = rates && !rates.ok && /^(restarted|other_interface)$/.test(rates.error);
    if (mustResolve) resolvedMs = Number.NEGATIVE_INFINITY;
    note(track, rates?.ok ?? false);
  }

  function note(track: LinkTrack, isGood: boolean): void {
    track.outcomes.push(isGood);
    if (track.outcomes.length > outcomesKept) track.outcomes.shift();
  }

  async function poll(): Promise<void> {
    polls++;
    try {
      session ??= open(address, settings);
      if (now() - resolvedMs > resolveEveryMs) await resolve(session);
      for (const track of tracks) {
        const { ifIndex, members } = track.place;
        const wanted = [oids.sysUpTime, ...interfaceOids(ifIndex), ...members.flatMap(memberOids)];
        const [upTime, ...values] = await session.get(wanted);
        const reading = decodeReading(upTime, values.slice(0, columnCount), now());
        if (reading.ok) {
          track.capacity = liveCapacity(reading.value.speed, values.slice(columnCount));
          take(track, reading.value);
        } else {
          fail(reading.error);
          note(track, false);
          resolvedMs = Number.NEGATIVE_INFINITY;
        }
      }
      answeredMs = now();
    } catch (error) {
      // Any other error is our own mistake and must be seen.
      if (!(error instanceof HeadgateError)) throw error;
      fail(error.code === 'snmp_timeout' ? 'timeout' : 'failed');
      for (const track of tracks) note(track, false);
      session?.close();
      session = undefined;
    }
  }

  return {
    router,
    intervalMs: settings.interval,
    once() {
      current ??= poll().finally(() => {
        current = undefined;
      });
      return current;
    },
    links: (nowMs) =>
      tracks.flatMap((track) => {
        const counters = describe(track, router, nowMs);
        return counters ? [counters] : [];
      }),
    state: (nowMs) => ({
      router,
      ageMs: answeredMs === undefined ? undefined : ms(nowMs - answeredMs),
      polls,
      failures,
    }),
    interfaces: () => new Map(tracks.map(({ place }) => [place.link, place.ifIndex])),
    async close() {
      session?.close();
      session = undefined;
      await current;
    },
  };
}

/** A link is reported once it has a rate, and until a restart or reset makes that void. */
function describe(track: LinkTrack, router: RouterId, nowMs: number): LinkCounters | undefined {
  const { reading, rates, place } = track;
  if (!reading || !rates) return undefined;
  const coverage = track.outcomes.filter(Boolean).length / Math.max(1, track.outcomes.length);
  const sampled = <T>(value: T): Sampled<T> => ({
    value,
    ageMs: ms(Math.max(0, nowMs - reading.atMs)),
    coverage,
    source: 'snmp',
  });
  return {
    link: place.link,
    router,
    ifIndex: place.ifIndex,
    isUp: reading.isUp,
    capacity: track.capacity,
    inbound: sampled(rates.inbound),
    outbound: sampled(rates.outbound),
    inboundDiscardRatio: sampled(rates.inboundDiscardRatio),
    outboundDiscardRatio: sampled(rates.outboundDiscardRatio),
    elapsedMs: ms(rates.elapsedMs),
    errors: rates.errors,
  };
}

/** A bundle carries what its members that are up carry; some routers go on to state its full speed. */
function liveCapacity(
  own: Bitps,
  members: readonly (number | bigint | Uint8Array | undefined)[],
): Bitps {
  let sum = 0;
  let hasMember = false;
  for (let i = 0; i + 1 < members.length; i += 2) {
    const [status, speed] = [members[i], members[i + 1]];
    if (typeof status !== 'number' || typeof speed !== 'number') continue;
    hasMember = true;
    if (status === 1) sum += speed * 1e6;
  }
  return hasMember ? bitps(sum) : own;
}
