import { ascending, resolution } from './order.ts';
import type { AssignProblem } from './problem.ts';

/**
 * A problem laid out for speed: blocks by demand, largest first (then by home and costs, so that the order in which
 * they were given does not matter), with the whole cost of each block on each link.
 */
export interface Table {
  readonly count: number;
  readonly links: number;
  /** The problem's index of each block. */
  readonly order: Int32Array;
  readonly demand: Float64Array;
  readonly home: Int32Array;
  /** Use and moving together, at block × links + link; Infinity where it may not go. */
  readonly cost: Float64Array;
  readonly base: Float64Array;
  /** Load at which step s of link l begins, at l × steps + s. */
  readonly begin: Float64Array;
  readonly slope: Float64Array;
}

export function layOut(problem: AssignProblem): Table {
  const { capacity, demand, home, base, steps } = problem;
  const links = capacity.length;
  const order = bySize(problem);
  const count = order.length;
  const sortedDemand = new Float64Array(count);
  const sortedHome = new Int32Array(count);
  const cost = new Float64Array(count * links);
  for (let i = 0; i < count; i++) {
    const b = order[i] ?? 0;
    const own = demand[b] ?? 0;
    const from = home[b] ?? -1;
    const moving = from < 0 ? 0 : problem.moveFixed + problem.movePerUnit * own;
    sortedDemand[i] = own;
    sortedHome[i] = from;
    for (let l = 0; l < links; l++) {
      const use = problem.cost ? (problem.cost[b * links + l] ?? 0) : 0;
      // Nothing times Infinity is no number: where a block may not go it may not even with no demand.
      const used = use === Infinity ? Infinity : use * own;
      cost[i * links + l] = used + (l === from ? 0 : moving);
    }
  }
  const begin = new Float64Array(links * steps.length);
  for (let l = 0; l < links; l++)
    for (const [s, { from }] of steps.entries())
      begin[l * steps.length + s] = from * (capacity[l] ?? 0);
  return {
    count,
    links,
    order,
    demand: sortedDemand,
    home: sortedHome,
    cost,
    base,
    begin,
    slope: Float64Array.from(steps, (step) => step.slope),
  };
}

/** Cost of a link's load. */
export function loadCost({ begin, slope }: Table, link: number, load: number): number {
  const steps = slope.length;
  let cost = 0;
  let below = 0;
  for (let s = 0, at = link * steps; s < steps; s++, at++) {
    const over = load - (begin[at] ?? 0);
    if (over <= 0) break;
    const own = slope[s] ?? 0;
    cost += over * (own - below);
    below = own;
  }
  return cost;
}

/** The objective; `load` becomes the loads. */
export function objectiveOf(table: Table, link: Int32Array, load: Float64Array): number {
  const { count, links, demand, cost, base } = table;
  load.set(base);
  let value = 0;
  for (let i = 0; i < count; i++) {
    const l = link[i] ?? 0;
    load[l] = (load[l] ?? 0) + (demand[i] ?? 0);
    value += cost[i * links + l] ?? 0;
  }
  for (let l = 0; l < links; l++) value += loadCost(table, l, load[l] ?? 0);
  return value;
}

/** Indices by demand, largest first; what `ascending` cannot tell apart is put in order afterwards. */
function bySize({ demand, home, cost, capacity }: AssignProblem): Int32Array {
  const count = demand.length;
  const links = capacity.length;
  const order = ascending(demand).reverse();
  const compare = (a: number, b: number): number => {
    const difference = (demand[b] ?? 0) - (demand[a] ?? 0) || (home[a] ?? 0) - (home[b] ?? 0);
    if (difference !== 0 || !cost) return difference;
    for (let l = 0; l < links; l++) {
      const x = cost[a * links + l] ?? 0;
      const y = cost[b * links + l] ?? 0;
      if (x !== y) return x - y;
    }
    return 0;
  };
  const share = resolution(count);
  for (let i = 0; i < count; ) {
    let end = i + 1;
    const isNear = (at: number) => {
      const here = demand[order[at - 1] ?? 0] ?? 0;
      return here - (demand[order[at] ?? 0] ?? 0) <= here * share;
    };
    while (end < count && isNear(end)) end++;
    if (end > i + 1) order.subarray(i, end).sort(compare);
    i = end;
  }
  return order;
}
