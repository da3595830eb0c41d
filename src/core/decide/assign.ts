/**
 * Which link for which block, for tens of thousands of blocks at once: least cost of use, of moving and of load,
 * where a link's load costs more per bit the fuller it is. Deterministic; the order of blocks does not matter to the
 * value beyond ties. Beside its answer it gives a lower bound that it proves itself (Lagrangian duality), so that
 * the distance from the optimum is known without a solver.
 */
import { assert } from '../base/result.ts';

/** Convex cost of a link's load: from `from` times the capacity on, each unit of load costs `slope`. */
export interface LoadStep {
  readonly from: number;
  readonly slope: number;
}

export interface AssignProblem {
  /** Capacity by link. */
  readonly capacity: Float64Array;
  /** Load by link that no assignment changes. */
  readonly base: Float64Array;
  /** Demand by block. */
  readonly demand: Float64Array;
  /** Link that a block is on now; -1 for none. */
  readonly home: Int32Array;
  /** Cost per unit of demand, at block × links + link; Infinity where a block may not go. Absent: 0 everywhere. */
  readonly cost?: Float64Array;
  /** Cost of moving a block at all, and per unit of its demand. */
  readonly moveFixed: number;
  readonly movePerUnit: number;
  /** Ascending in both; below the first, load is free. */
  readonly steps: readonly LoadStep[];
}

export interface Assignment {
  /** Link by block. */
  readonly link: Int32Array;
  readonly value: number;
  /** No assignment is cheaper than this. */
  readonly lowerBound: number;
}

/** Iterations of the price search per link; it ends earlier when the bound has met the value. */
const roundsPerLink = 30;
/** The first round whose prices are made an assignment, and how much later each next one is. */
const firstCandidate = 8;
const candidateSpacing = 1.25;
/** Passes of local improvement; each ends the search when it changes nothing. */
const improvementPasses = 12;
/** A pass that gains a smaller share of the value than this ends them: what is left is small change. */
const smallChange = 2e-4;
export interface AssignEffort {
  /** Rounds of exchanges, each followed by passes of moves; 0 saves most of the time and costs a few per mille. */
  readonly exchangeRounds: number;
}
const wholeEffort: AssignEffort = { exchangeRounds: 4 };
/** Near enough to the bound to stop. */
const closeEnough = 8e-3;

export function assign(problem: AssignProblem, effort = wholeEffort): Assignment {
  const links = problem.capacity.length;
  const blocks = problem.demand.length;
  assert(problem.home.length === blocks, 'every block has a home or -1');
  const order = bySize(problem);

  let best = startAtHome(problem);
  let bestValue = improve(problem, best, order, effort);
  let lowerBound = 0;
  const price = new Float64Array(links);
  const bestPrice = new Float64Array(links);
  const steepest = problem.steps.at(-1)?.slope ?? 0;
  const choice = new Int32Array(blocks);
  const load = new Float64Array(links);
  const direction = new Float64Array(links);
  let patience = 1;
  let sinceBetter = 0;
  let nextCandidate = firstCandidate;
  for (let round = 0; round < roundsPerLink * links; round++) {
    const dual = choosePriced(problem, price, order, choice, load);
    if (dual > lowerBound) {
      lowerBound = dual;
      bestPrice.set(price);
      sinceBetter = 0;
    } else if (++sinceBetter >= 5 + links) {
      sinceBetter = 0;
      patience /= 2;
      price.set(bestPrice);
      direction.fill(0);
      continue;
    }
    if (round >= nextCandidate) {
      nextCandidate = Math.ceil((round + 1) * candidateSpacing);
      const candidate = choice.slice();
      const value = improve(problem, candidate, order, effort);
      if (value < bestValue) {
        best = candidate;
        bestValue = value;
      }
      if (bestValue - lowerBound <= closeEnough * bestValue) break;
    }
    stepPrices(problem, price, load, direction, bestValue - dual, patience, steepest);
  }
  return { link: best, value: bestValue, lowerBound };
}

/** The objective of an assignment. */
export function assignmentValue(problem: AssignProblem, link: Int32Array): number {
  return sumValue(problem, link, bySize(problem));
}

function sumValue(problem: AssignProblem, link: Int32Array, order: Int32Array): number {
  const links = problem.capacity.length;
  const load = problem.base.slice();
  let value = 0;
  for (const b of order) {
    const l = link[b] ?? 0;
    const demand = problem.demand[b] ?? 0;
    load[l] = (load[l] ?? 0) + demand;
    value += choiceCost(problem, b, l, links, demand);
  }
  for (let l = 0; l < links; l++) value += loadCost(problem, l, load[l] ?? 0);
  return value;
}

export function loadCost({ capacity, steps }: AssignProblem, link: number, load: number): number {
  let cost = 0;
  let below = 0;
  const whole = capacity[link] ?? 0;
  for (const { from, slope } of steps) {
    const over = load - from * whole;
    if (over <= 0) break;
    cost += over * (slope - below);
    below = slope;
  }
  return cost;
}

function choiceCost(
  problem: AssignProblem,
  block: number,
  link: number,
  links: number,
  demand: number,
): number {
  const use = problem.cost ? demand * (problem.cost[block * links + link] ?? 0) : 0;
  const home = problem.home[block] ?? -1;
  return home === link || home < 0 ? use : use + problem.moveFixed + problem.movePerUnit * demand;
}

/** Every block takes its cheapest link under the prices; gives the dual value, and the loads of that choice. */
function choosePriced(
  problem: AssignProblem,
  price: Float64Array,
  order: Int32Array,
  choice: Int32Array,
  load: Float64Array,
): number {
  const { demand, home, cost, moveFixed, movePerUnit, base } = problem;
  const links = price.length;
  load.set(base);
  let dual = 0;
  for (const b of order) {
    const own = demand[b] ?? 0;
    const from = home[b] ?? -1;
    const moving = from < 0 ? 0 : moveFixed + movePerUnit * own;
    let cheapest = Number.POSITIVE_INFINITY;
    let chosen = 0;
    for (let l = 0; l < links; l++) {
      const perUnit = (price[l] ?? 0) + (cost ? (cost[b * links + l] ?? 0) : 0);
      const total = own * perUnit + (l === from ? 0 : moving);
      if (total < cheapest) {
        cheapest = total;
        chosen = l;
      }
    }
    dual += cheapest;
    choice[b] = chosen;
    load[chosen] = (load[chosen] ?? 0) + own;
  }
  // Each link chooses the load that is best for it at its price: a step of its cost.
  for (let l = 0; l < links; l++) {
    const paid = price[l] ?? 0;
    const wanted = wantedLoad(problem, l, paid, load[l] ?? 0);
    dual += loadCost(problem, l, wanted) - paid * (wanted - (base[l] ?? 0));
  }
  return dual;
}

/**
 * The load at which a link's cost begins to rise faster than the price, never below what it carries anyway. At a price
 * that equals a slope any load of that step is as good: then the one nearest to `load`.
 */
function wantedLoad(
  { capacity, steps, base }: AssignProblem,
  link: number,
  price: number,
  load: number,
): number {
  const whole = capacity[link] ?? 0;
  let from = Number.POSITIVE_INFINITY;
  let to = Number.POSITIVE_INFINITY;
  if (price <= 0) from = 0;
  for (const step of steps) {
    if (step.slope >= price && from === Number.POSITIVE_INFINITY) from = step.from * whole;
    if (step.slope > price) {
      to = step.from * whole;
      break;
    }
  }
  return Math.max(base[link] ?? 0, Math.min(to, Math.max(from, load)));
}

/**
 * A subgradient step with Polyak's length; a price that would pass a slope stops there first. `direction` keeps what is
 * left of the steps before when they point the other way, against zigzag (Camerini, Fratta and Maffioli, 1975).
 */
function stepPrices(
  problem: AssignProblem,
  price: Float64Array,
  load: Float64Array,
  direction: Float64Array,
  gap: number,
  patience: number,
  steepest: number,
): void {
  const slope = load.map((own, l) => own - wantedLoad(problem, l, price[l] ?? 0, own));
  let product = 0;
  let old = 0;
  for (let l = 0; l < slope.length; l++) {
    product += (slope[l] ?? 0) * (direction[l] ?? 0);
    old += (direction[l] ?? 0) ** 2;
  }
  const kept = product < 0 && old > 0 ? (-1.5 * product) / old : 0;
  let norm = 0;
  for (let l = 0; l < slope.length; l++) {
    direction[l] = (slope[l] ?? 0) + kept * (direction[l] ?? 0);
    norm += (direction[l] ?? 0) ** 2;
  }
  if (norm <= 0) return;
  const length = (patience * Math.max(0, gap)) / norm;
  for (let l = 0; l < slope.length; l++) {
    const old = price[l] ?? 0;
    let next = Math.min(steepest, Math.max(0, old + length * (direction[l] ?? 0)));
    for (const step of problem.steps)
      if ((step.slope - old) * (step.slope - next) < 0) {
        next = step.slope;
        if (next > old) break;
      }
    price[l] = next;
  }
}

function startAtHome(problem: AssignProblem): Int32Array {
  const links = problem.capacity.length;
  return problem.home.map((home, b) => {
    const isAllowed = home >= 0 && Number.isFinite(problem.cost?.[b * links + home] ?? 0);
    if (isAllowed) return home;
    let cheapest = 0;
    for (let l = 1; l < links; l++) {
      const cost = problem.cost?.[b * links + l] ?? 0;
      if (cost < (problem.cost?.[b * links + cheapest] ?? 0)) cheapest = l;
    }
    return cheapest;
  });
}

/** Moves single blocks, largest first, as long as one move makes it cheaper, and exchanges. In place; gives the value. */
function improve(
  problem: AssignProblem,
  link: Int32Array,
  order: Int32Array,
  { exchangeRounds }: AssignEffort,
): number {
  moveSingles(problem, link, order);
  // With costs of their own blocks are too different for more than one round to gain what it takes.
  const rounds = problem.cost ? Math.min(1, exchangeRounds) : exchangeRounds;
  for (let round = 0; round < rounds; round++) {
    if (!exchange(problem, link, order)) break;
    moveSingles(problem, link, order);
  }
  return sumValue(problem, link, order);
}

function moveSingles(problem: AssignProblem, link: Int32Array, order: Int32Array): void {
  const links = problem.capacity.length;
  const load = problem.base.slice();
  for (const b of order) {
    const l = link[b] ?? 0;
    load[l] = (load[l] ?? 0) + (problem.demand[b] ?? 0);
  }
  const now = new Float64Array(links);
  for (let l = 0; l < links; l++) now[l] = loadCost(problem, l, load[l] ?? 0);
  const { cost, home: homes, moveFixed, movePerUnit } = problem;
  const enough = smallChange * sumValue(problem, link, order);
  for (let pass = 0; pass < improvementPasses; pass++) {
    let gained = 0;
    for (const b of order) {
      const from = link[b] ?? 0;
      const demand = problem.demand[b] ?? 0;
      const home = homes[b] ?? -1;
      const carried = now[from] ?? 0;
      // On a link whose load is free and where the block is at home nothing can be gained without own costs.
      if (carried === 0 && from === home && !cost) continue;
      const relief = carried - loadCost(problem, from, (load[from] ?? 0) - demand);
      if (relief === 0 && from === home && !cost) continue;
      // `choiceCost`, written out: this is the innermost loop.
      const moving = home < 0 ? 0 : moveFixed + movePerUnit * demand;
      const row = b * links;
      const staying = (cost ? demand * (cost[row + from] ?? 0) : 0) + (from === home ? 0 : moving);
      let best = -1e-9 * (1 + staying);
      let target = -1;
      for (let l = 0; l < links; l++) {
        if (l === from) continue;
        const use = (cost ? demand * (cost[row + l] ?? 0) : 0) + (l === home ? 0 : moving);
        const own = use - staying - relief;
        if (own >= best) continue;
        const change = own + loadCost(problem, l, (load[l] ?? 0) + demand) - (now[l] ?? 0);
        if (change < best) {
          best = change;
          target = l;
        }
      }
      if (target < 0) continue;
      link[b] = target;
      load[from] = (load[from] ?? 0) - demand;
      load[target] = (load[target] ?? 0) + demand;
      now[from] = loadCost(problem, from, load[from] ?? 0);
      now[target] = loadCost(problem, target, load[target] ?? 0);
      gained -= best;
    }
    if (gained <= enough) break;
  }
}

/**
 * Exchanges a moved block for one of the same home that stayed: the way out when one block too large has moved and
 * every return would be too much. For each step of the home's cost the block is looked for that would land the load
 * just on it. In place; gives whether anything became cheaper.
 */
function exchange(problem: AssignProblem, link: Int32Array, order: Int32Array): boolean {
  const { demand, home, base, capacity, steps, cost } = problem;
  const links = capacity.length;
  const load = base.slice();
  const staying: number[][] = Array.from({ length: links }, () => []);
  for (const b of order) {
    const l = link[b] ?? 0;
    load[l] = (load[l] ?? 0) + (demand[b] ?? 0);
    if (home[b] === l) staying[l]?.push(b);
  }
  let isBetter = false;
  for (const out of order) {
    const from = home[out] ?? -1;
    const at = link[out] ?? 0;
    const pool = staying[from];
    if (from < 0 || at === from || !pool || !Number.isFinite(cost?.[out * links + from] ?? 0))
      continue;
    const own = demand[out] ?? 0;
    let best = -1e-9;
    let chosen = -1;
    for (const { from: step } of steps) {
      const wanted = own - (step * (capacity[from] ?? 0) - (load[from] ?? 0));
      const near = firstSmaller(pool, demand, wanted);
      for (let i = Math.max(0, near - 2); i < Math.min(pool.length, near + 2); i++) {
        const b = pool[i] ?? 0;
        const difference = own - (demand[b] ?? 0);
        let change = choiceCost(problem, out, from, links, own);
        change -= choiceCost(problem, out, at, links, own);
        change += choiceCost(problem, b, at, links, demand[b] ?? 0);
        change -= choiceCost(problem, b, from, links, demand[b] ?? 0);
        change += loadCost(problem, from, (load[from] ?? 0) + difference);
        change -= loadCost(problem, from, load[from] ?? 0);
        change += loadCost(problem, at, (load[at] ?? 0) - difference);
        change -= loadCost(problem, at, load[at] ?? 0);
        if (change < best) {
          best = change;
          chosen = i;
        }
      }
    }
    const other = pool[chosen];
    if (other === undefined) continue;
    const difference = own - (demand[other] ?? 0);
    link[out] = from;
    link[other] = at;
    load[from] = (load[from] ?? 0) + difference;
    load[at] = (load[at] ?? 0) - difference;
    pool.splice(chosen, 1);
    pool.splice(firstSmaller(pool, demand, own), 0, out);
    isBetter = true;
  }
  return isBetter;
}

/** First place in a list of blocks, largest first, whose demand is below `limit`. */
function firstSmaller(blocks: readonly number[], demand: Float64Array, limit: number): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((demand[blocks[middle] ?? 0] ?? 0) >= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Indices by demand, largest first, then by home and costs: blocks that are alike in all may change places, so the
 * order in which the blocks were given does not matter. All sums run in this order.
 */
function bySize({ demand, home, cost, capacity }: AssignProblem): Int32Array {
  const links = capacity.length;
  return Int32Array.from(demand.keys()).sort((a, b) => {
    const difference = (demand[b] ?? 0) - (demand[a] ?? 0) || (home[a] ?? 0) - (home[b] ?? 0);
    if (difference !== 0 || !cost) return difference;
    for (let l = 0; l < links; l++) {
      const x = cost[a * links + l] ?? 0;
      const y = cost[b * links + l] ?? 0;
      if (x !== y) return x - y;
    }
    return 0;
  });
}
