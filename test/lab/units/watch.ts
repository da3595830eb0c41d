/**
 * Looks at every router all the time and knows nothing of leases and plans: what the border routers hold of their
 * units never contradicts for longer than a cycle, nothing changes more often than the rails let it, every source has
 * a way to every block, and every block goes on receiving.
 */
import { covers, type Prefix, parsePrefix } from '../../../src/core/base/prefix.ts';
import type { Lab } from '../../../src/lab/index.ts';
import type { Receipt } from '../../../src/lab/traffic/client.ts';
import { unitsTimes } from '../../../src/lab/units-settings.ts';
import { BirdTables, FrrTables, type UnitTable } from './router-tables.ts';

const lookEveryMs = 150;
/** Between two looks, and for messages and announcements on their way. */
const wayMs = 500;
/** A stream that lost packets when its way changed may wait as long until it tries again. */
const silenceMs = 10_000;
/** A look that took longer says nothing of the time in between: this machine stood still. */
const stallMs = 600;
const faultsKept = 40;
/** A router keeps what a unit told it that stands still, and then died. */
const keptMs = unitsTimes.bgpHoldMs + unitsTimes.gracefulRestartMs;

export interface Figures {
  readonly looks: number;
  /** Changes of what some router heard steered. */
  readonly changes: number;
  /** The longest that two routers held contradicting steering of one block, in ms. */
  readonly longestContradictionMs: number;
  /** The longest that a block received nothing, in ms. */
  readonly longestSilenceMs: number;
  /** Milliseconds in which this program itself did not come to look. */
  readonly stalledMs: number;
  /** Blocks of a unit that stopped or died between having a plan and hearing that it holds. */
  readonly unlucky: number;
}

export class Watch {
  readonly #lab: Lab;
  readonly #receipt: () => Receipt | undefined;
  readonly #borders: ReadonlyMap<string, BirdTables | FrrTables>;
  readonly #others: ReadonlyMap<string, BirdTables>;
  /** What was wrong, in words. */
  readonly faults: string[] = [];
  readonly #contradictingSince = new Map<string, { at: number; isTold: boolean }>();
  readonly #steered = new Map<string, { readonly key: string; readonly at: number }>();
  readonly #silentSince = new Map<string, { at: number; bytes: number; isTold: boolean }>();
  readonly #wayless = new Set<string>();
  #figures = {
    looks: 0,
    changes: 0,
    longestContradictionMs: 0,
    longestSilenceMs: 0,
    stalledMs: 0,
    unlucky: 0,
  };
  /** When a unit was last stopped or ended, by the router that it speaks to. */
  readonly #fellAt = new Map<string, number>();
  #lookedAt = 0;
  #tables: ReadonlyMap<string, UnitTable> = new Map();
  #isOver = false;
  #isJudging = false;
  #healedAt = 0;
  /** Told of each look. */
  onLook: () => void = () => undefined;

  constructor(lab: Lab, receipt: () => Receipt | undefined) {
    this.#lab = lab;
    this.#receipt = receipt;
    const { topology, folder } = lab;
    this.#borders = new Map(
      topology.routers.map(({ name, kind, unit }) => [
        name,
        kind === 'frr'
          ? new FrrTables(`${folder}/${name}/bgpd.vty`, unit)
          : new BirdTables(`${folder}/${name}.ctl`),
      ]),
    );
    const others = [...topology.sources, ...topology.providers];
    this.#others = new Map(
      others.map(({ name }) => [name, new BirdTables(`${folder}/${name}.ctl`)]),
    );
  }

  get figures(): Figures {
    return this.#figures;
  }
  get tables(): ReadonlyMap<string, UnitTable> {
    return this.#tables;
  }

  /** Text that is the same while nothing changes at any border router. */
  get steering(): string {
    return [...this.#tables].map(([router, table]) => `${router}\n${textOf(table)}`).join('\n');
  }

  async open(): Promise<void> {
    await this.#look();
    void this.#watch();
  }

  /** From now on what is wrong counts: once there is a plan, and sources have their ways. */
  judge(): void {
    this.#contradictingSince.clear();
    this.#silentSince.clear();
    this.#steered.clear();
    this.#isJudging = true;
  }

  /** Who was out of touch takes up what was decided long ago: how long that stands is not counted from now. */
  healed(): void {
    this.#healedAt = Date.now();
  }

  /** A unit is about to stop or to end. */
  fell(unit: string): void {
    const site = this.#lab.topology.sites.find((entry) => entry.unit === unit);
    if (site) this.#fellAt.set(site.router, Date.now());
  }

  /** Whether all border routers hold the same, and something; by a look of now. */
  async areEqual(): Promise<boolean> {
    const { looks } = this.#figures;
    while (this.#figures.looks < looks + 2 && !this.#isOver) await pause(20);
    const texts = [...this.#tables.values()].map(textOf);
    return new Set(texts).size === 1 && texts[0] !== '';
  }

  close(): void {
    this.#isOver = true;
    for (const tables of [...this.#borders.values(), ...this.#others.values()]) tables.close();
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      const from = Date.now();
      try {
        await this.#look();
      } catch (error) {
        if (!this.#isOver) this.#fault(`a router does not answer: ${String(error)}`);
      }
      await pause(Math.max(10, lookEveryMs - (Date.now() - from)));
    }
  }

  async #look(): Promise<void> {
    const from = Date.now();
    const [tables, paths] = await Promise.all([
      each(this.#borders, (border) => border.unitRoutes()),
      each(this.#others, (bird) => bird.paths(this.#lab.topology.networks)),
    ]);
    const now = Date.now();
    const gapMs = this.#lookedAt === 0 ? 0 : now - this.#lookedAt;
    this.#lookedAt = now;
    this.#figures.looks++;
    this.#tables = tables;
    this.onLook();
    if (!this.#isJudging) return;
    // Time in which this program stood still is nobody's fault that can be judged from here.
    const lost = gapMs > stallMs ? gapMs - lookEveryMs : 0;
    this.#figures.stalledMs += lost;
    this.#forgive(lost);
    this.#judgeContradictions(tables, now);
    this.#judgeFlaps(tables, from);
    this.#judgeWays(paths);
    this.#judgeReceivers(now);
  }

  #forgive(ms: number): void {
    if (ms === 0) return;
    for (const entry of [...this.#contradictingSince.values(), ...this.#silentSince.values()])
      entry.at += ms;
  }

  /** Two routers may not hold different steering for one block; a router that holds none of it contradicts nobody. */
  #judgeContradictions(tables: ReadonlyMap<string, UnitTable>, now: number): void {
    for (const { prefix } of this.#lab.topology.blocks) {
      const held = [...tables].flatMap(([router, table]) => {
        const steering = table.get(prefix);
        return steering === undefined ? [] : [{ router, steering }];
      });
      if (new Set(held.map(({ steering }) => steering)).size <= 1) {
        this.#contradictingSince.delete(prefix);
        continue;
      }
      const since = this.#contradictingSince.get(prefix) ?? { at: now, isTold: false };
      this.#contradictingSince.set(prefix, since);
      const lasted = now - since.at;
      if (lasted > unitsTimes.cycleMs && this.#isUnlucky(held, since.at, lasted)) {
        if (!since.isTold) this.#figures.unlucky++;
        since.isTold = true;
        continue;
      }
      this.#figures.longestContradictionMs = Math.max(this.#figures.longestContradictionMs, lasted);
      if (lasted <= unitsTimes.cycleMs + wayMs || since.isTold) continue;
      since.isTold = true;
      const what = held.map(({ router, steering }) => `${router} [${steering}]`).join(', ');
      this.#fault(`${prefix} contradicts for ${lasted} ms: ${what}`);
    }
  }

  /**
   * The one gap that messages cannot close: a process that stops or dies after it confirmed a plan and before it heard
   * that the plan holds. Its router alone then differs, since that moment, for its hold time at the most.
   */
  #isUnlucky(
    held: ReadonlyArray<{ readonly router: string; readonly steering: string }>,
    since: number,
    lasted: number,
  ): boolean {
    return [...this.#fellAt].some(([router, at]) => {
      const rest = held.filter((entry) => entry.router !== router);
      const agree = new Set(rest.map(({ steering }) => steering)).size <= 1;
      return agree && Math.abs(since - at) < unitsTimes.cycleMs && lasted <= keptMs;
    });
  }

  /** What a router hears steered on links of its own changes no more often than the rails let it. */
  #judgeFlaps(tables: ReadonlyMap<string, UnitTable>, now: number): void {
    for (const [router, table] of tables) {
      for (const { prefix } of this.#lab.topology.blocks) {
        const place = `${router} ${prefix}`;
        const key = this.#actingOn(router, table.get(prefix) ?? '');
        if (key === '') {
          this.#steered.delete(place);
          continue;
        }
        const last = this.#steered.get(place);
        if (last?.key === key) continue;
        if (last && now - last.at < unitsTimes.dwellMs - wayMs)
          this.#fault(`${place} flaps: [${last.key}], after ${now - last.at} ms [${key}]`);
        const isLate = !last || now - this.#healedAt < 2 * unitsTimes.leaseMs;
        this.#steered.set(place, { key, at: isLate ? Number.NEGATIVE_INFINITY : now });
        this.#figures.changes++;
      }
    }
  }

  /** The part of a block's steering that a router acts upon: what is for links of others passes by. */
  #actingOn(router: string, steering: string): string {
    const own = this.#lab.topology.providers.flatMap((provider) =>
      provider.router === router ? [String(provider.index)] : [],
    );
    return steering
      .split(' ')
      .filter((community) => own.includes(community.split(':')[1] ?? ''))
      .join(' ');
  }

  /** Every source and every provider has a path to every block, be it by the aggregate. */
  #judgeWays(paths: ReadonlyMap<string, ReadonlyMap<string, string>>): void {
    for (const [router, table] of paths) {
      const known = [...table.keys()].flatMap(readPrefix);
      for (const { prefix } of this.#lab.topology.blocks) {
        const place = `${router} ${prefix}`;
        const hasWay = readPrefix(prefix).some((block) => known.some((net) => covers(net, block)));
        if (hasWay) this.#wayless.delete(place);
        else if (!this.#wayless.has(place)) {
          this.#wayless.add(place);
          this.#fault(`${router} has no way to ${prefix}`);
        }
      }
    }
  }

  #judgeReceivers(now: number): void {
    const receipt = this.#receipt();
    if (!receipt) return;
    const { blocks, sources } = this.#lab.topology;
    for (const [i, { prefix }] of blocks.entries()) {
      // The flows of a block stand together, one for each source.
      const flows = receipt.bytes.slice(i * sources.length, (i + 1) * sources.length);
      const bytes = flows.reduce((sum, own) => sum + own, 0);
      const since = this.#silentSince.get(prefix);
      if (since?.bytes !== bytes || !since) {
        this.#silentSince.set(prefix, { at: now, bytes, isTold: false });
        continue;
      }
      const lasted = now - since.at;
      this.#figures.longestSilenceMs = Math.max(this.#figures.longestSilenceMs, lasted);
      if (lasted <= silenceMs || since.isTold) continue;
      since.isTold = true;
      this.#fault(`${prefix} receives nothing for ${lasted} ms`);
    }
  }

  #fault(what: string): void {
    if (this.faults.length < faultsKept) this.faults.push(`${stamp()} ${what}`);
  }
}

const readPrefix = (text: string): Prefix[] => {
  const prefix = parsePrefix(text);
  return prefix.ok ? [prefix.value] : [];
};

export const stamp = (): string => new Date().toISOString().slice(11, 23);

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function each<T, V>(
  all: ReadonlyMap<string, T>,
  read: (one: T) => Promise<V>,
): Promise<ReadonlyMap<string, V>> {
  const entries = await Promise.all(
    [...all].map(async ([name, one]) => [name, await read(one)] as const),
  );
  return new Map(entries);
}

const textOf = (table: UnitTable): string =>
  [...table]
    .map(([prefix, key]) => `${prefix} ${key}`)
    .sort()
    .join('\n');
