/** Several units in virtual time: the very code that runs in each, but for wires, routers and NATS. */
import { openClusterOver } from '../../src/cluster/index.ts';
import { whole } from '../../src/core/base/slices.ts';
import { bitps, type LinkId, ms, type PrefixText } from '../../src/core/base/units.ts';
import { initialState } from '../../src/core/decide/index.ts';
import type { BlockRouting, Observation } from '../../src/core/model/observation.ts';
import type { BlockPlan, Plan } from '../../src/core/model/plan.ts';
import type { Settings } from '../../src/core/settings/index.ts';
import { policyOf } from '../../src/daemon/configure.ts';
import { Loop } from '../../src/daemon/loop.ts';
import { readRouting } from '../../src/daemon/routes/routing.ts';
import { ownPart } from '../../src/daemon/units/cluster-settings.ts';
import { readyMsOf } from '../../src/daemon/units/join.ts';
import { Joint } from '../../src/daemon/units/joint.ts';
import { carryOutOrders, initialOf, ordersIn } from '../../src/daemon/units/unit-in-cluster.ts';
import type { Memory } from '../../src/history/index.ts';
import type { AnnouncedRoute } from '../../src/speaker/index.ts';
import {
  type SimulatedConnection,
  type SimulatedNats,
  UnitClock,
  type VirtualTime,
} from './simulated-nats.ts';

export interface World {
  readonly time: VirtualTime;
  readonly nats: SimulatedNats;
  readonly settings: Settings;
  /** Bit/s that come in for a block now, over all links. */
  readonly demand: (block: PrefixText) => number;
  /** Where a block comes in while nothing biases it. */
  readonly home: (block: PrefixText) => LinkId;
}

/** From the start of a unit until its router hears it: connecting, and the router's whole table. */
const sessionMs = 600;

/** What the process before leaves to the next. */
export interface Remains {
  /** What its routers keep of it. */
  readonly announced: ReadonlyMap<PrefixText, BlockPlan>;
  /** Its memory on disk; none of a unit that never ran. */
  readonly memory: Omit<Memory, 'at'>;
}

const noRemains: Remains = {
  announced: new Map(),
  memory: { state: initialState(), isWithdrawn: false },
};

/** Where a block comes in: to the link that most units announce it to. */
export function arrivesBy(
  world: World,
  units: readonly SimulatedUnit[],
  block: PrefixText,
): LinkId {
  const planned = units.flatMap((unit) => unit.announced.get(block) ?? []);
  return planned.find(({ link }) => link !== undefined)?.link ?? world.home(block);
}

export class SimulatedUnit {
  readonly name: string;
  readonly clock: UnitClock;
  readonly joint: Joint;
  connection: SimulatedConnection | undefined;
  /** What its routers hear. */
  announced: ReadonlyMap<PrefixText, BlockPlan> = new Map();
  isAlive = true;
  isStopped = false;
  /** What they are to hear. */
  #wanted: ReadonlyMap<PrefixText, BlockPlan> = new Map();
  #isSessionUp = false;
  /** Since when they have had the time to take it up. */
  #freshSince = 0;
  readonly #world: World;
  readonly #own: Settings;
  readonly #others: () => readonly SimulatedUnit[];
  readonly #memoryBefore: Omit<Memory, 'at'>;
  #loop: Loop | undefined;

  /** Begins to announce and to turn once it knows the plan in force, or has waited for it long enough. */
  constructor(
    world: World,
    name: string,
    wallOffsetMs: number,
    others: () => readonly SimulatedUnit[],
    before = noRemains,
  ) {
    this.#world = world;
    this.name = name;
    this.#others = others;
    this.#own = ownPart(world.settings, name);
    this.clock = new UnitClock(world.time, wallOffsetMs);
    // Graceful restart: until it begins.
    this.announced = before.announced;
    this.#memoryBefore = before.memory;
    const { cluster } = world.settings;
    if (!cluster) throw new Error('the settings have no cluster');
    const quiet = () => undefined;
    const connection = openClusterOver(
      {
        network: 'sim',
        unit: name,
        units: cluster.units.map((unit) => unit.name),
        leaseMs: cluster.lease,
        silentMs: cluster.silent,
        holdMs: cluster.hold,
        clock: this.clock,
        onPlan: (plan) => this.joint.onPlan(plan),
        onDoubt: (plan) => this.joint.onDoubt(plan),
        onCommand: async () => ({}),
        onEvent: quiet,
      },
      async () => {
        this.connection = world.nats.connect(this.clock);
        return this.connection;
      },
    );
    this.joint = new Joint({
      cluster: connection,
      settings: world.settings,
      clock: this.clock,
      log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    });
    void connection.ready(readyMsOf(cluster.lease)).then(() => this.#begin());
  }

  /** The plan in force as it knows it. */
  get inForce(): Plan | undefined {
    return this.#loop?.inForce;
  }
  /** What the next process will remember. */
  get memory(): Omit<Memory, 'at'> {
    return this.#loop?.memory ?? this.#memoryBefore;
  }

  cut(): void {
    this.connection?.cut();
  }
  mend(): void {
    this.connection?.mend();
  }
  stop(): void {
    this.isStopped = true;
    this.clock.stop();
  }
  go(): void {
    this.isStopped = false;
    this.clock.go();
  }
  kill(): void {
    this.isAlive = false;
    this.clock.kill();
    this.connection?.close();
  }

  /** Takes leave of its routers and of the others, and ends. */
  end(): void {
    this.announced = new Map();
    void this.joint.cluster.stop();
    this.kill();
  }

  #begin(): void {
    if (!this.isAlive) return;
    this.#freshSince = this.clock.now();
    this.clock.after(sessionMs, () => {
      this.#freshSince = this.clock.now();
      this.#isSessionUp = true;
      this.announced = this.#wanted;
    });
    const { settings } = this.#world;
    const quiet = () => undefined;
    const remembered = { at: 0, ...this.#memoryBefore };
    const loop = new Loop({
      mode: settings.mode,
      policy: policyOf(settings),
      initial: initialOf(remembered, this.joint, settings.mode),
      act: (plan) => this.#announce(plan),
      onCycle: quiet,
      onMoves: quiet,
    });
    this.#loop = loop;
    const actuators = { speaker: undefined, configured: undefined };
    this.joint.attach(
      {
        loop,
        order: (orders) => carryOutOrders(orders, loop, actuators, this.joint.at),
        onMoves: quiet,
        summary: () => emptySummary,
      },
      ordersIn(remembered),
    );
    this.#turn();
  }

  /** To a link that is down nothing is steered, as the speaker's routes have it. */
  #announce(plan: Plan | undefined): void {
    const checked = plan && this.joint.recheck(plan);
    const { down } = this.joint;
    const heard = (checked?.blocks ?? []).map((entry): BlockPlan => {
      const { link } = entry;
      return link !== undefined && down.has(link) ? { ...entry, link: undefined, rung: 0 } : entry;
    });
    this.#wanted = new Map(heard.map((entry) => [entry.block, entry]));
    if (this.#isSessionUp) this.announced = this.#wanted;
  }

  #turn(): void {
    const interval = this.#world.settings.cycle.interval ?? 1000;
    this.clock.after(interval, () => this.#turn());
    this.joint.look();
    whole(this.joint.turn(this.#observe(), this.#routing()));
  }

  #routing(): ReadonlyMap<PrefixText, BlockRouting> {
    const state = this.#isSessionUp ? 'sent' : 'waiting';
    const routes = [...this.#wanted.keys()].map((prefix): AnnouncedRoute => {
      const announcement = { prefix, communities: [], largeCommunities: [], prepend: 0 };
      return { announcement, nextHop: undefined, state, reason: '' };
    });
    const routers = this.#own.routers.map(({ name }) => name);
    const { settleMs } = policyOf(this.#world.settings).rails;
    const isFresh = this.clock.now() - this.#freshSince < settleMs;
    const told = {
      announced: new Map(routers.map((router) => [router, routes])),
      ownRoutes: [],
      fresh: new Set(isFresh ? routers : []),
    };
    return whole(readRouting(this.#own, told, new Set()));
  }

  #observe(): Observation {
    const { settings, demand } = this.#world;
    const routing = this.#routing();
    const units = this.#others();
    const rates = new Map<LinkId, number>();
    const blocks = settings.blocks.map(({ prefix }) => {
      const link = arrivesBy(this.#world, units, prefix);
      const isOurs = this.#own.links.some(({ name }) => name === link);
      const rate = demand(prefix);
      const told = routing.get(prefix);
      if (isOurs) rates.set(link, (rates.get(link) ?? 0) + rate);
      return {
        block: prefix,
        inbound: isOurs ? [{ link, rate: bitps(rate) }] : [],
        outbound: [],
        ageMs: ms(0),
        coverage: 1,
        ...(told ? { routing: told } : {}),
      };
    });
    return {
      at: ms(this.clock.wall()),
      intervalMs: ms(1000),
      blocks,
      links: this.#own.links.map(({ name, capacity }) => ({
        link: name,
        isUp: true,
        capacity,
        inbound: { value: bitps(rates.get(name) ?? 0), ageMs: ms(0), coverage: 1, source: 'wire' },
      })),
    };
  }
}

const emptySummary = {
  wires: { forwarding: 0, all: 0 },
  routers: { established: 0, all: 0 },
  refused: 0,
  outbound: { portion: 0, others: 0 },
};
