/**
 * Prices per link under which every block chooses for itself: Lagrangian duality. The value of any prices is a bound
 * below every assignment; those at which the loads come out right give the best bound.
 */
import { loadCost, type Table } from './table.ts';

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
