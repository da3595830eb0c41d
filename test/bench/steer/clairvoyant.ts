/**
 * What no controller reaches: for each interval the best announcements that a search finds when its demand and its
 * failures are known beforehand and nothing limits the changes. What is overloaded even so, somebody has to bear.
 */

import type { BlockPlan } from '../../../src/core/model/plan.ts';
import type { Weather } from '../../../src/core/simulate/days.ts';
import { seeded } from '../../../src/core/simulate/random.ts';
import type { Routes, World } from '../../../src/core/simulate/world.ts';

/** Offered load from which a link counts as overloaded. */
const full = 0.95;
/** Starts of the search: where the last interval ended, without any bias, and drawn ones. */
const starts = 4;

export interface Limit {
  /** Share of the steps with more demand than all live links could carry. */
  readonly overCapacity: number;
  /** Share of the steps, those included, for which no announcements were found that carry the demand. */
  readonly overload: number;
}

export function clairvoyant(world: World, routes: Routes, weather: Weather): Limit {
  const steps = weather.capacity[0]?.length ?? 0;
  const tables = new Tables(world, routes);
  let choice: readonly number[] = world.blocks.map(() => 0);
  let overCapacity = 0;
  let overload = 0;
  for (let t = 0; t < steps; t++) {
    const live = world.links.map(({ capacity }, l) => capacity * (weather.capacity[l]?.[t] ?? 1));
    const factors = world.blocks.map((_, b) => weather.demand[b]?.[t] ?? 1);
    const table = tables.of(live.map((capacity) => capacity > 0));
    const demand = table.reduce(
      (sum, [unbiased], b) => sum + (factors[b] ?? 1) * sumOf(unbiased ?? []),
      0,
    );
    if (demand > full * sumOf(live)) {
      overCapacity++;
      overload++;
      continue;
    }
    const found = search(table, factors, live, choice, t);
    if (found) choice = found;
    else overload++;
  }
  return { overCapacity: overCapacity / steps, overload: overload / steps };
}

/** Mean bit/s by block, announcement and link. */
type Table = ReadonlyArray<ReadonlyArray<Float64Array>>;

/** By which links are up. */
class Tables {
  readonly #world: World;
  readonly #routes: Routes;
  readonly #known = new Map<string, Table>();

  constructor(world: World, routes: Routes) {
    this.#world = world;
    this.#routes = routes;
  }

  of(isUp: readonly boolean[]): Table {
    const key = isUp.join();
    const known = this.#known.get(key);
    if (known) return known;
    const { blocks, links, sources, demand, ladder } = this.#world;
    const rungs = ladder?.length ?? 3;
    const table = blocks.map((block, b) => {
      const plans: BlockPlan[] = [{ block, link: undefined, rung: 0, reason: '' }];
      for (const { link } of links)
        for (let rung = 1; rung <= rungs; rung++) plans.push({ block, link, rung, reason: '' });
      return plans.map((plan) => {
        const loads = new Float64Array(links.length);
        for (const [s, link] of this.#routes.of(plan, isUp).entries())
          if (link >= 0) loads[link] = (loads[link] ?? 0) + (demand[b * sources.length + s] ?? 0);
        return loads;
      });
    });
    this.#known.set(key, table);
    return table;
  }
}

/** An announcement per block under which no link is overloaded; one block after the other, as long as that helps. */
function search(
  table: Table,
  factors: readonly number[],
  live: readonly number[],
  last: readonly number[],
  seed: number,
): readonly number[] | undefined {
  const random = seeded(seed);
  for (let start = 0; start < starts; start++) {
    const choice = table.map((plans, b) =>
      start === 0 ? (last[b] ?? 0) : start === 1 ? 0 : Math.floor(random() * plans.length),
    );
    const loads = live.map((_, l) =>
      choice.reduce((sum, c, b) => sum + (factors[b] ?? 1) * (table[b]?.[c]?.[l] ?? 0), 0),
    );
    let cost = costOf(loads, live);
    for (let isBetter = true; isBetter && !isCarried(loads, live); ) {
      isBetter = false;
      for (const [b, plans] of table.entries()) {
        const own = factors[b] ?? 1;
        for (const [c, plan] of plans.entries()) {
          const before = plans[choice[b] ?? 0];
          const after = loads.map((load, l) => load + own * ((plan[l] ?? 0) - (before?.[l] ?? 0)));
          const changed = costOf(after, live);
          if (changed >= cost * (1 - 1e-9)) continue;
          cost = changed;
          choice[b] = c;
          loads.splice(0, loads.length, ...after);
          isBetter = true;
        }
      }
    }
    if (isCarried(loads, live)) return choice;
  }
  return undefined;
}

/** Steep enough that the fullest link decides. */
function costOf(loads: readonly number[], live: readonly number[]): number {
  let cost = 0;
  for (const [l, load] of loads.entries()) {
    const used = load / Math.max(1, live[l] ?? 0);
    cost += used ** 8 + 100 * Math.max(0, used - 0.93);
  }
  return cost;
}

/** A link that is down has no traffic to lose. */
const isCarried = (loads: readonly number[], live: readonly number[]): boolean =>
  loads.every((load, l) => live[l] === 0 || load <= full * (live[l] ?? 0));

const sumOf = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0);
