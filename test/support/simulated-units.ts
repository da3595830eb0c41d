/** Several units in virtual time: the very code that runs in each, but for wires, routers and NATS. */
import { openClusterOver } from '../../src/cluster/index.ts';
import { whole } from '../../src/core/base/slices.ts';
import { bitps, type LinkId, ms, type PrefixText } from '../../src/core/base/units.ts';
import { initialState } from '../../src/core/decide/index.ts';
import type { BlockRouting, Observation } from '../../src/core/model/observation.ts';
import type { BlockPlan, Plan } from '../../src/core/model/plan.ts';
import type { Settings } from '../../src/core/settings/index.ts';
import { ownPart } from '../../src/daemon/cluster-settings.ts';
import { policyOf } from '../../src/daemon/configure.ts';
import { Joint } from '../../src/daemon/joint.ts';
import { Loop } from '../../src/daemon/loop.ts';
import { carryOutOrders, initialOf, ordersIn } from '../../src/daemon/unit-in-cluster.ts';
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
  readonly loop: Loop;
  connection: SimulatedConnection | undefined;
  /** What its routers hear. */
  announced: ReadonlyMap<PrefixText, BlockPlan> = new Map();
  isAlive = true;
  isStopped = false;
  readonly #world: World;
  readonly #own: Settings;
  readonly #others: () => readonly SimulatedUnit[];

  /** Ready when the plan in force is known, or that none is. */
  static async start(
    world: World,
    name: string,
    wallOffsetMs: number,
    others: () => readonly SimulatedUnit[],
    before: ReadonlyMap<PrefixText, BlockPlan> = new Map(),
  ): Promise<SimulatedUnit> {
    const unit = new SimulatedUnit(world, name, wallOffsetMs, others, before);
    return unit;
  }

  private constructor(
    world: World,
    name: string,
    wallOffsetMs: number,
    others: () => readonly SimulatedUnit[],
    before: ReadonlyMap<PrefixText, BlockPlan>,
  ) {
    this.#world = world;
    this.name = name;
    this.#others = others;
    this.#own = ownPart(world.settings, name);
    this.clock = new UnitClock(world.time, wallOffsetMs);
    this.announced = before;
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
    const remembered = { at: 0, state: initialState(), isWithdrawn: false };
    let isReady = false;
    this.loop = new Loop({
      mode: world.settings.mode,
      policy: policyOf(world.settings),
      initial: initialOf(remembered, this.joint, world.settings.mode),
      // Until it knows the plan its routers keep what they heard before (graceful restart).
      act: (plan) => isReady && this.#announce(plan),
      onCycle: quiet,
      onMoves: quiet,
    });
    const order = (orders: Parameters<typeof carryOutOrders>[0]) =>
      carryOutOrders(
        orders,
        this.loop,
        { speaker: undefined, configured: undefined },
        this.joint.at,
      );
    this.joint.attach(
      { loop: this.loop, order, onMoves: quiet, summary: () => emptySummary },
      ordersIn(remembered),
    );
    const begin = () => {
      if (isReady) return;
      isReady = true;
      this.loop.letGo();
      if (this.joint.stored)
        this.joint.onPlan({ unit: '', fence: 0, serial: 0, body: this.joint.stored });
      this.#turn();
    };
    void connection.ready(3000).then(begin);
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

  #announce(plan: Plan | undefined): void {
    const checked = plan && this.joint.recheck(plan);
    this.announced = new Map((checked?.blocks ?? []).map((entry) => [entry.block, entry]));
  }

  #turn(): void {
    const interval = this.#world.settings.cycle.interval ?? 1000;
    this.clock.after(interval, () => this.#turn());
    this.joint.look();
    whole(this.joint.turn(this.#observe(), this.#routing()));
  }

  #routing(): ReadonlyMap<PrefixText, BlockRouting> {
    const carriedOn = this.#own.links.map(({ name }) => name);
    return new Map([...this.announced.keys()].map((block) => [block, { carriedOn }]));
  }

  #observe(): Observation {
    const { settings, demand } = this.#world;
    const units = this.#others();
    const rates = new Map<LinkId, number>();
    const blocks = settings.blocks.map(({ prefix }) => {
      const link = arrivesBy(this.#world, units, prefix);
      const isOurs = this.#own.links.some(({ name }) => name === link);
      const rate = demand(prefix);
      if (isOurs) rates.set(link, (rates.get(link) ?? 0) + rate);
      return {
        block: prefix,
        inbound: isOurs ? [{ link, rate: bitps(rate) }] : [],
        outbound: [],
        ageMs: ms(0),
        coverage: 1,
        ...(this.#routing().get(prefix)
          ? { routing: { carriedOn: this.#own.links.map((l) => l.name) } }
          : {}),
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
