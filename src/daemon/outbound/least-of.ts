/** The least of the latest cycles: a burst of a counter must not chase traffic away. Knows no clock. */

/** Cycles until a value counts. */
const cycles = 4;

export class LeastOf<K> {
  /** The newest first. */
  #latest: ReadonlyArray<ReadonlyMap<K, number>> = [];

  /** Takes the values of a cycle; 0 for each until there are enough. */
  next(now: ReadonlyMap<K, number>): ReadonlyMap<K, number> {
    this.#latest = [now, ...this.#latest].slice(0, cycles);
    const isReady = this.#latest.length === cycles;
    return new Map(
      [...now.keys()].map((key) => [
        key,
        isReady ? Math.min(...this.#latest.map((values) => values.get(key) ?? 0)) : 0,
      ]),
    );
  }
}
