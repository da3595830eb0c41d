/** Outbound in a cycle of the unit: what it needs of the other components, and what it hands to them. */
import { HeadgateError } from '../../core/base/error.ts';
import type { Sliced } from '../../core/base/slices.ts';
import type { PrefixText } from '../../core/base/units.ts';
import type { Override, PathTime } from '../../core/decide/egress/index.ts';
import type { Observation } from '../../core/model/observation.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { Destination, EngineTables, MarkCounts } from '../../engine/index.ts';
import type { Memory } from '../../history/index.ts';
import { type Components, networksOf, type Parts } from '../components.ts';
import { tablesOf } from '../configure.ts';
import { openExportCheck } from '../routes/router-access.ts';
import { ToldPaths } from '../routes/told-paths.ts';
import type { Step, Steps } from '../steps.ts';
import type { OwnWord, Pair } from '../units/pair.ts';
import { measureRates, type Span } from './destination-rates.ts';
import { Destinations, type RouterEgress, recallDetours } from './destinations.ts';
import { loadOf } from './marks/mark-demand.ts';
import { marksComplaints, marksView, type SpreadViews, spreadRows } from './marks/mark-views.ts';
import { spreadRouter } from './marks/marked-router.ts';
import { SessionMarks } from './marks/session-marks.ts';
import { PassiveTimes } from './passive-times.ts';
import { SessionRoutes } from './session-routes.ts';
import { linksOfBoth, loadOfBoth, measureOf, type OutboundMeasure, ratesOfBoth } from './shared.ts';

type World = Pick<
  Components,
  'speaker' | 'station' | 'engine' | 'sources' | 'configured' | 'remembered' | 'joined'
>;

/** What routers withdraw is followed so long after the first withdrawal, ms: a failed link takes many back at once. */
const lookMs = 50;

interface OutboundTurn {
  readonly observation: Observation;
  readonly mode: Settings['mode'];
  readonly wire: Span | undefined;
}

/** Destinations and, where routers take nothing else, single sessions. */
export class Outbound {
  readonly destinations: Destinations;
  /** Absent where no router is told of sessions. */
  readonly sessions: SessionRoutes | undefined;
  /** Absent where no router reads marks. */
  readonly marks: SessionMarks | undefined;
  readonly #world: World;
  readonly #clock: Parts['clock'];
  readonly #times = new PassiveTimes();
  /** Present where another unit has the same routers. */
  readonly #pair: Pair | undefined;
  /** The wires are to have other tables; and are just given some. */
  #areTablesDue = false;
  #isPublishing = false;
  /** Of the last cycle, as the other unit of a pair is told. */
  #own: OutboundMeasure | undefined;
  /** At the last cycle. */
  #counts: MarkCounts | undefined;

  constructor(
    destinations: Destinations,
    sessions: SessionRoutes | undefined,
    marks: SessionMarks | undefined,
    world: World,
    clock: Parts['clock'],
    pair: Pair | undefined,
  ) {
    this.#pair = pair;
    pair?.follow(({ marks: told, ...detours }) => {
      this.destinations.follow(detours);
      if (told) this.marks?.follow(told);
    });
    this.destinations = destinations;
    this.sessions = sessions;
    this.marks = marks;
    this.#world = world;
    this.#clock = clock;
  }

  /** What to remember over a restart. */
  get memory(): Pick<Memory, 'detours' | 'sessions' | 'disproved' | 'marks'> {
    return {
      detours: this.destinations.overrides,
      disproved: this.destinations.disproved,
      ...(this.sessions ? { sessions: this.sessions.overrides } : {}),
      ...(this.marks ? { marks: this.marks.memory } : {}),
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

  /** What the wires count, and mark by. */
  get tables(): Pick<EngineTables, 'destinations'> & Partial<EngineTables> {
    const { marks } = this;
    const destinations = this.destinations.counted.map((prefix): Destination => {
      const group = marks?.groupOf(prefix);
      return group === undefined ? { prefix } : { prefix, group };
    });
    return { ...marks?.tables, destinations };
  }

  adopt(settings: Settings): void {
    this.destinations.adopt(settings);
    this.sessions?.adopt(settings);
    this.marks?.adopt(settings);
  }

  stop(): void {
    this.marks?.stop();
  }

  complaints(): ReadonlyMap<string, string> {
    return new Map([
      ...this.destinations.complaints(),
      ...(this.sessions?.complaints() ?? []),
      ...(this.marks ? marksComplaints(this.marks, this.#counts) : []),
    ]);
  }

  /** What is shown of sessions that are spread; undefined where none are. */
  spread(): SpreadViews | undefined {
    const { marks, destinations } = this;
    return (
      marks && {
        marks: marksView(marks, this.#counts),
        destinations: spreadRows(marks, destinations.measured),
      }
    );
  }

  /** One cycle, after the one of inbound: counts what the routers newly told, decides, tells routers and wires. */
  *turn({ observation: seen, mode, wire }: OutboundTurn, settings: Settings): Sliced<void> {
    const { destinations, marks } = this;
    const pair = this.#pair;
    const { engine, sources } = this.#world;
    this.#areTablesDue = destinations.takeCounted() || this.#areTablesDue;
    const [flows, times] = [sources?.flows(), sources?.times()];
    const own = measureRates(wire, flows);
    const ownLoad = loadOf(wire);
    this.#own = measureOf(own, seen.links, ownLoad);
    const role = pair?.take(this.#word(seen.at)) ?? 'decides';
    const theirs = pair?.theirs;
    const observation = pair && theirs ? linksOfBoth(seen, theirs, pair.pairing) : seen;
    const measured = pair ? ratesOfBoth(own, theirs, pair.pairing) : own;
    destinations.turn({
      observation,
      mode,
      measured,
      role,
      times,
      passive: settings.outbound?.performance ? this.#passive() : undefined,
    });
    yield;
    if (marks) {
      const counted = destinations.counted;
      const rates = measured ?? (wire && { ...nothingCounted, ageMs: wire.ageMs });
      const load = pair && theirs ? loadOfBoth(ownLoad, theirs, pair.pairing) : ownLoad;
      const isNew = yield* marks.turn({ observation, mode, load, rates, times, counted, role });
      this.#areTablesDue ||= isNew;
    }
    this.#counts = wire?.later.marks;
    this.tellPartner(seen.at);
    yield* this.#publish(settings);
    if (this.sessions && engine)
      this.sessions.turn({
        observation,
        mode,
        heaviest: engine.heaviest(),
        nowMs: this.#clock.now(),
      });
  }

  /** What is in force here, and what was measured, as the other unit of a pair wants it. */
  tellPartner(at: number): void {
    void this.#pair?.tell(this.#word(at));
  }

  #word(at: number): OwnWord {
    const { overrides, disproved } = this.destinations;
    const own = this.#own;
    return {
      ...this.destinations.readiness(at),
      inForce: {
        detours: overrides,
        disproved,
        ...(this.marks ? { marks: this.marks.shared } : {}),
      },
      ...(own ? { measured: own } : {}),
    };
  }

  /** Between two cycles, when routers took something back. */
  *lookAgain(): Sliced<void> {
    const { destinations, marks } = this;
    if (!marks) return;
    const times = this.#world.sources?.times();
    this.#areTablesDue =
      (yield* marks.look({ counted: destinations.counted, times })) || this.#areTablesDue;
    yield* this.#publish(destinations.settings);
  }

  /** What is due while another publication is on its way waits for the next turn. */
  *#publish(settings: Settings): Sliced<void> {
    const { engine } = this.#world;
    if (!engine || !this.#areTablesDue || this.#isPublishing) return;
    this.#areTablesDue = false;
    this.#isPublishing = true;
    const { counted } = this.destinations;
    const { marks } = this;
    try {
      const done = yield* engine.publishSliced(tablesWith(settings, this));
      marks?.published(counted);
      done
        .catch((error: unknown) => this.#refused(error))
        .finally(() => {
          this.#isPublishing = false;
        });
    } catch (error) {
      this.#isPublishing = false;
      if (!(error instanceof HeadgateError)) throw error;
      this.#refused(error);
    }
  }

  #refused(error: unknown): void {
    this.#areTablesDue = true;
    this.marks?.refused(error);
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
  later: (step: Step) => void,
): Outbound | undefined {
  const { outbound } = settings;
  const { speaker, engine, configured, remembered, sources, station, joined } = world;
  if (!outbound || !speaker) return undefined;
  const pair = joined?.joint.pair;
  // Of a pair the other knows what is in force now.
  const before = pair ? nothingRecalled : recallDetours(memory, settings, now);
  const exports = openExportCheck(settings, { clock, log }, () => destinations.retell());
  const paths = new ToldPaths(speaker, station);
  const parts = { speaker, paths, configured, clock, log, exports };
  const destinations: Destinations = new Destinations(settings, outbound, parts, {
    detours: before.detours,
    disproved: pair ? [] : (memory?.disproved ?? []),
  });
  const takesSessions = settings.routers.some(({ driver }) => driver?.outbound === 'sessions');
  const sessions =
    takesSessions && configured
      ? new SessionRoutes(settings, outbound, paths, configured, log, before.sessions)
      : undefined;
  const router = spreadRouter(settings);
  const marks =
    router !== undefined && engine && remembered
      ? new SessionMarks(
          settings,
          router,
          { speaker, engine, sources, station },
          { clock, log },
          remembered,
        )
      : undefined;
  const opened = new Outbound(destinations, sessions, marks, world, clock, pair);
  let isDue = false;
  const look = () => {
    if (isDue || (destinations.overrides.length === 0 && !marks)) return;
    isDue = true;
    clock.after(lookMs, () => {
      isDue = false;
      if (destinations.dropLost()) opened.tellPartner(clock.wall());
      marks?.lookAtLinks();
      later(() => opened.lookAgain());
    });
  };
  speaker.onChange((change) => {
    if (change.kind !== 'received' || change.action !== 'withdrawn') return;
    if (change.router === marks?.router || destinations.isDetoured(change.prefix)) look();
  });
  paths.onKept(look);
  return opened;
}

/** What the wires count and mark by, with the destinations that the routers told. */
export function tablesWith(
  settings: Settings,
  outbound: Pick<Outbound, 'tables'> | undefined,
): EngineTables {
  return { ...tablesOf(settings), ...(outbound?.tables ?? { destinations: [] }) };
}

/**
 * What the wires are to count and mark by under other settings, as a step among others. Settled when it is in force;
 * rejects with HeadgateError when the wires refuse it.
 */
export function publishTables(
  settings: Settings,
  engine: Components['engine'],
  outbound: Pick<Outbound, 'tables'> | undefined,
  steps: Pick<Steps, 'add'>,
): Promise<void> {
  if (!engine) return Promise.resolve();
  return new Promise((resolve, reject) => {
    steps.add(function* () {
      try {
        resolve(yield* engine.publishSliced(tablesWith(settings, outbound)));
      } catch (error) {
        reject(error);
      }
    });
  });
}

const nothingRecalled = { detours: [], sessions: [] } as const;
const nothingCounted = { rates: new Map(), source: 'wire' } as const;
