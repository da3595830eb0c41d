import { assert } from '../../base/result.ts';

/** A link billed by a percentile: cost = price × charged volume. */
export interface PricedLink {
  readonly capacity: number;
  readonly price: number;
}

export interface CommitPlan {
  /** Volume by link that is not exceeded but in its free samples. */
  readonly commits: readonly number[];
  readonly cost: number;
}

/** Sets of links are tried one by one: 2^K of them. */
export const mostLinks = 6;

/**
 * The cheapest committed volumes for `demands` when each link may exceed its own in `free[k]` samples: the offline
 * optimum under percentile billing. Exact in its test of feasibility (a linear programme over the sets of links that
 * may exceed at once, on the sorted demand); the minimum over the commits is a search from several starts.
 * `floor`: volumes that are owed already. Undefined when even all capacity together does not carry the peak.
 */
export function bound(
  demands: ArrayLike<number>,
  links: readonly PricedLink[],
  free: readonly number[],
  floor: readonly number[] = links.map(() => 0),
): CommitPlan | undefined {
  const carries = feasibility(demands, links);
  const fits = (commits: readonly number[]) => carries(commits, free);
  const full = links.map((link) => link.capacity);
  if (!fits(full)) return undefined;
  const order = links
    .map((_, k) => k)
    .sort((a, b) => (links[b]?.price ?? 0) - (links[a]?.price ?? 0));
  const costOf = (commits: readonly number[]) =>
    commits.reduce((sum, volume, k) => sum + volume * (links[k]?.price ?? 0), 0);
  const shrink = (start: readonly number[], sequence: readonly number[]): number[] => {
    const commits = [...start];
    for (const k of sequence) shrinkOne(commits, k, floor[k] ?? 0, fits);
    return commits;
  };

  const starts = [
    shrink(full, order),
    shrink(full, [...order].reverse()),
    ...links.map((_, k) => shrink(full, [...order.filter((other) => other !== k), k])),
    shrink(scaleDown(full, floor, fits), order),
  ];
  let best: readonly number[] = starts[0] ?? full;
  for (const start of starts) {
    const found = improve(start, links, floor, order, fits, costOf);
    if (costOf(found) < costOf(best)) best = found;
  }
  return { commits: best, cost: costOf(best) };
}

/** The least commits along the line from `floor` to `target` that fit, or undefined when `target` does not fit. */
export function raiseTowards(
  floor: readonly number[],
  target: readonly number[],
  fits: (commits: readonly number[]) => boolean,
): readonly number[] | undefined {
  if (fits(floor)) return floor;
  if (!fits(target)) return undefined;
  let low = 0;
  let high = 1;
  for (let i = 0; i < 14; i++) {
    const middle = (low + high) / 2;
    if (fits(between(floor, target, middle))) high = middle;
    else low = middle;
  }
  return between(floor, target, high);
}

/** A test whether commits fit: every sample above them has a set of links with free samples left that carries it. */
export function feasibility(
  demands: ArrayLike<number>,
  links: readonly PricedLink[],
): (commits: readonly number[], free: readonly number[]) => boolean {
  assert(links.length <= mostLinks, `at most ${mostLinks} links`);
  const sorted = Float64Array.from(demands).sort();
  const count = links.length;
  const peak = sorted.at(-1) ?? 0;
  const every = Array.from({ length: (1 << count) - 1 }, (_, i) => i + 1);

  return (commits, free) => {
    // Links without free samples cannot exceed: sets with them need not be looked at.
    let bursting = 0;
    for (let k = 0; k < count; k++) if ((free[k] ?? 0) > 0) bursting |= 1 << k;
    const sets = every.filter((set) => (set & ~bursting) === 0);
    const calm = commits.reduce((a, b) => a + b, 0);
    if (peak <= calm) return true;
    const carried = sets
      .map((set) => {
        let total = 0;
        for (let k = 0; k < count; k++)
          total += set & (1 << k) ? (links[k]?.capacity ?? 0) : (commits[k] ?? 0);
        return { set, total };
      })
      .sort((a, b) => a.total - b.total);
    const most = carried.at(-1)?.total ?? calm;
    if (peak > most * (1 + 1e-12)) return false;
    // Samples that need at least the set at this place of the order.
    const needed: number[] = [];
    let below = countAtMost(sorted, calm);
    for (const { total } of carried) {
      const upTo = total >= most ? sorted.length : countAtMost(sorted, total);
      needed.push(Math.max(0, upTo - below));
      below = Math.max(below, upTo);
    }
    return (
      leastStrain(
        carried.map(({ set }) => set),
        needed,
        free,
      ) <=
      1 + 1e-9
    );
  };
}

/**
 * The least factor by which all free samples would have to grow for the needs to be met: the dual linear programme,
 * max Σ needed[j]·z[j] with z[j] ≤ w(S_l) for all l ≥ j and Σ w[k]·free[k] ≤ 1. Its slack basis is feasible, so
 * one phase of the simplex method suffices; Bland's rule, since almost all right-hand sides are 0.
 */
function leastStrain(
  sets: readonly number[],
  needed: readonly number[],
  free: readonly number[],
): number {
  const rows = sets.length + 1;
  const zs = sets.length;
  const count = free.length;
  // z[j] is written as the sum of steps y[0..j], which are ≥ 0: then row l is Σ_{i≤l} y[i] − w(S_l) ≤ 0.
  const columns = zs + count;
  const width = columns + rows + 1;
  const table = new Float64Array((rows + 1) * width);
  const basis = new Int32Array(rows);
  for (let row = 0; row < zs; row++) {
    for (let i = 0; i <= row; i++) table[row * width + i] = 1;
    for (let k = 0; k < count; k++)
      if ((sets[row] ?? 0) & (1 << k)) table[row * width + zs + k] = -1;
  }
  for (let k = 0; k < count; k++) table[(rows - 1) * width + zs + k] = free[k] ?? 0;
  table[rows * width - 1] = 1;
  for (let row = 0; row < rows; row++) {
    table[row * width + columns + row] = 1;
    basis[row] = columns + row;
  }
  let remaining = needed.reduce((a, b) => a + b, 0);
  for (let i = 0; i < zs; i++) {
    table[rows * width + i] = -remaining;
    remaining -= needed[i] ?? 0;
  }
  for (let step = 0; step < 500; step++) {
    let entering = -1;
    for (let column = 0; column < width - 1; column++) {
      if ((table[rows * width + column] ?? 0) < -1e-9) {
        entering = column;
        break;
      }
    }
    if (entering < 0) return table[rows * width + width - 1] ?? 0;
    let leaving = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let row = 0; row < rows; row++) {
      const pivot = table[row * width + entering] ?? 0;
      if (pivot <= 1e-9) continue;
      const ratio = (table[row * width + width - 1] ?? 0) / pivot;
      const isEarlier = leaving >= 0 && (basis[row] ?? 0) < (basis[leaving] ?? 0);
      if (ratio < least - 1e-12 || (ratio <= least + 1e-12 && isEarlier)) {
        least = Math.min(least, ratio);
        leaving = row;
      }
    }
    if (leaving < 0) return Number.POSITIVE_INFINITY;
    pivotOn(table, width, rows, leaving, entering);
    basis[leaving] = entering;
    // Already more than there is: by how much does not matter.
    if ((table[rows * width + width - 1] ?? 0) > 1.0001) return Number.POSITIVE_INFINITY;
  }
  return Number.POSITIVE_INFINITY;
}

function pivotOn(
  table: Float64Array,
  width: number,
  rows: number,
  leaving: number,
  entering: number,
): void {
  const from = leaving * width;
  const pivot = table[from + entering] ?? 1;
  for (let column = 0; column < width; column++)
    table[from + column] = (table[from + column] ?? 0) / pivot;
  for (let row = 0; row <= rows; row++) {
    if (row === leaving) continue;
    const factor = table[row * width + entering] ?? 0;
    if (factor === 0) continue;
    for (let column = 0; column < width; column++)
      table[row * width + column] =
        (table[row * width + column] ?? 0) - factor * (table[from + column] ?? 0);
  }
}

/** Moves volume between links in ever smaller steps while that is cheaper. */
function improve(
  start: readonly number[],
  links: readonly PricedLink[],
  floor: readonly number[],
  order: readonly number[],
  fits: (commits: readonly number[]) => boolean,
  costOf: (commits: readonly number[]) => number,
): readonly number[] {
  let best = [...start];
  let cost = costOf(best);
  const scale = best.reduce((a, b) => a + b, 0);
  for (let step = scale / 4; step > scale / 1000; step /= 2) {
    for (let k = 0; k < links.length; k++) {
      const raised = [...best];
      raised[k] = Math.min(links[k]?.capacity ?? 0, (raised[k] ?? 0) + step);
      if (raised[k] === best[k]) continue;
      for (const other of order) if (other !== k) shrinkOne(raised, other, floor[other] ?? 0, fits);
      if (costOf(raised) < cost - 1e-9 * scale) {
        best = raised;
        cost = costOf(best);
      }
    }
  }
  for (const k of order) shrinkOne(best, k, floor[k] ?? 0, fits);
  return best;
}

/** Lowers one commit, in place, as far as the rest still fits. */
function shrinkOne(
  commits: number[],
  k: number,
  floor: number,
  fits: (commits: readonly number[]) => boolean,
): void {
  const start = commits[k] ?? 0;
  commits[k] = floor;
  if (fits(commits)) return;
  let low = floor;
  let high = start;
  for (let i = 0; i < 13 && high - low > 1e-5 * start; i++) {
    commits[k] = (low + high) / 2;
    if (fits(commits)) high = commits[k] ?? high;
    else low = commits[k] ?? low;
  }
  commits[k] = high;
}

function scaleDown(
  full: readonly number[],
  floor: readonly number[],
  fits: (commits: readonly number[]) => boolean,
): readonly number[] {
  return raiseTowards(floor, full, fits) ?? full;
}

const between = (a: readonly number[], b: readonly number[], share: number): number[] =>
  a.map((value, i) => value + ((b[i] ?? 0) - value) * share);

/** Samples at or below `limit`; `sorted` ascends. */
export function countAtMost(sorted: Float64Array, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
