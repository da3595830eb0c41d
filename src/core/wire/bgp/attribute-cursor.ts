import { attributeFlag } from './codes.ts';

/**
 * Goes over the attributes of a block from header to header (RFC 4271 section 4.3), without an object for each: made
 * once and opened again and again. What it says of a value is its place.
 */
export class AttributeCursor {
  flags = 0;
  type = 0;
  /** Where the header begins, the value, and where the value ends. */
  at = 0;
  valueAt = 0;
  valueEnd = 0;
  /** The headers or a value overran the block. */
  isBroken = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;

  open(bytes: Uint8Array, start: number, end: number): this {
    this.#bytes = bytes;
    this.#end = end;
    this.valueEnd = start;
    this.isBroken = false;
    return this;
  }

  /** False at the end of the block, or where it is broken. */
  next(): boolean {
    const bytes = this.#bytes;
    const at = this.valueEnd;
    if (at >= this.#end) return false;
    const flags = bytes[at] ?? 0;
    const isExtended = (flags & attributeFlag.extendedLength) !== 0;
    const valueAt = at + (isExtended ? 4 : 3);
    const valueEnd =
      valueAt +
      (isExtended ? ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0) : (bytes[at + 2] ?? 0));
    if (valueEnd > this.#end) {
      this.isBroken = true;
      return false;
    }
    this.flags = flags;
    this.type = bytes[at + 1] ?? 0;
    this.at = at;
    this.valueAt = valueAt;
    this.valueEnd = valueEnd;
    return true;
  }
}
