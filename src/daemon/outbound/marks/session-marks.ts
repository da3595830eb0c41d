/** Sessions spread over the links of a router by marks on their packets: what is measured → weights → the wires' tables. */
import type { Sliced } from '../../../core/base/slices.ts';
import type { LinkId, PrefixText, RouterId } from '../../../core/base/units.ts';
import {
  type ClassWeights,
  decideWeights,
  type LinkWeights,
  type RememberedWeights,
  type WeightsPlan,
} from '../../../core/decide/weights/index.ts';
import type { Observation } from '../../../core/model/observation.ts';
import type { Settings } from '../../../core/settings/index.ts';
import type { EngineTables, WireEngine } from '../../../engine/index.ts';
import type { Speaker } from '../../../speaker/index.ts';
import type { Clock } from '../../clock.ts';
import { policyOf } from '../../configure.ts';
import type { Log } from '../../log.ts';
import type { Sources } from '../../measure/sources.ts';
import type { MeasuredRates } from '../destination-rates.ts';
import type { PathTimes } from '../destinations.ts';
import type { NearMembers, PairRole, SharedMarks, WireLoad } from '../shared.ts';
import { type DownReason, LinkWatch, type WatchWorld } from './link-watch.ts';
import { MarkDemand, marksPolicyOf } from './mark-demand.ts';
import { NearClasses, type Plainly } from './near-classes.ts';
import { RouteClasses, type RouteTable } from './route-classes.ts';

export interface MarksWorld extends WatchWorld {
  readonly speaker: Pick<Speaker, 'sessions' | 'onChange' | 'rib' | 'ribPeerOf'>;
  readonly sources: Pick<Sources, 'isUp' | 'links'> | undefined;
  readonly engine: Pick<WireEngine, 'readjust' | 'prepare'>;
}

export interface MarksTurn {
  readonly observation: Observation;
  /** `observe` also while the operator has withdrawn everything. */
  readonly mode: Settings['mode'];
  readonly load: WireLoad;
  readonly rates: MeasuredRates | undefined;
  readonly times: ReadonlyMap<PrefixText, PathTimes> | undefined;
  /** Destinations that the wires count. */
  readonly counted: readonly PrefixText[];
  /** Of a unit that has the router alone: `decides`. */
  readonly role: PairRole;
}

/** The part of the tables that marks are. */
export type MarkTables = Pick<EngineTables, 'otherwise' | 'groups' | 'packed' | 'down' | 'hashKey'>;

/** Classes that are remembered beside those there are. */
const goneMax = 64;
/** Looks at a whole table take this part of the time at most. */
const lookShare = 1 / 20;

export class SessionMarks {
  readonly router: RouterId;
  readonly #world: MarksWorld;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #classes: RouteClasses;
  readonly #near = new NearClasses();
  readonly #demand = new MarkDemand();
  readonly #watch: LinkWatch;
  #hashKey: string;
  #settings: Settings;
  #routes: RouteTable | undefined;
  #areRoutesDue = true;
  #nextLook = 0;
  #otherwise: string | undefined;
  #weights: readonly ClassWeights[];
  #plan: WeightsPlan | undefined;
  /** What the other unit of a pair told apart, while it decides. */
  #theirs: readonly NearMembers[] | undefined;
  /** Of the last look at the routes. */
  #plainly: ((prefix: PrefixText) => Plainly) | undefined;
  #measuredAt: number | undefined;
  #isToldOn = false;
  /** Sessions are marked; else the router chooses for all of them. */
  #isOn: boolean;
  /** Which destinations are in which groups, as the wires have it. */
  #published = '';
  /** The weights that the wires have. */
  #sent = '';
  #failures = 0;

  constructor(
    settings: Settings,
    router: RouterId,
    world: MarksWorld,
    { clock, log }: { readonly clock: Clock; readonly log: Log },
    remembered: RememberedWeights,
  ) {
    this.router = router;
    this.#settings = settings;
    this.#world = world;
    this.#clock = clock;
    this.#log = log;
    this.#hashKey = remembered.hashKey;
    this.#weights = remembered.classes;
    this.#otherwise = remembered.otherwise;
    this.#isOn = remembered.isOn;
    this.#classes = new RouteClasses(world.speaker, router);
    this.#watch = new LinkWatch(settings, router, world, this.#classes, clock, (down) => {
      for (const [link, reason] of down)
        this.#log.warn(
          { link, reason },
          'nothing leaves by this link: its sessions are marked anew',
        );
      void this.#readjust({ down: this.#down });
    });
    world.speaker.onChange((change) => {
      if (change.kind === 'received' && change.router === router) this.#areRoutesDue = true;
    });
  }

  get plan(): WeightsPlan | undefined {
    return this.#plan;
  }
  get routes(): RouteTable | undefined {
    return this.#routes;
  }
  get down(): ReadonlyMap<LinkId, DownReason> {
    return this.#watch.down;
  }
  /** Whether the wires mark sessions. */
  get isOn(): boolean {
    return this.#isOn;
  }
  /** Prefixes that were not told apart, or whose past was forgotten: their sessions may have moved. */
  get forgotten(): number {
    return this.#classes.forgotten + this.#near.forgotten;
  }
  /** Publications that the wires refused. */
  get failures(): number {
    return this.#failures;
  }

  /** What to remember over a restart. */
  get memory(): RememberedWeights {
    return {
      hashKey: this.#hashKey,
      classes: this.#weights,
      isOn: this.#isOn,
      ...(this.#otherwise === undefined ? {} : { otherwise: this.#otherwise }),
    };
  }

  /** What another unit needs to mark alike, and to go on from. */
  get shared(): SharedMarks {
    return { ...this.memory, near: this.#near.members };
  }

  /** Another unit decided: the same hash, and the same weights by the next turn. */
  follow({ hashKey, classes, otherwise, isOn, near }: SharedMarks): void {
    this.#hashKey = hashKey;
    this.#weights = classes;
    this.#otherwise = otherwise;
    this.#isToldOn = isOn;
    this.#theirs = near;
  }

  get tables(): MarkTables {
    return {
      hashKey: this.#hashKey,
      down: this.#down,
      ...this.#weightTables,
      ...(this.#routes ? { packed: this.#routes.packed } : {}),
    };
  }

  /** The group of a destination that is counted; undefined: as what no prefix covers. */
  groupOf(prefix: PrefixText): string | undefined {
    return this.#groupOf(prefix)?.name;
  }

  /** The class by which a destination is decided, as the plan names it. */
  classOf(prefix: PrefixText): string {
    return this.#near.classOf(prefix)?.name ?? this.#classes.classOf(prefix);
  }

  adopt(settings: Settings): void {
    this.#settings = settings;
    this.#watch.adopt(settings);
    this.#areRoutesDue = true;
  }

  stop(): void {
    this.#watch.stop();
  }

  /** What fails at once is looked at at once. */
  lookAtLinks(): void {
    this.#watch.look();
  }

  /** Looks at the routes where they changed. Gives whether the wires need other tables. */
  *look({ counted, times }: Pick<MarksTurn, 'counted' | 'times'>): Sliced<boolean> {
    const now = this.#clock.now();
    if (!this.#isSettled || !this.#areRoutesDue || now < this.#nextLook) return false;
    this.#areRoutesDue = false;
    const routes = yield* this.#classes.look(this.#settings, now);
    const end = this.#clock.now();
    this.#nextLook = end + (end - now) / lookShare;
    this.#routes = routes;
    this.#watch.told(routes);
    const weighsTime = policyOf(this.#settings).objective.response > 0;
    const links = new Map(routes.classes.map((each) => [each.name, each.links]));
    this.#plainly = (prefix) => {
      const name = this.#classes.classOf(prefix);
      return {
        class: name,
        links: links.get(name) ?? routes.otherwise.links,
        group: this.#classes.groupOf(prefix)?.name,
      };
    };
    if (!this.#theirs) this.#near.look(counted, weighsTime ? times : undefined, this.#plainly);
    return this.#isOn && this.#keyOf(counted) !== this.#published;
  }

  /** One cycle. Gives whether the wires need other tables; other weights they have by then. */
  *turn(input: MarksTurn): Sliced<boolean> {
    const { observation, mode, role } = input;
    if (role !== 'follows') this.#theirs = undefined;
    yield* this.look(input);
    if (this.#theirs && this.#plainly) this.#near.follow(this.#theirs, this.#plainly);
    const wasOn = this.#isOn;
    const before = this.#plan;
    const isWanted =
      role === 'decides' ? yield* this.#weigh(input) : this.#isKept(role, observation.at);
    this.#isOn = mode === 'control' && isWanted;
    if (this.#isOn !== wasOn)
      this.#log.info(
        { router: this.router },
        this.#isOn ? 'sessions are marked' : 'sessions are left to the router',
      );
    if (this.#isOn && this.#plan) {
      if (this.#plan !== before && this.#plan.isChanged) this.#say(this.#plan);
      this.#weights = withPlanned(this.#plan, this.#weights);
      this.#otherwise = this.#routes?.otherwise.name;
    }
    if (this.#isOn && this.#keyOf(input.counted) !== this.#published) return true;
    const tables = this.#weightTables;
    if (this.#isOn !== wasOn || (this.#isOn && JSON.stringify(tables) !== this.#sent)) {
      yield* this.#world.engine.prepare(weightsIn(tables));
      this.#sent = JSON.stringify(tables);
      void this.#readjust({ ...tables, down: this.#down });
    }
    return false;
  }

  /** Decides anew where something was measured. Gives whether sessions are to be marked. */
  *#weigh(input: MarksTurn): Sliced<boolean> {
    const { observation, rates } = input;
    const { maxAgeMs, holdMs } = policyOf(this.#settings).rails;
    const routes = this.#isSettled ? this.#routes : undefined;
    const before = this.#plan;
    if (routes && rates && rates.ageMs <= maxAgeMs) {
      this.#measuredAt = observation.at;
      this.#plan = this.#decide(input, rates, routes);
      yield;
    }
    this.#measuredAt ??= observation.at;
    const isStale = observation.at - this.#measuredAt > holdMs;
    return !isStale && (this.#isOn || this.#plan !== before);
  }

  /** While another decides, or nobody may: a plan of this unit's own is none. */
  #isKept(role: PairRole, at: number): boolean {
    this.#plan = undefined;
    this.#measuredAt = at;
    if (role === 'lets_go') return false;
    return role === 'follows' ? this.#isToldOn : this.#isOn;
  }

  /** The tables that were asked for are in force. */
  published(counted: readonly PrefixText[]): void {
    this.#published = this.#keyOf(counted);
    this.#sent = JSON.stringify(this.#weightTables);
  }

  refused(error: unknown): void {
    this.#published = '';
    this.#sent = '';
    this.#failures++;
    this.#log.error({ err: error }, 'marks stay as they are: the wires took no new table');
  }

  get #isSettled(): boolean {
    const session = this.#world.speaker.sessions().find(({ router }) => router === this.router);
    return session?.phase === 'established' && session.isSettled;
  }

  /** All links where the router is to choose: a packet whose links are all down bears no mark. */
  get #down(): readonly LinkId[] {
    if (this.#isOn) return [...this.#watch.down.keys()];
    return this.#settings.links.flatMap(({ name, router }) =>
      router === this.router ? [name] : [],
    );
  }

  get #weightTables(): Pick<MarkTables, 'otherwise' | 'groups'> {
    const weights = new Map(this.#weights.map((each) => [each.name, each.weights]));
    const links = new Map([
      ...(this.#routes?.classes ?? []).map((each) => [each.name, each.links] as const),
      ...this.#near.classes.map(({ name, ways }) => [name, ways.map(({ link }) => link)] as const),
    ]);
    const of = (name: string): LinkWeights => weights.get(name) ?? evenly(links.get(name) ?? []);
    const otherwise = this.#otherwise === undefined ? {} : of(this.#otherwise);
    if (!this.#routes) return { otherwise };
    return {
      otherwise,
      groups: this.#groups.map(({ name, from, class: own }) => ({
        name,
        weights: own === '' ? otherwise : of(own),
        ...(from === undefined ? {} : { from }),
      })),
    };
  }

  get #groups() {
    return [...(this.#routes?.groups ?? []), ...this.#near.groups];
  }

  #groupOf(prefix: PrefixText) {
    if (!this.#routes) return undefined;
    return this.#near.groupOf(prefix) ?? this.#classes.groupOf(prefix);
  }

  #keyOf(counted: readonly PrefixText[]): string {
    const places = counted.map((prefix) => this.#groupOf(prefix)?.name ?? '');
    return JSON.stringify([
      this.#hashKey,
      this.#groups.map(({ name }) => name),
      this.#routes?.digest,
      places,
    ]);
  }

  #decide(input: MarksTurn, rates: MeasuredRates, routes: RouteTable): WeightsPlan {
    const demand = this.#demand.of(
      { ...input, rates },
      {
        settings: this.#settings,
        router: this.router,
        routes,
        near: this.#near.classes,
        classOf: (prefix) => this.classOf(prefix),
        counters: this.#world.sources?.links(),
        down: this.#watch.down,
      },
    );
    const { objective } = policyOf(this.#settings);
    return decideWeights(demand, objective, marksPolicyOf(this.#settings), this.#weights);
  }

  async #readjust(marks: Parameters<WireEngine['readjust']>[0]): Promise<void> {
    try {
      await this.#world.engine.readjust(marks);
    } catch (error) {
      this.refused(error);
    }
  }

  #say({ classes }: WeightsPlan): void {
    for (const { name, weights, text } of classes)
      this.#log.info({ destinations: name, weights }, `weights: ${text}`);
  }
}

/** Those of the plan, and of classes that are not there now the latest: when a link is back, so are its weights. */
function withPlanned(
  { classes }: WeightsPlan,
  before: readonly ClassWeights[],
): readonly ClassWeights[] {
  const planned = new Set(classes.map(({ name }) => name));
  const gone = before.filter(({ name }) => !planned.has(name));
  return [
    ...classes.map(({ name, weights, since }) => ({ name, weights, since })),
    ...[...gone].sort((a, b) => b.since - a.since).slice(0, goneMax),
  ];
}

const evenly = (links: readonly LinkId[]): LinkWeights =>
  Object.fromEntries(links.map((link) => [link, 1]));

const weightsIn = ({ otherwise, groups = [] }: MarkTables): readonly LinkWeights[] => [
  ...(otherwise ? [otherwise] : []),
  ...groups.map(({ weights }) => weights),
];
