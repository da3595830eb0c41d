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

/** Called with the place of the address octets in `bytes`; trailing bits beyond `length` may be set. */
export type NlriVisitor = (length: number, at: number, pathId: number) => void;

/**
 * Walks a field of prefixes without making an object for each.
 * @returns the place of the first error; what came before it was visited.
 */
export function visitNlri(
  bytes: Uint8Array,
  start: number,
  end: number,
  family: UnicastFamily,
  hasPathIds: boolean,
  visit: NlriVisitor,
): NlriError | undefined {
  const longest = addressBits(family);
  let at = start;
  while (at < end) {
    const entry = at;
    let pathId = 0;
    if (hasPathIds) {
      if (end - at < 5) return { code: 'nlri_short', offset: entry };
      pathId =
        (bytes[at] ?? 0) * 0x1000000 +
        (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
      at += 4;
    }
    const length = bytes[at++] ?? 0;
    if (length > longest) return { code: 'nlri_length', offset: entry };
    const octets = (length + 7) >> 3;
    if (end - at < octets) return { code: 'nlri_short', offset: entry };
    visit(length, at, pathId);
    at += octets;
  }
  return undefined;
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
  const error = visitNlri(
    bytes,
    reader.offset,
    bytes.length,
    family,
    hasPathIds,
    (length, at, pathId) => {
      const address = new Uint8Array(family === 4 ? 4 : 16);
      address.set(bytes.subarray(at, at + ((length + 7) >> 3)));
      const prefix = makePrefix(family, address, length);
      nlri.push(hasPathIds ? { prefix, pathId } : { prefix });
    },
  );
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
