import { Records } from './records.ts';

/** Stands for "no entry" in chains: entries are numbered from 1. */
export const none = 0;

const hashField = 0;
const nextField = 1;

/**
 * The buckets of a hash table that grows by one bucket at a time (linear hashing; W. Litwin, VLDB 1980), so
 * that an insert costs the same on the millionth entry as on the first: no pause to rehash everything.
 * What an entry is stays with the caller; its hash and the chain are kept here, so that passing over an entry of
 * another hash, or moving one to a new bucket, looks at nothing else.
 */
export class LinearHash {
  readonly #buckets = new Records(1);
  readonly #links = new Records(2);
  #count = 16;
  #lowMask = 15;
  #size = 0;

  constructor() {
    this.#buckets.reserve(this.#count);
  }

  get size(): number {
    return this.#size;
  }

  get byteLength(): number {
    return this.#buckets.byteLength + this.#links.byteLength;
  }

  /** The first entry of this hash, or 0; go on with `after`. */
  first(hash: number): number {
    return this.#seek(this.#buckets.get(this.#bucketOf(hash), 0), hash);
  }

  /** The next entry of the same hash, or 0. */
  after(entry: number): number {
    const chunk = this.#links.chunk(entry);
    const at = this.#links.at(entry);
    return this.#seek(chunk[at + nextField] ?? none, chunk[at + hashField] ?? 0);
  }

  /** `hash` is a signed 32-bit value, as `mix` gives it. */
  insert(entry: number, hash: number): void {
    this.#links.reserve(entry);
    this.#links.set(entry, hashField, hash);
    this.#link(entry, this.#bucketOf(hash));
    this.#size++;
    // One entry per bucket on average.
    if (this.#size > this.#count) this.#split();
  }

  remove(entry: number): void {
    const bucket = this.#bucketOf(this.#links.get(entry, hashField));
    const next = this.#links.get(entry, nextField);
    let at = this.#buckets.get(bucket, 0);
    if (at === entry) this.#buckets.set(bucket, 0, next);
    else {
      while (at !== none && this.#links.get(at, nextField) !== entry)
        at = this.#links.get(at, nextField);
      if (at === none) return;
      this.#links.set(at, nextField, next);
    }
    this.#size--;
  }

  #seek(start: number, hash: number): number {
    let entry = start;
    while (entry !== none) {
      const chunk = this.#links.chunk(entry);
      const at = this.#links.at(entry);
      if (chunk[at + hashField] === hash) return entry;
      entry = chunk[at + nextField] ?? none;
    }
    return none;
  }

  #bucketOf(hash: number): number {
    const wide = hash & (this.#lowMask * 2 + 1);
    return wide < this.#count ? wide : hash & this.#lowMask;
  }

  #link(entry: number, bucket: number): void {
    this.#links.set(entry, nextField, this.#buckets.get(bucket, 0));
    this.#buckets.set(bucket, 0, entry);
  }

  /** Opens one more bucket and moves to it what belongs there. */
  #split(): void {
    const source = this.#count - this.#lowMask - 1;
    this.#buckets.reserve(this.#count);
    this.#count++;
    if (this.#count === this.#lowMask * 2 + 2) this.#lowMask = this.#lowMask * 2 + 1;
    let entry = this.#buckets.get(source, 0);
    this.#buckets.set(source, 0, none);
    while (entry !== none) {
      const chunk = this.#links.chunk(entry);
      const at = this.#links.at(entry);
      const next = chunk[at + nextField] ?? none;
      this.#link(entry, this.#bucketOf(chunk[at + hashField] ?? 0));
      entry = next;
    }
  }
}

/** Spreads a 32-bit value over all its bits (the finaliser of MurmurHash3, public domain). Signed. */
export function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
