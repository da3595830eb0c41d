/**
 * Which link for which block, for tens of thousands of blocks at once: least cost of use, of moving and of load,
 * where a link's load costs more per bit the fuller it is. Deterministic; the order of blocks does not matter to the
 * value beyond ties. Beside its answer it gives a lower bound that it proves itself (Lagrangian duality), so that
 * the distance from the optimum is known without a solver.
 */
import { assert } from '../../base/result.ts';
import { type Sliced, whole } from '../../base/slices.ts';
import { choosePriced, type Priced, searchPrices } from './prices.ts';
import type { Assignment, AssignProblem } from './problem.ts';
import { improve, roundAt } from './round.ts';
import {
  layOut,
  narrow,
  objectiveOf,
  sample,
  type Table,
  loadCost as tableLoadCost,
} from './table.ts';

export type { Assignment, AssignProblem, LoadStep } from './problem.ts';

/** Up to so many blocks prices are searched on all of them. */
const smallEnough = 12_000;
/** Beyond, first on a sample of this size, then on as many that are in doubt under the prices found. */
const sampleSize = 3000;
/** Assignments made of different prices, times blocks, per link: the more the less whole blocks fit well. */
const triesTimesBlocks = 15_000;
/** Near enough to the bound to try no more. */
const closeEnough = 3e-3;
/** Passes of local improvement. */
const passes = 12;

export const assign = (problem: AssignProblem): Assignment => whole(assignSliced(problem));

export function* assignSliced(problem: AssignProblem): Sliced<Assignment> {
  const { home, demand } = problem;
  assert(home.length === demand.length, 'every block has a home or -1');
  const table = layOut(problem);
  yield;
  const load = new Float64Array(table.links);
  let best = atHome(table);
  let value = yield* improve(table, best, load, objectiveOf(table, best, load), 2);
  const { trail, bound } = yield* pricesOf(table, value);
  const tries = Math.max(
    2,
    Math.min(trail.length, Math.floor((triesTimesBlocks * table.links) / table.count)),
  );
  for (const price of trail.slice(-tries).reverse()) {
    const rounded = roundAt(table, price);
    yield;
    const roundedAt = objectiveOf(table, rounded, load);
    const roundedValue = yield* improve(table, rounded, load, roundedAt, passes);
    if (roundedValue >= value) continue;
    best = rounded;
    value = roundedValue;
    if (value - bound <= closeEnough * value) break;
  }
  value = objectiveOf(table, best, load);
  const link = new Int32Array(table.count);
  for (let i = 0; i < table.count; i++) link[table.order[i] ?? 0] = best[i] ?? 0;
  return { link, value, lowerBound: Math.max(0, bound) };
}

/** The objective of an assignment. */
export function assignmentValue(problem: AssignProblem, link: Int32Array): number {
  const table = layOut(problem);
  const sorted = Int32Array.from(table.order, (b) => link[b] ?? 0);
  return objectiveOf(table, sorted, new Float64Array(table.links));
}

export const loadCost = (problem: AssignProblem, link: number, load: number): number =>
  tableLoadCost(layOut(problem), link, load);

function* pricesOf(table: Table, upper: number): Sliced<Priced> {
  const free = new Float64Array(table.links);
  if (table.count <= smallEnough) return yield* searchPrices(table, free, upper);
  const part = sample(table, sampleSize);
  const link = atHome(part);
  const load = new Float64Array(part.links);
  const partValue = yield* improve(part, link, load, objectiveOf(part, link, load), passes);
  const guess = yield* searchPrices(part, free, partValue);
  yield;
  const { doubtful, settled } = narrow(table, guess.price, sampleSize);
  const found = yield* searchPrices(doubtful, guess.price, upper - settled);
  // What is proven is proven on all blocks.
  return { ...found, bound: choosePriced(table, found.price, load) };
}

/** Every block where it is now, or where it costs least. */
function atHome({ count, links, home, cost }: Table): Int32Array {
  const link = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    let chosen = home[i] ?? -1;
    if (chosen < 0 || !Number.isFinite(cost[i * links + chosen] ?? 0)) {
      chosen = 0;
      for (let l = 1; l < links; l++)
        if ((cost[i * links + l] ?? 0) < (cost[i * links + chosen] ?? 0)) chosen = l;
    }
    link[i] = chosen;
  }
  return link;
}
