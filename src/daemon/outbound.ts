/** Outbound in a cycle of the unit: what it needs of the other components, and what it hands to them. */
import type { PrefixText } from '../core/base/units.ts';
import type { Override, PathTime } from '../core/decide/egress/index.ts';
import type { Observation } from '../core/model/observation.ts';
import type { Settings } from '../core/settings/index.ts';
import type { EngineTables } from '../engine/index.ts';
import type { Memory } from '../history/index.ts';
import { type Components, networksOf, type Parts } from './components.ts';
import { tablesOf } from './configure.ts';
import {
  Destinations,
  type DestinationsTurn,
  type RouterEgress,
  recallDetours,
} from './destinations.ts';
import { PassiveTimes } from './passive-times.ts';
import { openExportCheck } from './router-access.ts';
import { SessionRoutes } from './session-routes.ts';
import { ToldPaths } from './told-paths.ts';

type World = Pick<Components, 'speaker' | 'station' | 'engine' | 'sources' | 'configured'>;

/** Marks follow a withdrawal within this time, ms; the egress sessions do so by themselves. */
const lookMs = 50;

interface OutboundTurn {
  readonly observation: Observation;
  readonly mode: Settings['mode'];
  readonly wire: DestinationsTurn['span'] | undefined;
}

/** Destinations and, where routers take nothing else, single sessions. */
export class Outbound {
  readonly destinations: Destinations;
  /** Absent where no router is told of sessions. */
  readonly sessions: SessionRoutes | undefined;
  readonly #world: World;
  readonly #clock: Parts['clock'];
  readonly #times = new PassiveTimes();

  constructor(
    destinations: Destinations,
    sessions: SessionRoutes | undefined,
    world: World,
    clock: Parts['clock'],
  ) {
    this.destinations = destinations;
    this.sessions = sessions;
    this.#world = world;
    this.#clock = clock;
  }

  /** What to remember over a restart. */
  get memory(): Pick<Memory, 'detours' | 'sessions' | 'disproved'> {
    return {
      detours: this.destinations.overrides,
      disproved: this.destinations.disproved,
      ...(this.sessions ? { sessions: this.sessions.overrides } : {}),
    };
  }

  /** All that are in force. */
  get overrides(): ReadonlyArray<Override<string>> {
    return [...this.destinations.overrides, ...(this.sessions?.overrides ?? [])];
  }

  /** Of every router: what was last decided, with what moves as one. */
  get decided(): ReadonlyArray<RouterEgress<string>> {
    return [...this.destinations.routers, ...(this.sessions?.routers ?? [])];
  }

  get table(): Destinations['table'] {
    return this.destinations.table;
  }

  adopt(settings: Settings): void {
    this.destinations.adopt(settings);
    this.sessions?.adopt(settings);
  }

  complaints(): ReadonlyMap<string, string> {
    return new Map([...this.destinations.complaints(), ...(this.sessions?.complaints() ?? [])]);
  }

  /** One cycle, after the one of inbound: counts what the routers newly told, decides, tells the routers. */
  turn({ observation, mode, wire }: OutboundTurn, settings: Settings): void {
    const { destinations } = this;
    const { engine, sources } = this.#world;
    if (destinations.takeCounted()) engine?.publish(tablesWith(settings, this));
    const [flows, times] = [sources?.flows(), sources?.times()];
    destinations.turn({
      observation,
      mode,
      ...(wire ? { span: wire } : {}),
      ...(flows ? { flows } : {}),
      times,
      passive: settings.outbound?.performance ? this.#passive() : undefined,
    });
    if (destinations.takeMarks()) engine?.publish(tablesWith(settings, this));
    if (this.sessions && engine)
      this.sessions.turn({
        observation,
        mode,
        heaviest: engine.heaviest(),
        nowMs: this.#clock.now(),
      });
  }

  #passive(): ReadonlyMap<PrefixText, PathTime> | undefined {
    const { engine, speaker } = this.#world;
    return engine && speaker && this.#times.add(networksOf(engine)(), speaker.rib);
  }
}

/** Undefined where settings do not ask for it, or no router is spoken to. */
export function openOutbound(
  settings: Settings,
  world: World,
  { clock, log }: Pick<Parts, 'clock' | 'log'>,
  memory: Memory | undefined,
  now: number,
): Outbound | undefined {
  const { outbound } = settings;
  const { speaker, station, engine, configured } = world;
  if (!outbound || !speaker) return undefined;
  const before = recallDetours(memory, settings, now);
  const exports = openExportCheck(settings, { clock, log }, () => destinations.retell());
  const paths = new ToldPaths(speaker, station);
  const parts = { speaker, paths, configured, clock, log, exports };
  const destinations: Destinations = new Destinations(settings, outbound, parts, {
    detours: before.detours,
    disproved: memory?.disproved ?? [],
  });
  const takesSessions = settings.routers.some(({ driver }) => driver?.outbound === 'sessions');
  const sessions =
    takesSessions && configured
      ? new SessionRoutes(settings, outbound, paths, configured, log, before.sessions)
      : undefined;
  const opened = new Outbound(destinations, sessions, world, clock);
  let isDue = false;
  const look = () => {
    if (isDue || destinations.overrides.length === 0) return;
    isDue = true;
    // A failed link takes many back at once: one look for all of them.
    clock.after(lookMs, () => {
      isDue = false;
      destinations.dropLost();
      if (destinations.takeMarks()) engine?.publish(tablesWith(destinations.settings, opened));
    });
  };
  speaker.onChange((change) => {
    if (change.kind !== 'received' || change.action !== 'withdrawn') return;
    if (destinations.isDetoured(change.prefix)) look();
  });
  paths.onKept(look);
  return opened;
}

/** What the wires count and mark by, with the destinations that the routers told. */
export function tablesWith(
  settings: Settings,
  destinations: Pick<Destinations, 'table'> | undefined,
): EngineTables {
  return { ...tablesOf(settings), destinations: destinations?.table ?? [] };
}
