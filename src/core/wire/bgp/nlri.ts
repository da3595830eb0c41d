import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { addressBits, makePrefix, type Prefix } from '../../base/prefix.ts';
import type { UnicastFamily } from './codes.ts';

/** A prefix on the wire, with its path identifier where add-path is in use (RFC 7911). */
export interface Nlri {
  readonly prefix: Prefix;
  readonly pathId?: number;
}

/** Where and why a list of prefixes cannot be read. */
export interface NlriError {
  readonly code: 'nlri_length' | 'nlri_short';
  readonly offset: number;
}

/**
 * Walks a field of prefixes without making an object for each: after `next` gave true, the fields tell of one.
 * Made once and opened for field after field.
 */
export class NlriCursor {
  /** Bits of the prefix; those of its octets beyond may be set. */
  length = 0;
  /** The place of the prefix's octets. */
  at = 0;
  pathId = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #next = 0;
  #end = 0;
  #longest = 0;
  #hasPathIds = false;
  #error: NlriError | undefined;

  /** Why `next` ended before the end of the field. */
  get error(): NlriError | undefined {
    return this.#error;
  }

  open(
    bytes: Uint8Array,
    start: number,
    end: number,
    family: UnicastFamily,
    hasPathIds: boolean,
  ): this {
    this.#bytes = bytes;
    this.#next = start;
    this.#end = end;
    this.#longest = addressBits(family);
    this.#hasPathIds = hasPathIds;
    this.#error = undefined;
    return this;
  }

  /** False at the end of the field or at an error. */
  next(): boolean {
    const entry = this.#next;
    if (entry >= this.#end) return false;
    const bytes = this.#bytes;
    let at = entry;
    if (this.#hasPathIds) {
      if (this.#end - at < 5) return this.#fail('nlri_short', entry);
      this.pathId =
        (bytes[at] ?? 0) * 0x1000000 +
        (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
      at += 4;
    } else this.pathId = 0;
    const length = bytes[at++] ?? 0;
    if (length > this.#longest) return this.#fail('nlri_length', entry);
    const octets = (length + 7) >> 3;
    if (this.#end - at < octets) return this.#fail('nlri_short', entry);
    this.length = length;
    this.at = at;
    this.#next = at + octets;
    return true;
  }

  #fail(code: NlriError['code'], offset: number): false {
    this.#error = { code, offset };
    this.#next = this.#end;
    return false;
  }
}

/** Reads all that is left of `reader`. Bits beyond a prefix's length are irrelevant (RFC 4271) and cleared. */
export function decodeNlri(
  reader: ByteReader,
  family: UnicastFamily,
  hasPathIds: boolean,
): { readonly nlri: readonly Nlri[]; readonly error?: NlriError } {
  const nlri: Nlri[] = [];
  const { bytes } = reader;
  const shift = reader.position - reader.offset;
  const cursor = new NlriCursor().open(bytes, reader.offset, bytes.length, family, hasPathIds);
  while (cursor.next()) {
    const { length, at, pathId } = cursor;
    const address = new Uint8Array(family === 4 ? 4 : 16);
    address.set(bytes.subarray(at, at + ((length + 7) >> 3)));
    const prefix = makePrefix(family, address, length);
    nlri.push(hasPathIds ? { prefix, pathId } : { prefix });
  }
  const { error } = cursor;
  reader.skip(reader.remaining);
  return error ? { nlri, error: { ...error, offset: error.offset + shift } } : { nlri };
}

/** Bytes that one prefix takes. */
export const nlriLength = (prefix: Prefix, hasPathIds: boolean): number =>
  (hasPathIds ? 5 : 1) + ((prefix.length + 7) >> 3);

export function encodeNlri(writer: ByteWriter, nlri: readonly Nlri[], hasPathIds: boolean): void {
  for (const { prefix, pathId } of nlri) {
    if (hasPathIds) writer.u32(pathId ?? 0);
    writer.u8(prefix.length);
    writer.put(prefix.bytes.subarray(0, (prefix.length + 7) >> 3));
  }
}
