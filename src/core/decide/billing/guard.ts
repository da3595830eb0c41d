import type { PricedLink } from './bound.ts';
import { kthLargest } from './percentile.ts';

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

/** What may be spent before the question is asked again: every sample above `calm`, on the dearest links. */
export interface Ahead {
  readonly samples: number;
  readonly calm: number;
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
  ahead: Ahead = { samples: 0, calm: Number.POSITIVE_INFINITY },
): boolean {
  const order = cheapestOrder(links);
  const dearestFirst = [...order].reverse();
  const limits = links.map((link) => link.capacity);
  const done = volumes.length;
  const length = done + forecast.length;
  const own = links.map(() => new Float64Array(length));
  const cheapest = links.map(() => new Float64Array(length));
  for (let t = 0; t < done; t++) {
    const carried = volumes[t] ?? [];
    const filled = fillInOrder(
      order,
      limits,
      carried.reduce((a, b) => a + b, 0),
    );
    for (let k = 0; k < links.length; k++) {
      setAt(own, k, t, carried[k]);
      setAt(cheapest, k, t, filled[k]);
    }
  }
  return surprises.every((surprise) => {
    for (let t = done; t < length; t++) {
      const demand = (forecast[t - done] ?? 0) * surprise;
      const filled = fillInOrder(order, limits, demand);
      const isBurst = t < done + ahead.samples && demand > ahead.calm;
      const spent = isBurst ? fillInOrder(dearestFirst, limits, demand) : filled;
      for (let k = 0; k < links.length; k++) {
        setAt(own, k, t, spent[k]);
        setAt(cheapest, k, t, filled[k]);
      }
    }
    return costOf(links, free, own) <= costOf(links, free, cheapest) * (1 + tolerated);
  });
}

function setAt(series: readonly Float64Array[], k: number, t: number, value = 0): void {
  const own = series[k];
  if (own) own[t] = value;
}

function costOf(
  links: readonly PricedLink[],
  free: number,
  series: readonly Float64Array[],
): number {
  return links.reduce(
    (sum, { price }, k) => sum + price * kthLargest(Float64Array.from(series[k] ?? []), free),
    0,
  );
}
