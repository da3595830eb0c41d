import type { Sliced } from '../../base/slices.ts';
import { loadCost, type Table } from './table.ts';

/**
 * Prices per link under which every block chooses for itself, such that the loads come out right: Lagrangian duality.
 * The value of any prices is a bound below every assignment.
 */
export interface Priced {
  readonly price: Float64Array;
  readonly bound: number;
  /** Prices on the way there, each better than the one before; the best are the last. */
  readonly trail: readonly Float64Array[];
}

/** Rounds per link. */
const roundsPerLink = 30;

/** The best prices found from `start`. `upper`: the value of some assignment, by which the steps are sized. */
export function* searchPrices(
  table: Table,
  start: Float64Array,
  upper: number,
  rounds = roundsPerLink * table.links,
): Sliced<Priced> {
  const { links, slope } = table;
  const steepest = slope.at(-1) ?? 0;
  const price = start.slice();
  const best = start.slice();
  const load = new Float64Array(links);
  const direction = new Float64Array(links);
  let bound = Number.NEGATIVE_INFINITY;
  const trail: Float64Array[] = [];
  let patience = 1;
  let sinceBetter = 0;
  for (let round = 0; round < rounds; round++) {
    yield;
    const dual = choosePriced(table, price, load);
    if (dual > bound) {
      bound = dual;
      best.set(price);
      trail.push(price.slice());
      sinceBetter = 0;
    } else if (++sinceBetter >= 5 + links) {
      sinceBetter = 0;
      patience /= 2;
      if (patience < 1e-3) break;
      price.set(best);
      direction.fill(0);
      continue;
    }
    if (upper - bound <= 1e-6 * Math.abs(upper)) break;
    stepPrices(table, price, load, direction, upper - dual, patience, steepest);
  }
  return { price: best, bound, trail };
}

/** Every block takes its cheapest link under the prices; gives the dual value. `load` becomes the loads of that choice. */
export function choosePriced(
  table: Table,
  price: Float64Array,
  load: Float64Array,
  choice?: Int32Array,
): number {
  const { count, links, demand, cost, base } = table;
  load.set(base);
  let dual = 0;
  for (let i = 0, at = 0; i < count; i++, at += links) {
    const own = demand[i] ?? 0;
    let cheapest = Number.POSITIVE_INFINITY;
    let chosen = 0;
    for (let l = 0; l < links; l++) {
      const total = (cost[at + l] ?? 0) + own * (price[l] ?? 0);
      if (total < cheapest) {
        cheapest = total;
        chosen = l;
      }
    }
    dual += cheapest;
    load[chosen] = (load[chosen] ?? 0) + own;
    if (choice) choice[i] = chosen;
  }
  // Each link chooses the load that is best for it at its price: a step of its cost.
  for (let l = 0; l < links; l++) {
    const paid = price[l] ?? 0;
    const [least, most] = wantedLoads(table, l, paid);
    const wanted = Math.min(most, Math.max(least, load[l] ?? 0));
    dual += loadCost(table, l, wanted) - paid * (wanted - (base[l] ?? 0));
  }
  return dual;
}

/**
 * The loads at which a link's cost begins to rise as fast as its price, and faster; never below what it carries
 * anyway. At a price that equals a slope any load of that step is as good, else both are the same.
 */
export function wantedLoads(
  { begin, slope, base }: Table,
  link: number,
  price: number,
): readonly [least: number, most: number] {
  const steps = slope.length;
  const carried = base[link] ?? 0;
  let least = price <= 0 ? 0 : Number.POSITIVE_INFINITY;
  let most = Number.POSITIVE_INFINITY;
  for (let s = 0; s < steps; s++) {
    const own = slope[s] ?? 0;
    const at = begin[link * steps + s] ?? 0;
    if (own >= price && least === Number.POSITIVE_INFINITY) least = at;
    if (own > price) {
      most = at;
      break;
    }
  }
  return [Math.max(carried, least), Math.max(carried, most)];
}

/**
 * A subgradient step with Polyak's length; a price that would pass a slope stops there first. `direction` keeps what is
 * left of the steps before when they point the other way, against zigzag (Camerini, Fratta and Maffioli, 1975).
 */
function stepPrices(
  table: Table,
  price: Float64Array,
  load: Float64Array,
  direction: Float64Array,
  gap: number,
  patience: number,
  steepest: number,
): void {
  const links = price.length;
  const over = new Float64Array(links);
  for (let l = 0; l < links; l++) {
    const [least, most] = wantedLoads(table, l, price[l] ?? 0);
    const own = load[l] ?? 0;
    over[l] = own - Math.min(most, Math.max(least, own));
  }
  let product = 0;
  let old = 0;
  for (let l = 0; l < links; l++) {
    product += (over[l] ?? 0) * (direction[l] ?? 0);
    old += (direction[l] ?? 0) ** 2;
  }
  const kept = product < 0 && old > 0 ? (-1.5 * product) / old : 0;
  let norm = 0;
  for (let l = 0; l < links; l++) {
    direction[l] = (over[l] ?? 0) + kept * (direction[l] ?? 0);
    norm += (direction[l] ?? 0) ** 2;
  }
  if (norm <= 0) return;
  const length = (patience * Math.max(0, gap)) / norm;
  for (let l = 0; l < links; l++) {
    const before = price[l] ?? 0;
    let next = Math.min(steepest, Math.max(0, before + length * (direction[l] ?? 0)));
    for (const slope of table.slope)
      if ((slope - before) * (slope - next) < 0) {
        next = slope;
        if (next > before) break;
      }
    price[l] = next;
  }
}
