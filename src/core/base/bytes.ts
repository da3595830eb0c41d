import { err, ok, type Result } from './result.ts';

/** Bytes ended before the value did. `offset` counts from the start of the outermost buffer. */
export interface ShortRead {
  readonly code: 'short_read';
  readonly offset: number;
  readonly wanted: number;
  readonly available: number;
}

/**
 * A cursor over big-endian bytes that never reads past its end.
 * A read past the end gives 0 and latches `isShort`, so that a decoder reads a whole structure
 * and checks once; `shortRead()` tells where it went wrong.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** Offset of `bytes[0]` in the outermost buffer: the place that errors name. */
  readonly base: number;
  offset = 0;
  #short: ShortRead | undefined;

  constructor(bytes: Uint8Array, base = 0) {
    this.bytes = bytes;
    this.base = base;
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  /** Where the cursor stands, counted from the start of the outermost buffer. */
  get position(): number {
    return this.base + this.offset;
  }

  get isShort(): boolean {
    return this.#short !== undefined;
  }

  shortRead(): ShortRead | undefined {
    return this.#short;
  }

  u8(): number {
    if (!this.#claim(1)) return 0;
    return this.bytes[this.offset - 1] ?? 0;
  }

  u16(): number {
    if (!this.#claim(2)) return 0;
    const at = this.offset - 2;
    return ((this.bytes[at] ?? 0) << 8) | (this.bytes[at + 1] ?? 0);
  }

  u24(): number {
    return (this.u8() << 16) | this.u16();
  }

  u32(): number {
    const high = this.u16();
    return high * 65536 + this.u16();
  }

  u64(): bigint {
    const high = this.u32();
    return (BigInt(high) << 32n) | BigInt(this.u32());
  }

  /** A view of the next `length` bytes, not a copy; empty when they are not all there. */
  take(length: number): Uint8Array {
    if (!this.#claim(length)) return new Uint8Array(0);
    return this.bytes.subarray(this.offset - length, this.offset);
  }

  /** A reader of its own over the next `length` bytes, with offsets that still name the outermost place. */
  sub(length: number): ByteReader {
    const base = this.position;
    return new ByteReader(this.take(length), base);
  }

  skip(length: number): void {
    this.#claim(length);
  }

  /** The result of a decoder that has read its fields: `value`, or where the bytes ended. */
  finish<T>(value: T): Result<T, ShortRead> {
    return this.#short ? err(this.#short) : ok(value);
  }

  #claim(length: number): boolean {
    if (length < 0 || length > this.remaining) {
      this.#short ??= {
        code: 'short_read',
        offset: this.position,
        wanted: length,
        available: this.remaining,
      };
      this.offset = this.bytes.length;
      return false;
    }
    this.offset += length;
    return true;
  }
}

/** Builds big-endian bytes in a buffer that grows by doubling. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    this.#bytes[this.#length++] = value >>> 8;
    this.#bytes[this.#length++] = value;
    return this;
  }

  u32(value: number): this {
    return this.u16(Math.floor(value / 65536) & 0xffff).u16(value & 0xffff);
  }

  u64(value: bigint): this {
    return this.u32(Number((value >> 32n) & 0xffffffffn)).u32(Number(value & 0xffffffffn));
  }

  put(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Writes over two bytes already written: for lengths known only afterwards. */
  patchU16(offset: number, value: number): this {
    this.#bytes[offset] = value >>> 8;
    this.#bytes[offset + 1] = value;
    return this;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(extra: number): void {
    const wanted = this.#length + extra;
    if (wanted <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
