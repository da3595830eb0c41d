import { Column8, Column32 } from './column.ts';
import { LinearHash, mix, none } from './linear-hash.ts';

/** Bytes per arena; the largest block of attributes is 65,535. */
const arenaBytes = 1 << 18;
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
  readonly #place = new Column32();
  readonly #length = new Column32();
  readonly #hash = new Column32();
  readonly #references = new Column32();
  readonly #kind = new Column8();
  readonly #freeEntries: number[] = [];
  #lastEntry = none;
  readonly #index = new LinearHash((entry) => this.#hash.get(entry));

  /** Distinct blocks. */
  get size(): number {
    return this.#index.size;
  }

  get byteLength(): number {
    const columns = [this.#place, this.#length, this.#hash, this.#references, this.#kind];
    return columns.reduce(
      (sum, column) => sum + column.byteLength,
      this.#arenas.length * arenaBytes + this.#index.byteLength,
    );
  }

  /** The number of an equal block that is already here; 0 when there is none. */
  find(bytes: Uint8Array, length: number, kind: number): number {
    const hash = hashOf(bytes, length, kind);
    return this.#find(bytes, length, kind, hash);
  }

  /** The number of the block, new or shared, from 1. Nobody holds it until `hold`. */
  intern(bytes: Uint8Array, length: number, kind: number): number {
    const hash = hashOf(bytes, length, kind);
    const found = this.#find(bytes, length, kind, hash);
    if (found !== none) return found;
    const entry = this.#freeEntries.pop() ?? ++this.#lastEntry;
    const place = this.#allocate(length);
    this.#arena(place).set(bytes.subarray(0, length), place % arenaBytes);
    this.#place.set(entry, place);
    this.#length.set(entry, length);
    this.#hash.set(entry, hash);
    this.#kind.set(entry, kind);
    this.#references.set(entry, 0);
    this.#index.insert(entry, hash);
    return entry;
  }

  hold(entry: number): void {
    this.#references.set(entry, this.#references.get(entry) + 1);
  }

  /** Gives a hold back; a block that nobody holds goes. */
  release(entry: number): void {
    const left = this.#references.get(entry) - 1;
    this.#references.set(entry, left);
    if (left === 0) this.#drop(entry);
  }

  /** Drops a block that was interned but never held. */
  dropUnheld(entry: number): void {
    if (this.#references.get(entry) === 0) this.#drop(entry);
  }

  /** A view that is valid until the block is released. */
  bytesOf(entry: number): Uint8Array {
    const place = this.#place.get(entry);
    const start = place % arenaBytes;
    return this.#arena(place).subarray(start, start + this.#length.get(entry));
  }

  kindOf(entry: number): number {
    return this.#kind.get(entry);
  }

  #find(bytes: Uint8Array, length: number, kind: number, hash: number): number {
    for (let at = this.#index.first(hash); at !== none; at = this.#index.after(at)) {
      if (this.#hash.get(at) !== hash || this.#length.get(at) !== length) continue;
      if (this.#kind.get(at) === kind && this.#equals(at, bytes, length)) return at;
    }
    return none;
  }

  #equals(entry: number, bytes: Uint8Array, length: number): boolean {
    const place = this.#place.get(entry);
    const arena = this.#arena(place);
    const start = place % arenaBytes;
    for (let i = 0; i < length; i++) {
      if (arena[start + i] !== bytes[i]) return false;
    }
    return true;
  }

  #drop(entry: number): void {
    this.#index.remove(entry, this.#hash.get(entry));
    const size = granules(this.#length.get(entry));
    const places = this.#free.get(size);
    if (places) places.push(this.#place.get(entry));
    else this.#free.set(size, [this.#place.get(entry)]);
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

function hashOf(bytes: Uint8Array, length: number, kind: number): number {
  // FNV-1a over 32-bit words, mixed at the end: half the time of one octet at a time.
  let hash = 0x811c9dc5 ^ kind;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    const word =
      (bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24);
    hash = Math.imul(hash ^ word, 0x01000193);
    hash ^= hash >>> 15;
  }
  for (; at < length; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return mix(hash ^ length);
}
