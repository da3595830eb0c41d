/** Outbound policies: a sample of 5 minutes is steered ten times, each time by what was measured the time before. */
import { bound, feasibility, type PricedLink } from '../../../src/core/decide/billing/bound.ts';
import {
  allot,
  beginPacing,
  endSample,
  type Pacing,
  repace,
} from '../../../src/core/decide/billing/pacing.ts';
import { chargedSample, freeSamples } from '../../../src/core/decide/billing/percentile.ts';
import { samplesPerDay } from '../../../src/core/simulate/demand.ts';
import { normal, seeded } from '../../../src/core/simulate/random.ts';

export const percentile = 95;
/** Steering steps within a sample: a cycle of 30 s. */
const steps = 10;
/** Relative size of the noise between the steps of one sample. */
const stepNoise = 0.02;

export interface Series {
  readonly history: Float64Array;
  readonly scored: Float64Array;
  readonly seed: number;
}

/** Splits what is left of a sample; `demand` is the expected mean of the whole sample. */
export interface Splitter {
  begin(sample: number): void;
  split(demand: number, progress: number): readonly number[];
  end(sample: number, volumes: readonly number[]): void;
}

/** The cost of a policy over the scored half. */
export function runOutbound(
  series: Series,
  links: readonly PricedLink[],
  policy: Splitter,
): number {
  const random = seeded(series.seed ^ 0x5eed);
  const perLink = links.map(() => new Float64Array(series.scored.length));
  let last = series.history.at(-1) ?? 0;
  for (let t = 0; t < series.scored.length; t++) {
    policy.begin(t);
    const volumes = links.map(() => 0);
    let total = 0;
    for (let step = 0; step < steps; step++) {
      const expected = (total + last * (steps - step)) / steps;
      const now = (series.scored[t] ?? 0) * (1 + stepNoise * normal(random));
      const wanted = policy.split(expected, step / (steps - 1));
      const shares = remaining(wanted, volumes, expected, steps - step);
      const placed = place(shares, now, links);
      for (let k = 0; k < links.length; k++) volumes[k] = (volumes[k] ?? 0) + (placed[k] ?? 0);
      total += now;
      last = now;
    }
    const means = volumes.map((volume) => volume / steps);
    policy.end(t, means);
    for (let k = 0; k < links.length; k++) {
      const series = perLink[k];
      if (series) series[t] = means[k] ?? 0;
    }
  }
  return links.reduce(
    (sum, link, k) => sum + link.price * chargedSample(perLink[k] ?? [], percentile),
    0,
  );
}

/** Shares for the next step such that the whole sample ends as `wanted` says, as far as it still can. */
function remaining(
  wanted: readonly number[],
  volumes: readonly number[],
  expected: number,
  stepsLeft: number,
): readonly number[] {
  const missing = wanted.map((share, k) =>
    Math.max(0, share * expected * steps - (volumes[k] ?? 0)),
  );
  const sum = missing.reduce((a, b) => a + b, 0);
  if (sum <= 0 || stepsLeft <= 0) return wanted;
  return missing.map((value) => value / sum);
}

/** What each link carries of one step: no more than its capacity, the rest by those with room. */
function place(shares: readonly number[], now: number, links: readonly PricedLink[]): number[] {
  const placed = shares.map((share, k) => Math.min(share * now, links[k]?.capacity ?? 0));
  let rest = now - placed.reduce((a, b) => a + b, 0);
  for (let k = 0; k < links.length && rest > 1e-9; k++) {
    const more = Math.min(rest, (links[k]?.capacity ?? 0) - (placed[k] ?? 0));
    placed[k] = (placed[k] ?? 0) + more;
    rest -= more;
  }
  return placed;
}

const idle = { begin: () => undefined, end: () => undefined };

export function equalSplit(links: readonly PricedLink[]): Splitter {
  return { ...idle, split: () => links.map(() => 1 / links.length) };
}

/** Fills the cheapest link to its capacity, then the next. */
export function cheapestFirst(links: readonly PricedLink[]): Splitter {
  const order = links
    .map((_, k) => k)
    .sort((a, b) => (links[a]?.price ?? 0) - (links[b]?.price ?? 0));
  return {
    ...idle,
    split: (demand) => {
      const shares = links.map(() => 0);
      let rest = demand;
      for (const k of order) {
        const own = Math.min(rest, links[k]?.capacity ?? 0);
        shares[k] = demand > 0 ? own / demand : 0;
        rest -= own;
      }
      return shares;
    },
  };
}

/**
 * The idea of Cascara's online policy (NSDI 2021), re-implemented: a fraction of all capacity in ordinary use,
 * packed cheapest first; above it, links with the fewest used free samples are filled to capacity, in turn; the
 * fraction grows when free samples run out faster than time.
 */
export function cascaraIdea(history: Float64Array, links: readonly PricedLink[]): Splitter {
  const total = links.reduce((sum, link) => sum + link.capacity, 0);
  const free = freeSamples(history.length, percentile);
  const order = links
    .map((_, k) => k)
    .sort((a, b) => (links[a]?.price ?? 0) - (links[b]?.price ?? 0));
  const commitsOf = (fraction: number): number[] => {
    const commits = links.map(() => 0);
    let rest = fraction * total;
    for (const k of order) {
      commits[k] = Math.min(rest, links[k]?.capacity ?? 0);
      rest -= commits[k] ?? 0;
    }
    return commits;
  };
  const carries = feasibility(history, links);
  const fits = (commits: readonly number[]) =>
    carries(
      commits,
      links.map(() => free),
    );
  let fraction = 0;
  while (fraction < 1 && !fits(commitsOf(fraction))) fraction += 0.005;
  let left = links.map(() => free);
  let bursting = new Set<number>();
  return {
    begin: (t) => {
      bursting = new Set();
      const spare = left.reduce((a, b) => a + b, 0);
      const due = free * links.length * (1 - t / history.length);
      if (t > 0 && t % samplesPerDay === 0 && spare < due) fraction = Math.min(1, fraction + 0.01);
    },
    split: (demand) => {
      const commits = commitsOf(fraction);
      const carried = () =>
        commits.reduce(
          (sum, own, k) => sum + (bursting.has(k) ? (links[k]?.capacity ?? 0) : own),
          0,
        );
      while (carried() < demand) {
        const next = links
          .map((_, k) => k)
          .filter((k) => !bursting.has(k) && (left[k] ?? 0) > 0)
          .sort((a, b) => (left[b] ?? 0) - (left[a] ?? 0))[0];
        if (next !== undefined) bursting.add(next);
        else {
          fraction = Math.min(1, fraction + 0.01);
          if (fraction >= 1) break;
          for (const [k, own] of commitsOf(fraction).entries()) commits[k] = own;
        }
      }
      const volumes = links.map(() => 0);
      let rest = demand;
      for (const k of [...bursting, ...order.filter((k) => !bursting.has(k))]) {
        const own = Math.min(rest, bursting.has(k) ? (links[k]?.capacity ?? 0) : (commits[k] ?? 0));
        volumes[k] = own;
        rest -= own;
      }
      return volumes.map((own) => (demand > 0 ? own / demand : 0));
    },
    end: () => {
      left = left.map((count, k) => (bursting.has(k) ? Math.max(0, count - 1) : count));
    },
  };
}

/** Ours: commits from the offline optimum of history, paced by a forecast that follows the level. */
export function paced(series: Series, links: readonly PricedLink[]): Splitter {
  const { history } = series;
  const free = freeSamples(history.length, percentile);
  let pacing: Pacing = beginPacing(history, links, free);
  let bursting = 0;
  return {
    begin: (t) => {
      bursting = 0;
      if (t > 0 && t % 12 === 0) pacing = repace(pacing, history);
    },
    split: (demand, progress) => {
      const allotted = allot(pacing, demand, bursting, progress);
      bursting = allotted.bursting;
      return allotted.shares;
    },
    end: (_, volumes) => {
      pacing = endSample(pacing, volumes);
    },
  };
}

export function offline(series: Series, links: readonly PricedLink[]): number {
  const free = freeSamples(series.scored.length, percentile);
  const plan = bound(
    series.scored,
    links,
    links.map(() => free),
  );
  return plan?.cost ?? Number.NaN;
}
