import type { Sliced } from '../../base/slices.ts';
import { ascending } from './order.ts';
import { choosePriced, wantedLoads } from './prices.ts';
import { loadCost, type Table } from './table.ts';

/**
 * An assignment near given prices: every block where it is cheapest under them, then, where a link ends with more or
 * less than its price wants, the blocks that care least are moved on. What is left to local improvement is small.
 */
export function roundAt(table: Table, price: Float64Array): Int32Array {
  const { links } = table;
  const link = new Int32Array(table.count);
  const load = new Float64Array(links);
  choosePriced(table, price, load, link);
  const least = new Float64Array(links);
  const most = new Float64Array(links);
  for (let l = 0; l < links; l++) [least[l], most[l]] = wantedLoads(table, l, price[l] ?? 0);
  // First too much where too little was, then exactly as much as needed away again, by ever smaller blocks.
  for (let round = 0; round < 3; round++) {
    if (round > 0) fill(table, price, link, load, least);
    if (shed(table, price, link, load, most) === 0) break;
  }
  return link;
}

/** Takes blocks off links that carry more than they want, to links with room. Gives how many. */
function shed(
  table: Table,
  price: Float64Array,
  link: Int32Array,
  load: Float64Array,
  most: Float64Array,
): number {
  const { count, links, demand } = table;
  const isOver = (l: number) => (load[l] ?? 0) > (most[l] ?? 0);
  const blocks: number[] = [];
  const penalty: number[] = [];
  for (let i = 0; i < count; i++) {
    const from = link[i] ?? 0;
    const own = demand[i] ?? 0;
    if (!isOver(from) || own <= 0) continue;
    let best = Number.POSITIVE_INFINITY;
    for (let l = 0; l < links; l++) {
      if (l === from || isOver(l)) continue;
      best = Math.min(best, priced(table, price, i, l));
    }
    if (best === Number.POSITIVE_INFINITY) continue;
    blocks.push(i);
    penalty.push(Math.max(0, (best - priced(table, price, i, from)) / own));
  }
  const sequence = ascending(Float64Array.from(penalty));
  let moved = 0;
  for (const k of sequence) {
    const i = blocks[k] ?? 0;
    const from = link[i] ?? 0;
    const own = demand[i] ?? 0;
    // A block that is too much stays: a smaller one comes later.
    if ((load[from] ?? 0) - own < (most[from] ?? 0)) continue;
    let best = Number.POSITIVE_INFINITY;
    let target = -1;
    for (let l = 0; l < links; l++) {
      if (l === from || (load[l] ?? 0) + own > (most[l] ?? 0)) continue;
      const total = priced(table, price, i, l);
      if (total < best) {
        best = total;
        target = l;
      }
    }
    if (target < 0) continue;
    move(i, target, link, load, own);
    moved++;
  }
  return moved;
}

/** Brings blocks to links that carry less than they want, the last of them perhaps too large, from those that can spare them. */
function fill(
  table: Table,
  price: Float64Array,
  link: Int32Array,
  load: Float64Array,
  least: Float64Array,
): void {
  const { count, links, demand } = table;
  for (let target = 0; target < links; target++) {
    if ((load[target] ?? 0) >= (least[target] ?? 0)) continue;
    const blocks: number[] = [];
    const penalty: number[] = [];
    for (let i = 0; i < count; i++) {
      const from = link[i] ?? 0;
      const own = demand[i] ?? 0;
      const there = priced(table, price, i, target);
      if (from === target || own <= 0 || there === Number.POSITIVE_INFINITY) continue;
      blocks.push(i);
      penalty.push(Math.max(0, (there - priced(table, price, i, from)) / own));
    }
    for (const k of ascending(Float64Array.from(penalty))) {
      const i = blocks[k] ?? 0;
      const own = demand[i] ?? 0;
      const from = link[i] ?? 0;
      if ((load[target] ?? 0) >= (least[target] ?? 0)) break;
      if ((load[from] ?? 0) - own < (least[from] ?? 0)) continue;
      move(i, target, link, load, own);
    }
  }
}

const priced = (table: Table, price: Float64Array, block: number, link: number): number =>
  (table.cost[block * table.links + link] ?? 0) + (table.demand[block] ?? 0) * (price[link] ?? 0);

function move(
  block: number,
  target: number,
  link: Int32Array,
  load: Float64Array,
  demand: number,
): void {
  const from = link[block] ?? 0;
  link[block] = target;
  load[from] = (load[from] ?? 0) - demand;
  load[target] = (load[target] ?? 0) + demand;
}

/** A pass that gains a smaller share of the value than this is the last: what is left is small change. */
const smallChange = 1e-4;

/** Moves single blocks, largest first, as long as one move makes it cheaper. In place; `load` and `value` belong to `link`. */
export function* improve(
  table: Table,
  link: Int32Array,
  load: Float64Array,
  value: number,
  passes: number,
): Sliced<number> {
  const { count, links, demand, cost } = table;
  const now = new Float64Array(links);
  for (let l = 0; l < links; l++) now[l] = loadCost(table, l, load[l] ?? 0);
  let rest = value;
  for (let pass = 0; pass < passes; pass++) {
    yield;
    const before = rest;
    for (let i = 0; i < count; i++) {
      const from = link[i] ?? 0;
      const own = demand[i] ?? 0;
      const row = i * links;
      const staying = cost[row + from] ?? 0;
      const relief = (now[from] ?? 0) - loadCost(table, from, (load[from] ?? 0) - own);
      // The most that leaving can save.
      const saving = staying + relief;
      let best = -1e-9 * (1 + saving);
      let target = -1;
      for (let l = 0; l < links; l++) {
        const use = (cost[row + l] ?? 0) - saving;
        if (use >= best || l === from) continue;
        const change = use + loadCost(table, l, (load[l] ?? 0) + own) - (now[l] ?? 0);
        if (change < best) {
          best = change;
          target = l;
        }
      }
      if (target < 0) continue;
      move(i, target, link, load, own);
      now[from] = loadCost(table, from, load[from] ?? 0);
      now[target] = loadCost(table, target, load[target] ?? 0);
      rest += best;
    }
    if (before - rest <= smallChange * rest) break;
  }
  return rest;
}
