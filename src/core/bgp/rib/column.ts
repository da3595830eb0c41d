/** Entries per chunk. A chunk is small enough to be made without a noticeable pause. */
const chunkBits = 14;
const chunkSize = 1 << chunkBits;
const chunkMask = chunkSize - 1;

/** A growing column of 32-bit values that never copies what it holds: growth costs one chunk. */
export class Column32 {
  readonly #chunks: Uint32Array[] = [];

  get capacity(): number {
    return this.#chunks.length * chunkSize;
  }

  get byteLength(): number {
    return this.#chunks.length * chunkSize * 4;
  }

  get(index: number): number {
    return this.#chunks[index >>> chunkBits]?.[index & chunkMask] ?? 0;
  }

  set(index: number, value: number): void {
    while (index >= this.capacity) this.#chunks.push(new Uint32Array(chunkSize));
    const chunk = this.#chunks[index >>> chunkBits];
    if (chunk) chunk[index & chunkMask] = value;
  }
}

/** The same for octets. */
export class Column8 {
  readonly #chunks: Uint8Array[] = [];

  get byteLength(): number {
    return this.#chunks.length * chunkSize;
  }

  get(index: number): number {
    return this.#chunks[index >>> chunkBits]?.[index & chunkMask] ?? 0;
  }

  set(index: number, value: number): void {
    while (index >= this.byteLength) this.#chunks.push(new Uint8Array(chunkSize));
    const chunk = this.#chunks[index >>> chunkBits];
    if (chunk) chunk[index & chunkMask] = value;
  }
}
