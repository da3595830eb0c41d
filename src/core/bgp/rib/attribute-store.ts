import { LinearHash, mix, none } from './linear-hash.ts';
import { Records } from './records.ts';

/** Bytes per arena; the largest block of attributes is 65,535. */
const arenaBytes = 1 << 18;
const placeField = 0;
/** Length in the lower 16 bits, kind above. */
const shapeField = 1;
const referencesField = 2;
/** Blocks are kept in multiples of this, so that a freed place fits others. */
const granule = 8;

/**
 * Blocks of path attributes, each kept once and counted (routes share few sets). A block is its bytes as on
 * the wire, with four-octet AS numbers and an MP_REACH_NLRI, if any, that holds the next hop alone.
 * `kind` keeps apart equal bytes that mean different things (from inside or outside our AS).
 */
export class AttributeStore {
  readonly #arenas: Uint8Array[] = [];
  #arenaUsed = arenaBytes;
  /** Freed places by size in granules. */
  readonly #free = new Map<number, number[]>();
  readonly #entries = new Records(3);
  readonly #freeEntries: number[] = [];
  #lastEntry = none;
  readonly #index = new LinearHash();

  /** Distinct blocks. */
  get size(): number {
    return this.#index.size;
  }

  get byteLength(): number {
    const arenas = this.#arenas.length * arenaBytes;
    return arenas + this.#entries.byteLength + this.#index.byteLength;
  }

  /** The number of an equal block that is already here; 0 when there is none. */
  find(bytes: Uint8Array, start: number, length: number, kind: number): number {
    return this.#find(bytes, start, length, kind, hashOf(bytes, start, length, kind));
  }

  /** The number of the block at `bytes[start]`, new or shared, from 1. Nobody holds it until `hold`. */
  intern(bytes: Uint8Array, start: number, length: number, kind: number): number {
    const hash = hashOf(bytes, start, length, kind);
    const found = this.#find(bytes, start, length, kind, hash);
    if (found !== none) return found;
    const entry = this.#freeEntries.pop() ?? ++this.#lastEntry;
    const place = this.#allocate(length);
    this.#arena(place).set(bytes.subarray(start, start + length), place % arenaBytes);
    this.#entries.reserve(entry);
    this.#entries.set(entry, placeField, place | 0);
    this.#entries.set(entry, shapeField, length | (kind << 16));
    this.#entries.set(entry, referencesField, 0);
    this.#index.insert(entry, hash);
    return entry;
  }

  hold(entry: number): void {
    this.#entries.set(entry, referencesField, this.#references(entry) + 1);
  }

  /** Gives a hold back; a block that nobody holds goes. */
  release(entry: number): void {
    const left = this.#references(entry) - 1;
    this.#entries.set(entry, referencesField, left);
    if (left === 0) this.#drop(entry);
  }

  /** Drops a block that was interned but never held. */
  dropUnheld(entry: number): void {
    if (this.#references(entry) === 0) this.#drop(entry);
  }

  /** A view that is valid until the block is released. */
  bytesOf(entry: number): Uint8Array {
    const place = this.#place(entry);
    const start = place % arenaBytes;
    return this.#arena(place).subarray(start, start + this.#length(entry));
  }

  kindOf(entry: number): number {
    return this.#entries.get(entry, shapeField) >>> 16;
  }

  #references(entry: number): number {
    return this.#entries.get(entry, referencesField);
  }

  #place(entry: number): number {
    return this.#entries.get(entry, placeField) >>> 0;
  }

  #length(entry: number): number {
    return this.#entries.get(entry, shapeField) & 0xffff;
  }

  #find(bytes: Uint8Array, start: number, length: number, kind: number, hash: number): number {
    const shape = length | (kind << 16);
    let entry = this.#index.first(hash);
    while (entry !== none) {
      const isAlike = this.#entries.get(entry, shapeField) === shape;
      if (isAlike && this.#equals(entry, bytes, start, length)) break;
      entry = this.#index.after(entry);
    }
    return entry;
  }

  #equals(entry: number, bytes: Uint8Array, start: number, length: number): boolean {
    const place = this.#place(entry);
    const arena = this.#arena(place);
    const own = place % arenaBytes;
    for (let i = 0; i < length; i++) {
      if (arena[own + i] !== bytes[start + i]) return false;
    }
    return true;
  }

  #drop(entry: number): void {
    this.#index.remove(entry);
    const size = granules(this.#length(entry));
    const places = this.#free.get(size);
    if (places) places.push(this.#place(entry));
    else this.#free.set(size, [this.#place(entry)]);
    this.#freeEntries.push(entry);
  }

  /** A place is arena × arenaBytes + offset: 32 bits reach 4 GiB of attributes. */
  #allocate(length: number): number {
    const size = granules(length);
    const freed = this.#free.get(size)?.pop();
    if (freed !== undefined) return freed;
    if (this.#arenaUsed + size * granule > arenaBytes) {
      this.#arenas.push(new Uint8Array(arenaBytes));
      this.#arenaUsed = 0;
    }
    const place = (this.#arenas.length - 1) * arenaBytes + this.#arenaUsed;
    this.#arenaUsed += size * granule;
    return place;
  }

  #arena(place: number): Uint8Array {
    return this.#arenas[Math.floor(place / arenaBytes)] ?? noBytes;
  }
}

const noBytes = new Uint8Array(0);
const granules = (length: number): number => Math.max(1, Math.ceil(length / granule));

function hashOf(bytes: Uint8Array, start: number, length: number, kind: number): number {
  // FNV-1a over 32-bit words, mixed at the end: half the time of one octet at a time.
  let hash = 0x811c9dc5 ^ kind;
  const end = start + length;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word =
      (bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24);
    hash = Math.imul(hash ^ word, 0x01000193);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return mix(hash ^ length);
}
