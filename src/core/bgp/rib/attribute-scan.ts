import { AttributeCursor } from '../../wire/bgp/attribute-cursor.ts';
import {
  afiOf,
  attributeFlag,
  attributeType,
  familyOf,
  safiUnicast,
  type UnicastFamily,
} from '../../wire/bgp/codes.ts';

/** Prefixes of an MP attribute, as a place in the message; empty when there is none. */
interface Span {
  family: UnicastFamily;
  start: number;
  end: number;
}

const longestBlock = 65_535;

/**
 * Finds what of an UPDATE's attributes belongs to the routes (the block to be kept) and where the prefixes of MP
 * attributes are. Made once and used for message after message: it makes no objects. The block has MP_REACH_NLRI
 * without its prefixes, and MP_UNREACH_NLRI not at all; without either it lies in the message as it is.
 */
export class AttributeScan {
  block: Uint8Array = new Uint8Array(0);
  blockStart = 0;
  blockLength = 0;
  hasReach = false;
  hasUnreach = false;
  readonly reach: Span = { family: 4, start: 0, end: 0 };
  readonly unreach: Span = { family: 4, start: 0, end: 0 };
  readonly #cursor = new AttributeCursor();
  readonly #copy = new Uint8Array(longestBlock);

  /** Reads the attributes of a message between two places; false when `decodeUpdate` must look. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    this.#begin(bytes, start, end);
    const cursor = this.#cursor.open(bytes, start, end);
    while (cursor.next()) {
      const { flags, type, at, valueAt, valueEnd } = cursor;
      if (type === attributeType.mpReach || type === attributeType.mpUnreach) {
        if ((flags & 0xe0) !== attributeFlag.optional) return false;
        this.#copyUpTo(bytes, start, at);
        const isFine =
          type === attributeType.mpReach
            ? this.#readReach(bytes, valueAt, valueEnd)
            : this.#readUnreach(bytes, valueAt, valueEnd);
        if (!isFine) return false;
      } else if (this.block !== bytes) this.#append(bytes, at, valueEnd);
    }
    return !cursor.isBroken;
  }

  #begin(bytes: Uint8Array, start: number, end: number): void {
    this.block = bytes;
    this.blockStart = start;
    this.blockLength = end - start;
    this.hasReach = false;
    this.hasUnreach = false;
    this.reach.start = this.reach.end = 0;
    this.unreach.start = this.unreach.end = 0;
  }

  /** The first MP attribute: from here on the block is a copy. */
  #copyUpTo(bytes: Uint8Array, start: number, at: number): void {
    if (this.block !== bytes) return;
    this.block = this.#copy;
    this.blockStart = 0;
    this.blockLength = 0;
    this.#append(bytes, start, at);
  }

  /** Attributes are short: a loop is faster than making a view to copy from. */
  #append(bytes: Uint8Array, start: number, end: number): void {
    const shift = this.blockLength - start;
    for (let at = start; at < end; at++) this.#copy[at + shift] = bytes[at] ?? 0;
    this.blockLength += end - start;
  }

  #readReach(bytes: Uint8Array, at: number, end: number): boolean {
    const family = familyAt(bytes, at, end);
    const hopLength = bytes[at + 3] ?? 0;
    const nlriAt = at + 5 + hopLength;
    if (!family || this.hasReach || nlriAt > end) return false;
    this.hasReach = true;
    this.reach.family = family;
    this.reach.start = nlriAt;
    this.reach.end = end;
    const copy = this.#copy;
    let to = this.blockLength;
    copy[to++] = attributeFlag.optional;
    copy[to++] = attributeType.mpReach;
    copy[to++] = hopLength + 5;
    copy[to++] = 0;
    copy[to++] = afiOf(family);
    copy[to++] = safiUnicast;
    for (let from = at + 3; from <= at + 3 + hopLength; from++) copy[to++] = bytes[from] ?? 0;
    copy[to++] = 0;
    this.blockLength = to;
    return true;
  }

  #readUnreach(bytes: Uint8Array, at: number, end: number): boolean {
    const family = familyAt(bytes, at, end);
    if (!family || this.hasUnreach) return false;
    this.hasUnreach = true;
    this.unreach.family = family;
    this.unreach.start = at + 3;
    this.unreach.end = end;
    return true;
  }
}

const familyAt = (bytes: Uint8Array, at: number, end: number): UnicastFamily | undefined =>
  end - at < 3
    ? undefined
    : familyOf(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0), bytes[at + 2] ?? 0);
