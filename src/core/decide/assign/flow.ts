import { assert } from '../../base/result.ts';
import type { Sliced } from '../../base/slices.ts';
import { Heap } from './heap.ts';
import type { Table } from './table.ts';

/** The optimum if blocks could be divided, and with it what one more unit of load on each link costs. */
export interface Flow {
  /** By link: the dual prices. Every block is where it is cheapest under them. */
  readonly price: Float64Array;
  /** By block: the link that has most of it. */
  readonly link: Int32Array;
  /** Blocks of which more than one link has a part, the largest first. */
  readonly divided: readonly number[];
}

/**
 * The least-cost flow of divisible blocks to links, by successive shortest paths (Ahuja, Magnanti and Orlin, Network
 * Flows, 1993, section 9.7). Every block begins where it costs least, whatever the load. The load is then taken up
 * piece by piece, by the links' steps of cost, always where that is cheapest next: by the link it is on, or by
 * another one to which blocks are pushed on, link by link. Between two links the block goes that costs least per
 * unit of demand. Links are few, so a path is found in links² steps; each pushes at least one piece, takes up a step,
 * or ends the excess of a link.
 */
export function* flowOf(table: Table): Sliced<Flow> {
  const steps = new Steps(table);
  const { links, demand } = table;
  const negligible = 1e-10 * demand.reduce((a, b) => a + b, 0);
  const parts = new Parts(table, negligible);
  const excess = parts.loads();
  const price = new Float64Array(links);
  const next = new Int32Array(links);
  for (let path = 0; ; path++) {
    if (path % pathsPerSlice === 0) yield;
    findPaths(steps, parts, price, next);
    let source = -1;
    for (let l = 0; l < links; l++)
      if ((excess[l] ?? 0) > negligible && (source < 0 || (price[l] ?? 0) < (price[source] ?? 0)))
        source = l;
    if (source < 0) return { price, ...parts.mostOfEach() };
    let amount = excess[source] ?? 0;
    let end = source;
    for (let hops = 0; (next[end] ?? -1) >= 0; hops++) {
      assert(hops < links, 'paths have no cycles');
      const to = next[end] ?? 0;
      amount = Math.min(amount, parts.cheapestAmount(end, to));
      end = to;
    }
    amount = Math.min(amount, steps.room(end));
    // From the far end, so that nothing goes on twice.
    pushAlong(parts, next, source, amount);
    steps.take(end, amount);
    excess[source] = (excess[source] ?? 0) - amount;
  }
}

/** A few milliseconds of them. */
const pathsPerSlice = 256;

/** From each link, what taking up one more unit costs and to which link it goes first: Bellman and Ford's rule. */
function findPaths(steps: Steps, parts: Parts, price: Float64Array, next: Int32Array): void {
  const links = price.length;
  for (let l = 0; l < links; l++) price[l] = steps.slope(l);
  next.fill(-1);
  for (let isBetter = true, round = 0; isBetter && round < links; round++) {
    isBetter = false;
    for (let from = 0; from < links; from++) {
      let least = clearlyBelow(price[from] ?? 0);
      for (let to = 0; to < links; to++) {
        if (to === from) continue;
        const through = parts.cheapestCost(from, to) + (price[to] ?? 0);
        if (through >= least) continue;
        least = clearlyBelow(through);
        price[from] = through;
        next[from] = to;
        isBetter = true;
      }
    }
  }
}

/** Rounding must not make a path look shorter the more often it goes in a circle. */
const clearlyBelow = (cost: number): number => cost - 1e-9 * (1 + Math.abs(cost));

function pushAlong(parts: Parts, next: Int32Array, from: number, amount: number): void {
  const to = next[from] ?? -1;
  if (to < 0) return;
  pushAlong(parts, next, to, amount);
  parts.push(from, to, amount);
}

/** How far each link's steps of cost are taken up. */
class Steps {
  readonly #begin: Float64Array;
  readonly #slope: Float64Array;
  readonly #taken: Float64Array;

  constructor({ begin, slope, base }: Table) {
    this.#begin = begin;
    this.#slope = slope;
    this.#taken = base.slice();
  }

  /** Cost of the next unit. */
  slope(link: number): number {
    const step = this.#stepOf(link);
    return step === 0 ? 0 : (this.#slope[step - 1] ?? 0);
  }

  /** Units until the next step. */
  room(link: number): number {
    const step = this.#stepOf(link);
    const count = this.#slope.length;
    if (step === count) return Number.POSITIVE_INFINITY;
    return (this.#begin[link * count + step] ?? 0) - (this.#taken[link] ?? 0);
  }

  take(link: number, amount: number): void {
    // A step that is filled is left exactly, or rounding would keep a sliver of it.
    const isFilled = amount >= this.room(link);
    const end = this.#begin[link * this.#slope.length + this.#stepOf(link)] ?? 0;
    this.#taken[link] = isFilled ? end : (this.#taken[link] ?? 0) + amount;
  }

  #stepOf(link: number): number {
    const count = this.#slope.length;
    const taken = this.#taken[link] ?? 0;
    let step = 0;
    while (step < count && taken >= (this.#begin[link * count + step] ?? 0)) step++;
    return step;
  }
}

/** How much of each block is on each link, and per pair of links the blocks by what going from one to the other costs. */
class Parts {
  readonly #table: Table;
  /** At block × links + link. */
  readonly #amount: Float64Array;
  readonly #queues: readonly Heap[];
  /** Less than this is left behind nowhere. */
  readonly #sliver: number;

  constructor(table: Table, sliver: number) {
    const { count, links, demand } = table;
    this.#table = table;
    this.#sliver = sliver;
    this.#amount = new Float64Array(count * links);
    const start = cheapestLinks(table);
    const on = new Int32Array(links);
    for (const l of start) on[l] = (on[l] ?? 0) + 1;
    this.#queues = Array.from(
      { length: links * links },
      (_, pair) => new Heap(on[Math.floor(pair / links)] ?? 0),
    );
    for (let i = 0; i < count; i++) {
      const from = start[i] ?? 0;
      this.#amount[i * links + from] = demand[i] ?? 0;
      this.#enqueue(i, from, true);
    }
    for (const queue of this.#queues) queue.order();
  }

  loads(): Float64Array {
    const { count, links } = this.#table;
    const loads = new Float64Array(links);
    for (let i = 0, at = 0; i < count; i++)
      for (let l = 0; l < links; l++, at++) loads[l] = (loads[l] ?? 0) + (this.#amount[at] ?? 0);
    return loads;
  }

  /** Per unit; Infinity where nothing can go. */
  cheapestCost(from: number, to: number): number {
    const { links } = this.#table;
    const queue = this.#queue(from, to);
    while (queue.size > 0 && (this.#amount[queue.leastItem * links + from] ?? 0) <= 0)
      queue.dropLeast();
    return queue.leastKey;
  }

  cheapestAmount(from: number, to: number): number {
    return this.#amount[this.#queue(from, to).leastItem * this.#table.links + from] ?? 0;
  }

  /** Pushes so much of the cheapest block from one link to another. */
  push(from: number, to: number, amount: number): void {
    const block = this.#queue(from, to).leastItem;
    const row = block * this.#table.links;
    const own = this.#amount[row + from] ?? 0;
    const pushed = own - amount <= this.#sliver ? own : amount;
    const there = this.#amount[row + to] ?? 0;
    this.#amount[row + from] = own - pushed;
    this.#amount[row + to] = there + pushed;
    if (there <= 0) this.#enqueue(block, to, false);
  }

  mostOfEach(): { readonly link: Int32Array; readonly divided: readonly number[] } {
    const { count, links } = this.#table;
    const link = cheapestLinks(this.#table);
    const divided: number[] = [];
    for (let i = 0, at = 0; i < count; i++) {
      let most = 0;
      let on = 0;
      for (let l = 0; l < links; l++, at++) {
        const own = this.#amount[at] ?? 0;
        if (own > 0) on++;
        if (own <= most) continue;
        most = own;
        link[i] = l;
      }
      if (on > 1) divided.push(i);
    }
    return { link, divided };
  }

  #queue(from: number, to: number): Heap {
    const queue = this.#queues[from * this.#table.links + to];
    assert(queue !== undefined, 'every pair of links has a queue');
    return queue;
  }

  #enqueue(block: number, from: number, isFirst: boolean): void {
    const { links, cost, demand } = this.#table;
    const own = demand[block] ?? 0;
    if (own <= 0) return;
    const row = block * links;
    const here = cost[row + from] ?? 0;
    for (let to = 0; to < links; to++) {
      const there = cost[row + to] ?? 0;
      if (to === from || there === Number.POSITIVE_INFINITY) continue;
      const queue = this.#queue(from, to);
      if (isFirst) queue.append((there - here) / own, block);
      else queue.push((there - here) / own, block);
    }
  }
}

function cheapestLinks({ count, links, cost }: Table): Int32Array {
  const link = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    let chosen = 0;
    for (let l = 1; l < links; l++)
      if ((cost[i * links + l] ?? 0) < (cost[i * links + chosen] ?? 0)) chosen = l;
    link[i] = chosen;
  }
  return link;
}
