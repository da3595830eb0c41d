import type { PricedLink } from './bound.ts';

/**
 * How demand may differ from its forecast, as factors on what is still to come. The samples that were used up to now
 * must not have made a later retreat expensive under any of them. From 0.85 to 1.5, close together: spent samples of
 * a dear link only cost where the demand just does not fit the cheaper ones any more.
 */
const surprises = Array.from({ length: 39 }, (_, i) => 0.85 * 1.015 ** i);
/** A retreat may cost this share more than having been cheapest-first all along. */
const tolerated = 0.001;

/** Links by price, cheapest first; among equals the first given. */
export function cheapestOrder(links: readonly PricedLink[]): readonly number[] {
  return links
    .map((_, k) => k)
    .sort((a, b) => (links[a]?.price ?? 0) - (links[b]?.price ?? 0) || a - b);
}

/** Volume by link when each is filled to its limit before the next dearer one; what is above all limits is left out. */
export function fillInOrder(
  order: readonly number[],
  limits: readonly number[],
  demand: number,
): number[] {
  const volumes = limits.map(() => 0);
  let rest = demand;
  for (const k of order) {
    const own = Math.min(rest, limits[k] ?? 0);
    volumes[k] = own;
    rest -= own;
  }
  return volumes;
}

/** What may happen before the question is asked again: samples above `calm` burst on the dearest links, others fill the commits. */
export interface Ahead {
  readonly samples: number;
  readonly calm: number;
  readonly commits: readonly number[];
}

/**
 * Whether filling the cheapest links first from now on would still end with about the bill of having done so all
 * along, for the forecast and for less and more demand than that. While this holds nothing is at stake; a policy that
 * spends free samples only while it holds can always go back.
 * What may be spent before it is asked again counts as spent.
 * `volumes`: by sample and link, what the period has seen; `forecast`: the demands that are still to come.
 */
export function canRetreat(
  links: readonly PricedLink[],
  free: number,
  volumes: ReadonlyArray<readonly number[]>,
  forecast: Float64Array,
  ahead: Ahead = { samples: 0, calm: 0, commits: [] },
): boolean {
  const order = cheapestOrder(links);
  const dearestFirst = [...order].reverse();
  const limits = links.map((link) => link.capacity);
  // What is charged is one of the largest samples: more of them need not be looked at.
  const most = free + 1;
  const filled = volumes.map((carried) => fillInOrder(order, limits, sumOf(carried)));
  const ownBefore = links.map((_, k) =>
    largest(
      volumes.map((sample) => sample[k] ?? 0),
      most,
    ),
  );
  const cheapestBefore = links.map((_, k) =>
    largest(
      filled.map((sample) => sample[k] ?? 0),
      most,
    ),
  );
  const soon = forecast.subarray(0, ahead.samples);
  const later = largest(forecast.subarray(ahead.samples), most);
  return surprises.every((surprise) => {
    const spent = Array.from(soon, (value) => {
      const demand = value * surprise;
      return demand > ahead.calm
        ? fillInOrder(dearestFirst, limits, demand)
        : fillInOrder(order, ahead.commits, demand);
    });
    const instead = Array.from(soon, (value) => fillInOrder(order, limits, value * surprise));
    // The more demand, the more on each link: the largest of these are the largest of every link.
    const rest = Array.from(later, (value) => fillInOrder(order, limits, value * surprise));
    const costOf = (before: readonly Float64Array[], next: ReadonlyArray<readonly number[]>) =>
      links.reduce((sum, { price }, k) => {
        const at = (sample: readonly number[]) => sample[k] ?? 0;
        const then = largest(next.map(at), most);
        return sum + price * atRank(free, [before[k] ?? then, then, rest.map(at)]);
      }, 0);
    return costOf(ownBefore, spent) <= costOf(cheapestBefore, instead) * (1 + tolerated);
  });
}

const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The largest so many, in descending order. */
function largest(values: ArrayLike<number>, most: number): Float64Array {
  const sorted = Float64Array.from(values).sort();
  return sorted.subarray(Math.max(0, sorted.length - most)).reverse();
}

/** The value at this place of all lists together, each in descending order; 0 behind their end. */
function atRank(rank: number, lists: ReadonlyArray<ArrayLike<number>>): number {
  const next = lists.map(() => 0);
  for (let place = 0; ; place++) {
    let best = -1;
    let value = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < lists.length; i++) {
      const own = lists[i]?.[next[i] ?? 0];
      if (own === undefined || own <= value) continue;
      value = own;
      best = i;
    }
    if (best < 0) return 0;
    if (place === rank) return value;
    next[best] = (next[best] ?? 0) + 1;
  }
}

/** How much more demand than forecast may come that the free samples of dear links are kept for. */
const surge = 1.3;

/**
 * Free samples per link that filling the cheapest links first would need for what is to come, a surge of all of it
 * included: these are not there to be spent.
 */
export function reservedSamples(
  links: readonly PricedLink[],
  forecast: Float64Array,
): readonly number[] {
  const reserved = links.map(() => 0);
  let cheaper = 0;
  for (const [place, k] of cheapestOrder(links).entries()) {
    if (place > 0)
      reserved[k] = forecast.reduce((n, own) => n + (own * surge > cheaper ? 1 : 0), 0);
    cheaper += links[k]?.capacity ?? 0;
  }
  return reserved;
}
