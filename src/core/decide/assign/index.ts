/**
 * Which link for which block, for tens of thousands of blocks at once: least cost of use, of moving and of load,
 * where a link's load costs more per bit the fuller it is. Deterministic; the order of blocks does not matter to the
 * value beyond ties. First the optimum for blocks that may be divided, exactly; its prices prove a lower bound
 * (Lagrangian duality), so that the distance from the optimum is known without a solver. Then whole blocks near it.
 */
import { assert } from '../../base/result.ts';
import { type Sliced, whole } from '../../base/slices.ts';
import { flowOf } from './flow.ts';
import { choosePriced } from './prices.ts';
import type { Assignment, AssignProblem } from './problem.ts';
import { improve, roundAt } from './round.ts';
import { layOut, objectiveOf, loadCost as tableLoadCost } from './table.ts';

export type { Assignment, AssignProblem, LoadStep } from './problem.ts';

/**
 * Whole blocks are fitted at these multiples of the prices, until near enough to the bound. At the price itself a link
 * is as content anywhere on a step of its cost; a little below it wants no more than where the step begins.
 */
const factors = [0.995, 1, 0.97, 1.02];
/** Then at prices lowered by up to this share, by each link's own part of it: among equals another one fits better. */
const disorder = [0.005, 0.02, 0.08];
/** Blocks times links that are looked at in all fits together, but five fits at least. */
const cellsInAll = 400_000;
/** Near enough to the bound to try no more. */
const closeEnough = 4e-3;
/** Passes of local improvement. */
const passes = 12;

export const assign = (problem: AssignProblem): Assignment => whole(assignSliced(problem));

export function* assignSliced(problem: AssignProblem): Sliced<Assignment> {
  const { home, demand } = problem;
  assert(home.length === demand.length, 'every block has a home or -1');
  const table = layOut(problem);
  yield;
  const load = new Float64Array(table.links);
  const { price, link: divided } = yield* flowOf(table);
  const bound = choosePriced(table, price, load);
  let best = divided;
  let value = yield* improve(table, best, load, objectiveOf(table, best, load), passes);
  const fits = Math.max(5, Math.floor(cellsInAll / Math.max(1, table.count * table.links)));
  for (let fit = 0; fit < Math.min(40, fits); fit++) {
    if (value - bound <= closeEnough * value) break;
    const rounded = roundAt(table, pricesToFit(price, fit));
    yield;
    const start = objectiveOf(table, rounded, load);
    const other = yield* improve(table, rounded, load, start, passes);
    if (other >= value) continue;
    best = rounded;
    value = other;
  }
  value = objectiveOf(table, best, load);
  const link = new Int32Array(table.count);
  for (let i = 0; i < table.count; i++) link[table.order[i] ?? 0] = best[i] ?? 0;
  return { link, value, lowerBound: Math.max(0, bound) };
}

function pricesToFit(price: Float64Array, fit: number): Float64Array {
  const factor = factors[fit];
  if (factor !== undefined) return price.map((own) => own * factor);
  const share = disorder[fit % disorder.length] ?? 0;
  // Multiples of the golden ratio: as even as chance, and the same on every machine.
  return price.map((own, l) => own * (1 - share * ((0.618034 * (fit * price.length + l)) % 1)));
}

/** The objective of an assignment. */
export function assignmentValue(problem: AssignProblem, link: Int32Array): number {
  const table = layOut(problem);
  const sorted = Int32Array.from(table.order, (b) => link[b] ?? 0);
  return objectiveOf(table, sorted, new Float64Array(table.links));
}

export const loadCost = (problem: AssignProblem, link: number, load: number): number =>
  tableLoadCost(layOut(problem), link, load);
