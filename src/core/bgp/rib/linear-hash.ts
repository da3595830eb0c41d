import { Column32 } from './column.ts';

/** Stands for "no entry" in chains: entries are numbered from 1. */
export const none = 0;

/**
 * The buckets of a hash table that grows by one bucket at a time (linear hashing; W. Litwin, VLDB 1980), so
 * that an insert costs the same on the millionth entry as on the first: no pause to rehash everything.
 * Entries live with the caller, who tells each one's hash; chains run through `next`.
 */
export class LinearHash {
  readonly #buckets = new Column32();
  readonly #next = new Column32();
  readonly #hashOf: (entry: number) => number;
  #count = 16;
  #lowMask = 15;
  #size = 0;

  constructor(hashOf: (entry: number) => number) {
    this.#hashOf = hashOf;
  }

  get size(): number {
    return this.#size;
  }

  get byteLength(): number {
    return this.#buckets.byteLength + this.#next.byteLength;
  }

  /** The first entry whose hash may be `hash`; go on with `after`. */
  first(hash: number): number {
    return this.#buckets.get(this.#bucketOf(hash));
  }

  after(entry: number): number {
    return this.#next.get(entry);
  }

  insert(entry: number, hash: number): void {
    this.#link(entry, this.#bucketOf(hash));
    this.#size++;
    // One entry per bucket on average.
    if (this.#size > this.#count) this.#split();
  }

  remove(entry: number, hash: number): void {
    const bucket = this.#bucketOf(hash);
    let at = this.#buckets.get(bucket);
    if (at === entry) {
      this.#buckets.set(bucket, this.#next.get(entry));
    } else {
      while (at !== none && this.#next.get(at) !== entry) at = this.#next.get(at);
      if (at === none) return;
      this.#next.set(at, this.#next.get(entry));
    }
    this.#size--;
  }

  #bucketOf(hash: number): number {
    const wide = hash & (this.#lowMask * 2 + 1);
    return wide < this.#count ? wide : hash & this.#lowMask;
  }

  #link(entry: number, bucket: number): void {
    this.#next.set(entry, this.#buckets.get(bucket));
    this.#buckets.set(bucket, entry);
  }

  /** Opens one more bucket and moves to it what belongs there. */
  #split(): void {
    const source = this.#count - this.#lowMask - 1;
    this.#count++;
    if (this.#count === this.#lowMask * 2 + 2) this.#lowMask = this.#lowMask * 2 + 1;
    let entry = this.#buckets.get(source);
    this.#buckets.set(source, none);
    while (entry !== none) {
      const next = this.#next.get(entry);
      this.#link(entry, this.#bucketOf(this.#hashOf(entry)));
      entry = next;
    }
  }
}

/** Spreads a 32-bit value over all its bits (the finaliser of MurmurHash3, public domain). */
export function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
