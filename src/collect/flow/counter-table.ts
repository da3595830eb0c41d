/** What was counted under one key in one interval, scaled by sampling. */
export interface Volume {
  readonly ipBytes: number;
  readonly l2Bytes: number;
  readonly packets: number;
  readonly records: number;
  /** Half the width of the 95 % interval around `l2Bytes`, relative to it; 0 where nothing was sampled. */
  readonly errorRatio: number;
}

/** Numbers per slot of the flat array. */
const stride = 5;

/** Counters by number key: a map to slots of one flat array, so that adding allocates nothing. */
export class CounterTable {
  readonly #slots = new Map<number, number>();
  #counters = new Float64Array(64 * stride);

  readonly #keysMax: number;

  constructor(keysMax = Number.POSITIVE_INFINITY) {
    this.#keysMax = keysMax;
  }

  /** Returns how often the key was counted in this interval, this time included; 0 when the table is full. */
  add(key: number, ipBytes: number, l2Bytes: number, packets: number, scale: number): number {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      if (this.#slots.size >= this.#keysMax) return 0;
      slot = this.#claim(key);
    }
    const counters = this.#counters;
    counters[slot] = (counters[slot] ?? 0) + ipBytes * scale;
    counters[slot + 1] = (counters[slot + 1] ?? 0) + l2Bytes * scale;
    counters[slot + 2] = (counters[slot + 2] ?? 0) + packets * scale;
    const seen = (counters[slot + 3] ?? 0) + 1;
    counters[slot + 3] = seen;
    if (scale > 1 && packets > 0) {
      // Each of n packets of mean size s, taken with probability 1/N, adds N(N-1)s² to the variance of the sum.
      const variance = scale * (scale - 1) * ((l2Bytes * l2Bytes) / packets);
      counters[slot + 4] = (counters[slot + 4] ?? 0) + variance;
    }
    return seen;
  }

  /** Gives each key to `shape`, in the order of first appearance, and empties the table. */
  drain<T>(shape: (key: number, volume: Volume) => T): T[] {
    const shaped: T[] = [];
    for (const [key, slot] of this.#slots) {
      const [ipBytes = 0, l2Bytes = 0, packets = 0, records = 0, variance = 0] =
        this.#counters.subarray(slot, slot + stride);
      const errorRatio = l2Bytes > 0 ? (1.96 * Math.sqrt(variance)) / l2Bytes : 0;
      shaped.push(shape(key, { ipBytes, l2Bytes, packets, records, errorRatio }));
    }
    this.clear();
    return shaped;
  }

  clear(): void {
    this.#counters.fill(0, 0, this.#slots.size * stride);
    this.#slots.clear();
  }

  #claim(key: number): number {
    const slot = this.#slots.size * stride;
    if (slot + stride > this.#counters.length) {
      const grown = new Float64Array(this.#counters.length * 2);
      grown.set(this.#counters);
      this.#counters = grown;
    }
    this.#slots.set(key, slot);
    return slot;
  }
}
