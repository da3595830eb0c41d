/** How fast traffic grows, so that links are relieved before it has: averages tell of the past, and a decision acts later. */

interface Reading {
  readonly at: number;
  readonly rate: number;
}

/** A burst that doubles the traffic is no forecast of the next one. */
const mostGrowth = 1.25;

export class Growth {
  /** The latest, newest first. */
  #readings: readonly Reading[] = [];
  #restsUntil = Number.NEGATIVE_INFINITY;

  /** What is counted from now on was not before: until then rates grow by that alone. */
  rest(until: number): void {
    this.#readings = [];
    this.#restsUntil = until;
  }

  /**
   * The factor by which the rate will have grown `leadMs` after its middle, at least 1. Only growth that lasted over two
   * steps counts, and of these the slower: one cycle's burst is none. `at` in ms on any one clock.
   */
  of(rate: number, at: number, leadMs: number): number {
    const [before, earlier] = this.#readings;
    if (at < this.#restsUntil || (before && at <= before.at)) return 1;
    this.#readings = [{ at, rate }, ...this.#readings].slice(0, 2);
    if (!before || !earlier || rate <= 0) return 1;
    const slope = Math.min(
      (rate - before.rate) / (at - before.at),
      (before.rate - earlier.rate) / (before.at - earlier.at),
    );
    return Math.min(mostGrowth, Math.max(1, 1 + (slope * leadMs) / rate));
  }
}
