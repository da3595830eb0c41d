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
      fillAt(cheapest, t, order, limits, demand);
      if (t >= done + ahead.samples) fillAt(own, t, order, limits, demand);
      else if (demand > ahead.calm) fillAt(own, t, dearestFirst, limits, demand);
      else fillAt(own, t, order, ahead.commits, demand);
    }
    return costOf(links, free, own) <= costOf(links, free, cheapest) * (1 + tolerated);
  });
}

/** `fillInOrder` of one sample into the series of the links: this is the innermost of some hundred thousand steps. */
function fillAt(
  series: readonly Float64Array[],
  t: number,
  order: readonly number[],
  limits: readonly number[],
  demand: number,
): void {
  let rest = demand;
  for (const k of order) {
    const volume = Math.min(rest, limits[k] ?? 0);
    rest -= volume;
    setAt(series, k, t, volume);
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
