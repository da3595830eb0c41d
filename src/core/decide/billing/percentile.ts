import { assert } from '../../base/result.ts';

/**
 * Samples that a percentile leaves free: the highest `100 - percentile` percent, rounded down, as providers do
 * (432 of the 8,640 samples of a 30-day month at the 95th).
 */
export function freeSamples(count: number, percentile: number): number {
  assert(percentile > 0 && percentile <= 100, 'a percentile is above 0 and at most 100');
  // In integers of a ten-thousandth, so that 5 % of 8,640 is 432 and not 431.99…
  return Math.floor((count * Math.round((100 - percentile) * 10_000)) / 1_000_000);
}

/** The highest sample that is charged; 0 without samples. Selects instead of sorting. */
export function chargedSample(samples: ArrayLike<number>, percentile: number): number {
  const count = samples.length;
  if (count === 0) return 0;
  return kthLargest(Float64Array.from(samples), freeSamples(count, percentile));
}

/** The value at index `k` of `values` in descending order. Reorders `values`. */
export function kthLargest(values: Float64Array, k: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    // The median of three keeps sorted input from being the worst case.
    const pivot = medianOfThree(
      values[low] ?? 0,
      values[(low + high) >> 1] ?? 0,
      values[high] ?? 0,
    );
    let i = low;
    let j = high;
    while (i <= j) {
      while ((values[i] ?? 0) > pivot) i++;
      while ((values[j] ?? 0) < pivot) j--;
      if (i <= j) {
        const swapped = values[i] ?? 0;
        values[i] = values[j] ?? 0;
        values[j] = swapped;
        i++;
        j--;
      }
    }
    if (k <= j) high = j;
    else if (k >= i) low = i;
    else break;
  }
  return values[k] ?? 0;
}

const medianOfThree = (a: number, b: number, c: number): number =>
  Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
