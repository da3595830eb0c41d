/** This unit's place among several: what it reports, what it decides while it leads, what it follows while it does not. */
import type { Cluster, Membership, StoredPlan } from '../../cluster/index.ts';
import type { Sliced } from '../../core/base/slices.ts';
import { type LinkId, ms, type PrefixText } from '../../core/base/units.ts';
import { type Refusal, recheck } from '../../core/decide/recheck.ts';
import type { DecidedMove, State } from '../../core/decide/state.ts';
import type { HalfReport } from '../../core/model/half-report.ts';
import { mergeSliced, type UnitPart } from '../../core/model/merge.ts';
import type { BlockRouting, LinkObservation, Observation } from '../../core/model/observation.ts';
import type { BlockPlan, Plan } from '../../core/model/plan.ts';
import { type Report, reportOf } from '../../core/model/report.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { Cycle } from '../../history/index.ts';
import type { Clock } from '../clock.ts';
import { cycleTimesOf } from '../configure.ts';
import type { Log } from '../log.ts';
import type { Loop } from '../loop.ts';
import { blocksKeyOf, fingerprintOf, mergedLinksOf, pairOf } from './cluster-settings.ts';
import { HalfSessions, type SeenHalves } from './half-sessions.ts';
import { NetworkTime } from './network-time.ts';
import { laterOrders, noOrders, type Orders, sameOrders } from './orders.ts';
import { Pair } from './pair.ts';

/** What a unit sends to the leader in every cycle. Plain JSON. */
export interface SharedReport {
  readonly settings: string;
  readonly blocks: string;
  readonly report: Report;
  readonly orders: Orders;
  readonly summary: UnitSummary;
  /** Sessions of which it saw one direction. */
  readonly halves?: HalfReport;
}

/** A unit in a line of `headgate units`. */
export interface UnitSummary {
  readonly wires: { readonly forwarding: number; readonly all: number };
  readonly routers: { readonly established: number; readonly all: number };
  /** Blocks of the plan that its own rails refused. */
  readonly refused: number;
  /** Bytes that it counted outbound since its start, of hosts of its portion and of others. */
  readonly outbound: { readonly portion: number; readonly others: number };
}

/** What the leader decided, with all that another needs to go on from there. Plain JSON. */
export interface SharedPlan {
  readonly settings: string;
  /** The network's time. */
  readonly at: number;
  readonly state: State;
  /** `state.plan` where nothing else is in force. */
  readonly inForce?: Plan | 'state';
  readonly orders: Orders;
  readonly links: readonly LinkObservation[];
  /** Links to which nothing is steered. */
  readonly down: readonly LinkId[];
  /** Carried out with this plan, for everybody's history. */
  readonly moves: readonly DecidedMove[];
}

export interface JointOptions {
  readonly cluster: Cluster;
  /** Of the whole network. */
  readonly settings: Settings;
  readonly clock: Pick<Clock, 'now' | 'wall'>;
  readonly log: Log;
}

/** What the joint is given once the unit has it. */
export interface JointWorld {
  readonly loop: Loop;
  /** Carries orders out here that were given elsewhere. */
  readonly order: (orders: Orders) => void;
  /** Moves of another unit's decision. */
  readonly onMoves: (moves: readonly DecidedMove[]) => void;
  readonly summary: () => UnitSummary;
  /** Absent where no wire could see half a session. */
  readonly halves?: () => SeenHalves;
}

export class Joint {
  readonly cluster: Cluster;
  readonly #options: Omit<JointOptions, 'settings'>;
  #settings: Settings;
  readonly #time: NetworkTime;
  #world: JointWorld | undefined;
  #orders: Orders = noOrders;
  #stored: SharedPlan | undefined;
  #routing: ReadonlyMap<PrefixText, BlockRouting> = new Map();
  #refused: readonly Refusal[] = [];
  /** Until a leader's plan is known. */
  #isReleased = true;
  #down: ReadonlySet<LinkId> = new Set();
  /** Blocks of which this unit does not know what the others announce: left to plain BGP until it does. */
  #doubted: ReadonlySet<PrefixText> = new Set();
  readonly #counters = new Map<string, number>();
  readonly #halves: HalfSessions;
  /** Where another unit has the same routers: which of them decides over outbound traffic. */
  readonly pair: Pair | undefined;

  constructor(options: JointOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.cluster = options.cluster;
    this.#time = new NetworkTime(options.clock);
    this.#halves = new HalfSessions(this.cluster, (name, by) => this.#count(name, by));
    const shared = pairOf(options.settings, options.cluster.unit);
    const { hold = 0 } = options.settings.cluster ?? {};
    this.pair =
      shared &&
      new Pair(this.cluster, shared, {
        holdMs: hold,
        now: options.clock.now,
        count: (name) => this.#count(name),
      });
  }

  /** The plan that was read last, before there was a loop to follow it. */
  get stored(): SharedPlan | undefined {
    return this.#stored;
  }
  /** Of the whole network. */
  get settings(): Settings {
    return this.#settings;
  }
  /** All of them, this one included. */
  get units(): readonly string[] {
    return this.#settings.cluster?.units.map(({ name }) => name) ?? [];
  }
  get orders(): Orders {
    return this.#orders;
  }
  get refused(): readonly Refusal[] {
    return this.#refused;
  }
  /** Links to which nothing is steered: what is announced depends on it, so it is the same to all units. */
  get down(): ReadonlySet<LinkId> {
    return this.#down;
  }
  /** The network's time, milliseconds since the epoch. */
  get at(): number {
    return this.#time.now();
  }
  /** Whether what the whole network does is known here at first hand. */
  get leads(): boolean {
    return this.cluster.isLeader();
  }
  get counters(): Readonly<Record<string, number>> {
    return { ...this.cluster.counters(), ...Object.fromEntries(this.#counters) };
  }

  /** They were reloaded. */
  adopt(settings: Settings): void {
    this.#settings = settings;
  }

  attach(world: JointWorld, orders: Orders): void {
    this.#orders = laterOrders(this.#orders, orders);
    this.#world = world;
    // The others may have gone on from what this unit remembers, most of all when it had said goodbye.
    if (!this.#stored) world.loop.letGo();
    if (!sameOrders(this.#orders, orders)) world.order(this.#orders);
  }

  /** A cycle of this unit: tells the leader what it saw, and decides for all while it leads. */
  *turn(own: Observation, routing: ReadonlyMap<PrefixText, BlockRouting>): Sliced<void> {
    const world = this.#world;
    if (!world) return;
    this.#routing = routing;
    this.look();
    const settings = this.#settings;
    const shared: SharedReport = {
      settings: fingerprintOf(settings),
      blocks: blocksKeyOf(settings),
      report: reportOf(own),
      orders: this.#orders,
      summary: world.summary(),
      ...(world.halves ? { halves: this.#halves.report(world.halves(), halfBytes(settings)) } : {}),
    };
    yield;
    this.cluster.report(shared);
    yield;
    if (!this.leads) return;
    const membership = this.cluster.membership();
    const observation = yield* this.#merge(settings, membership);
    const cycle = yield* world.loop.weigh(observation);
    yield;
    this.#publish(cycle, membership);
  }

  /** Something was changed by hand: the others should not wait for the next cycle. */
  changed(): void {
    if (this.leads) this.#publish(undefined, this.cluster.membership());
  }

  /** An operator's order, given here. */
  note(orders: Omit<Orders, 'serial'>): Orders {
    this.#orders = { serial: this.#orders.serial + 1, ...orders };
    return this.#orders;
  }

  /** An order that was given at another unit. */
  hearOrders(heard: Orders): void {
    const later = laterOrders(this.#orders, heard);
    if (sameOrders(later, this.#orders)) return;
    this.#orders = later;
    this.#world?.order(later);
    this.changed();
  }

  /** The plan in force as some unit published it. */
  onPlan({ unit, body }: StoredPlan): void {
    const plan = asSharedPlan(body);
    if (!plan) {
      this.#count('plan_malformed');
      this.#options.log.error(
        { unit },
        'the plan of another unit makes no sense here; is it of another version?',
      );
      return;
    }
    this.#time.hear(plan.at);
    this.#stored = plan;
    this.#down = new Set(plan.down);
    this.hearOrders(plan.orders);
    const world = this.#world;
    if (!world) return;
    this.#isReleased = false;
    this.#doubted = new Set();
    const { state, inForce } = memoryOf(plan);
    world.loop.follow({ state, ...(inForce ? { inForce } : {}) }, plan.links);
    if (plan.moves.length > 0) world.onMoves(plan.moves);
  }

  /**
   * The leader fell silent between handing a plan over and saying that it holds. What the plan changes is not announced
   * at all then: whichever of the two the others go by, nothing here contradicts it.
   */
  onDoubt({ body }: StoredPlan): void {
    const plan = asSharedPlan(body);
    const { loop } = this.#world ?? {};
    if (!plan || !loop) return;
    const now = { plan: loop.inForce, down: this.#down };
    const next = { plan: memoryOf(plan).inForce, down: new Set(plan.down) };
    this.#doubted = changedBlocks(now, next);
    if (this.#doubted.size === 0) return;
    const blocks = [...this.#doubted];
    this.#options.log.warn({ blocks }, 'cut off in the middle of a move: left to plain BGP');
    loop.reannounce();
  }

  /** Looks whether this unit is still led; called in between cycles too. */
  look(): void {
    const isReleased = this.cluster.standing() === 'released';
    if (isReleased && !this.#isReleased) {
      this.#options.log.error({}, 'no leader was heard for the hold time: back to plain BGP');
      this.#world?.loop.letGo();
    }
    this.#isReleased = isReleased;
  }

  /** What of a plan this unit announces. */
  recheck(plan: Plan): Plan {
    const { loop } = this.#world ?? {};
    if (!loop) return plan;
    const { blocks } = this.#settings;
    const own = {
      blocks: new Set(blocks.map(({ prefix }) => prefix)),
      policy: loop.policy,
      routing: this.#routing,
    };
    const checked = recheck(plan, own);
    const known = new Set(this.#refused.map(({ block, reason }) => `${block} ${reason}`));
    for (const { block, reason } of checked.refused)
      if (!known.has(`${block} ${reason}`)) this.#count(`refused_${reason}`);
    this.#refused = checked.refused;
    if (this.#doubted.size === 0) return checked.plan;
    const sure = checked.plan.blocks.filter(({ block }) => !this.#doubted.has(block));
    return { ...checked.plan, blocks: sure };
  }

  /** What each unit said last of itself; of others only while this unit leads. */
  summaries(): ReadonlyMap<string, SharedReport & { readonly ageMs: number }> {
    return new Map(
      this.cluster.reports().flatMap(({ unit, ageMs, body }) => {
        const shared = asSharedReport(body);
        return shared ? [[unit, { ...shared, ageMs }] as const] : [];
      }),
    );
  }

  *#merge(settings: Settings, { frozen, gone }: Membership): Sliced<Observation> {
    const key = blocksKeyOf(settings);
    const parts: UnitPart[] = [];
    for (const [unit, { report, ageMs, blocks, orders, halves }] of this.summaries()) {
      this.hearOrders(orders);
      if (halves) this.#halves.hear(unit, halves);
      parts.push({ unit, ageMs, report, hasOurBlocks: blocks === key });
    }
    yield;
    const joined = this.#halves.join();
    void this.#halves.askClocks();
    yield;
    return yield* mergeSliced({
      at: ms(this.#time.decide()),
      links: mergedLinksOf(settings),
      blocks: settings.blocks.map(({ prefix }) => prefix),
      parts,
      frozen: new Map(
        frozen.map((unit) => [unit, `unit ${unit} is silent: what it announces stays as it is`]),
      ),
      gone: new Set(gone),
      joined: { links: joined.links, share: settings.cluster?.joined.share ?? 0 },
    });
  }

  /** Nothing is done before it is published: what the others do not get to know is not done here either. */
  #publish(cycle: Cycle | undefined, { live, frozen }: Membership): void {
    const world = this.#world;
    if (!world) return;
    const { loop } = world;
    const before = loop.state;
    const memory = cycle ? loop.afterwards(cycle) : loop.memory;
    const { state, inForce } = memory;
    const done = cycle?.isCarriedOut ? cycle.decision.moves : [];
    const body: SharedPlan = {
      settings: fingerprintOf(this.#settings),
      at: cycle?.observation.at ?? this.#time.now(),
      state,
      ...(inForce ? { inForce: inForce === state.plan ? 'state' : inForce } : {}),
      orders: this.#orders,
      links: cycle?.observation.links ?? loop.links,
      // A silent unit goes on announcing by what was down when it was heard last.
      down: [...(cycle && frozen.length === 0 ? downOf(cycle.observation.links) : this.#down)],
      moves: done.filter(({ outcome }) => outcome === 'pending'),
    };
    void this.cluster.publishPlan(body, live).then((written) => {
      if (!written.ok) {
        this.#count(`not_published_${written.error.code}`);
        this.#options.log.warn(
          { why: written.error },
          'the plan could not be published: nothing is changed',
        );
        return;
      }
      this.#stored = body;
      this.#down = new Set(body.down);
      this.#doubted = new Set();
      if (!cycle) return;
      // A command came in between: what was decided before it no longer holds, and the others are told.
      if (loop.state !== before) this.changed();
      else loop.conclude(cycle);
    });
  }

  #count(name: string, by = 1): void {
    if (by > 0) this.#counters.set(name, (this.#counters.get(name) ?? 0) + by);
  }
}

/** What a unit may send of half-seen sessions in a cycle. */
const halfBytes = (settings: Settings): number =>
  ((settings.cluster?.joined.bandwidth ?? 0) / 8) * (cycleTimesOf(settings).intervalMs / 1000);

/** The loop's memory in a plan. */
export function memoryOf({ state, inForce }: SharedPlan): {
  readonly state: State;
  readonly inForce: Plan | undefined;
} {
  return { state, inForce: inForce === 'state' ? state.plan : inForce };
}

export const downOf = (links: readonly LinkObservation[]): ReadonlySet<LinkId> =>
  new Set(links.filter(({ isUp }) => !isUp).map(({ link }) => link));

/** What announcements are made of. */
interface Announced {
  readonly plan: Plan | undefined;
  readonly down: ReadonlySet<LinkId>;
}

/** Blocks that are announced otherwise. One that is steered to a link that is down is announced alike on all. */
function changedBlocks(a: Announced, b: Announced): ReadonlySet<PrefixText> {
  const keys = ({ plan, down }: Announced) => {
    const key = ({ link, rung }: BlockPlan) =>
      link === undefined || down.has(link) ? '-' : `${link} ${rung}`;
    return new Map((plan?.blocks ?? []).map((entry) => [entry.block, key(entry)]));
  };
  const [before, after] = [keys(a), keys(b)];
  const all = [...before.keys(), ...after.keys()];
  return new Set(all.filter((block) => before.get(block) !== after.get(block)));
}

/** Peers are authenticated and of one protocol version: what is looked at is what a mix-up of buckets would show. */
function asSharedPlan(body: unknown): SharedPlan | undefined {
  // A cast, made true by the checks.
  const plan = body as Partial<SharedPlan> | null;
  const isPlan =
    typeof plan?.at === 'number' &&
    Array.isArray(plan.state?.plan.blocks) &&
    Array.isArray(plan.links) &&
    Array.isArray(plan.moves) &&
    typeof plan.orders?.serial === 'number';
  if (!isPlan) return undefined;
  const { down, ...rest } = plan as Omit<SharedPlan, 'down'> & Partial<Pick<SharedPlan, 'down'>>;
  // Units of the version before steer by the links alone.
  return { ...rest, down: down ?? [...downOf(rest.links)] };
}

function asSharedReport(body: unknown): SharedReport | undefined {
  // A cast, made true by the checks.
  const shared = body as Partial<SharedReport> | null;
  const isReport =
    Array.isArray(shared?.report?.links) &&
    Array.isArray(shared.report.blocks?.inbound) &&
    typeof shared.orders?.serial === 'number';
  return isReport ? (shared as SharedReport) : undefined;
}
