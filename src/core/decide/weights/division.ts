/**
 * The least cost at which the traffic of all classes can be spread over links whose load costs more per bit the fuller
 * they are: a convex flow. Amounts go along the cheapest path from link to link, in portions that become smaller,
 * until no path is worth it (negative cycle cancelling; Ahuja, Magnanti, Orlin, Network Flows, 1993, chapter 14).
 */

export interface DividedClass {
  readonly rate: number;
  /** Per bit, by link; Infinity where the class may not go. */
  readonly cost: readonly number[];
}

export interface DivisionProblem {
  readonly classes: readonly DividedClass[];
  /** Load by link that is spread by nobody. */
  readonly fixed: readonly number[];
  /** Cost of the loads of all links; convex in each, and links of one port are those that depend on each other. */
  readonly port: readonly number[];
  readonly portCost: (port: number, load: number) => number;
  readonly linkCost: (link: number, load: number) => number;
}

/** Amounts by class and link. */
export type Division = readonly Float64Array[];

/** Portions are these parts of all traffic; the last bounds how far from the optimum a link may end. */
const portions = [8, 16, 32, 64, 128, 256, 512, 1024, 2048];
/** Of a portion; ends what rounding would go on with forever. */
const stepsMax = 2000;
/** Of all traffic: less is nothing. */
const crumb = 1e-9;

export function divide(problem: DivisionProblem): Division {
  const amounts = problem.classes.map((each) => firstOf(each));
  const total = problem.classes.reduce((sum, { rate }) => sum + rate, 0);
  if (total === 0) return amounts;
  for (const parts of portions) {
    for (let step = 0; step < stepsMax; step++)
      if (!improve(problem, amounts, total / parts, total * crumb)) break;
  }
  return amounts;
}

/** What a spread costs. */
export function costOf(problem: DivisionProblem, amounts: Division): number {
  const loads = loadsOf(problem, amounts);
  const ports = portLoads(problem, loads);
  let sum = 0;
  for (const [c, { cost }] of problem.classes.entries())
    for (const [l, each] of cost.entries()) {
      const amount = amounts[c]?.[l] ?? 0;
      if (amount > 0) sum += amount * each;
    }
  for (const [port, load] of ports.entries()) sum += problem.portCost(port, load);
  for (const [link, load] of loads.entries()) sum += problem.linkCost(link, load);
  return sum;
}

/** Load by link, `fixed` included. */
export function loadsOf({ fixed }: Pick<DivisionProblem, 'fixed'>, amounts: Division): number[] {
  return fixed.map((own, l) => amounts.reduce((sum, row) => sum + (row[l] ?? 0), own));
}

export function portLoads({ port }: Pick<DivisionProblem, 'port'>, loads: readonly number[]) {
  const sums = new Array<number>(Math.max(0, ...port.map((p) => p + 1))).fill(0);
  for (const [l, load] of loads.entries()) {
    const p = port[l] ?? 0;
    sums[p] = (sums[p] ?? 0) + load;
  }
  return sums;
}

/** All on the link that costs least by itself. */
function firstOf({ rate, cost }: DividedClass): Float64Array {
  const row = new Float64Array(cost.length);
  const least = Math.min(...cost);
  if (least < Number.POSITIVE_INFINITY) row[cost.indexOf(least)] = rate;
  return row;
}

/** One more portion where it is better placed; false when there is no such place. */
function improve(
  problem: DivisionProblem,
  amounts: readonly Float64Array[],
  portion: number,
  least: number,
): boolean {
  const paths = cheapestPaths(problem, amounts, least);
  // A gain below what sums of numbers of this size round away is none.
  const worth = -portion * 1e-9;
  const swap = paths.cycle;
  if (swap) return carry(amounts, swap, portion, problem, least);
  const loads = loadsOf(problem, amounts);
  const ports = portLoads(problem, loads);
  let best = worth;
  let found: readonly number[] | undefined;
  for (let from = 0; from < loads.length; from++)
    for (let to = 0; to < loads.length; to++) {
      const way = paths.cost(from, to) * portion;
      if (from === to || way === Number.POSITIVE_INFINITY) continue;
      const gain = way + change(problem, loads, ports, from, to, portion);
      if (gain >= best) continue;
      best = gain;
      found = paths.links(from, to);
    }
  return found !== undefined && carry(amounts, found, portion, problem, least);
}

/** What `portion` costs more when it is on `to` and not on `from`. */
function change(
  { port, portCost, linkCost }: DivisionProblem,
  loads: readonly number[],
  ports: readonly number[],
  from: number,
  to: number,
  portion: number,
): number {
  const grown = (of: (at: number, load: number) => number, at: number, load: number, by: number) =>
    of(at, Math.max(0, load + by)) - of(at, load);
  const [a, b] = [port[from] ?? 0, port[to] ?? 0];
  return (
    grown(linkCost, from, loads[from] ?? 0, -portion) +
    grown(linkCost, to, loads[to] ?? 0, portion) +
    (a === b
      ? 0
      : grown(portCost, a, ports[a] ?? 0, -portion) + grown(portCost, b, ports[b] ?? 0, portion))
  );
}

interface Paths {
  /** Links along which classes swap places at a gain, the first again at the end. */
  readonly cycle: readonly number[] | undefined;
  cost(from: number, to: number): number;
  links(from: number, to: number): readonly number[];
}

/** Cheapest ways from link to link by moving one class after the other (Floyd and Warshall). */
function cheapestPaths(
  problem: DivisionProblem,
  amounts: readonly Float64Array[],
  least: number,
): Paths {
  const n = problem.fixed.length;
  const cost = new Float64Array(n * n).fill(Number.POSITIVE_INFINITY);
  const next = new Int32Array(n * n).fill(-1);
  for (let a = 0; a < n; a++)
    for (let b = 0; b < n; b++) {
      const mover = a === b ? undefined : moverOf(problem, amounts, a, b, least);
      cost[a * n + b] = a === b ? 0 : (mover?.cost ?? Number.POSITIVE_INFINITY);
      next[a * n + b] = b;
    }
  const at = (a: number, b: number) => cost[a * n + b] ?? 0;
  const walk = (from: number, to: number): number[] => {
    const links = [from];
    for (let here = from; links.length <= n + 1; ) {
      here = next[here * n + to] ?? to;
      links.push(here);
      if (here === to) break;
    }
    return links;
  };
  for (let k = 0; k < n; k++)
    for (let a = 0; a < n; a++)
      for (let b = 0; b < n; b++) {
        const over = at(a, k) + at(k, b);
        if (over >= at(a, b) - 1e-12) continue;
        cost[a * n + b] = over;
        next[a * n + b] = next[a * n + k] ?? k;
        // Found at once, while the paths behind it are still simple.
        if (a === b) return { cycle: walk(a, a), cost: at, links: walk };
      }
  return { cycle: undefined, cost: at, links: walk };
}

/** The class that goes from `a` to `b` most cheaply. */
function moverOf(
  { classes }: DivisionProblem,
  amounts: readonly Float64Array[],
  a: number,
  b: number,
  least: number,
): { readonly index: number; readonly cost: number } | undefined {
  let found: { readonly index: number; readonly cost: number } | undefined;
  for (const [index, { cost }] of classes.entries()) {
    if ((amounts[index]?.[a] ?? 0) <= least) continue;
    const dearer = (cost[b] ?? 0) - (cost[a] ?? 0);
    if (dearer < (found?.cost ?? Number.POSITIVE_INFINITY)) found = { index, cost: dearer };
  }
  return found;
}

/** Moves along `links` as much of `portion` as every class on the way has. */
function carry(
  amounts: readonly Float64Array[],
  links: readonly number[],
  portion: number,
  problem: DivisionProblem,
  least: number,
): boolean {
  const moves = links.slice(1).map((to, i) => {
    const from = links[i] ?? to;
    return { from, to, row: amounts[moverOf(problem, amounts, from, to, least)?.index ?? -1] };
  });
  let moved = portion;
  for (const { from, row } of moves) moved = Math.min(moved, row?.[from] ?? 0);
  if (moved <= least / 2) return false;
  for (const { from, to, row } of moves) {
    if (!row) continue;
    row[from] = (row[from] ?? 0) - moved;
    row[to] = (row[to] ?? 0) + moved;
  }
  return true;
}
