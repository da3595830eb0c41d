/** Records per chunk. A chunk is zeroed by the system as it is touched: making one takes no noticeable time. */
const chunkBits = 16;
const chunkMask = (1 << chunkBits) - 1;
const nothing = new Int32Array(0);

/**
 * A growing array of records of a few 32-bit words, which never copies what it holds. The words of a record are
 * neighbours, so that looking at one of a million costs one visit to memory and not one per field: hot loops ask
 * for `chunk` and `at` once and read `chunk[at + field]`. Words are signed, which this language's engine keeps
 * unboxed; `>>> 0` gives the unsigned value where it matters.
 */
export class Records {
  readonly #words: number;
  readonly #chunks: Int32Array[] = [];
  #end = 0;

  constructor(words: number) {
    this.#words = words;
  }

  /** Bytes up to the last record that was made room for. */
  get byteLength(): number {
    return this.#end * this.#words * 4;
  }

  /** Makes room for record `index`: all zero at first. */
  reserve(index: number): void {
    if (index < this.#end) return;
    this.#end = index + 1;
    while (index >> chunkBits >= this.#chunks.length)
      this.#chunks.push(new Int32Array(this.#words << chunkBits));
  }

  /** The chunk that holds record `index`; empty when no room was made for it. */
  chunk(index: number): Int32Array {
    return this.#chunks[index >> chunkBits] ?? nothing;
  }

  /** The place of record `index` in its chunk. */
  at(index: number): number {
    return (index & chunkMask) * this.#words;
  }

  get(index: number, field: number): number {
    return this.chunk(index)[this.at(index) + field] ?? 0;
  }

  set(index: number, field: number, value: number): void {
    this.chunk(index)[this.at(index) + field] = value;
  }
}
