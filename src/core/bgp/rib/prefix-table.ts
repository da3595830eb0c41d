import { addressBits, type Family, makePrefix, type Prefix } from '../../base/prefix.ts';
import { Column8, Column32 } from './column.ts';
import { LinearHash, mix, none } from './linear-hash.ts';

/**
 * Prefixes of one family, numbered from 1, packed: 4 or 16 octets of address and one of length each, in a
 * hash table that grows without pauses. Each carries one number, `value`, for its owner.
 */
export class PrefixTable {
  readonly family: Family;
  readonly #words: readonly Column32[];
  readonly #lengths = new Column8();
  readonly #values = new Column32();
  readonly #free: number[] = [];
  #last = none;
  readonly #index = new LinearHash((entry) => this.#hashOfEntry(entry));
  /** How many prefixes there are of each length: lookups pass over absent ones. */
  readonly #perLength = new Uint32Array(129);
  /** The address being looked for, as 32-bit words with the host bits zero. */
  readonly #key: Uint32Array;

  constructor(family: Family) {
    this.family = family;
    const words = family === 4 ? 1 : 4;
    this.#words = Array.from({ length: words }, () => new Column32());
    this.#key = new Uint32Array(words);
  }

  get size(): number {
    return this.#index.size;
  }

  /** Entries are numbered from 1 to this, with gaps where prefixes were removed (their value is 0). */
  get lastEntry(): number {
    return this.#last;
  }

  get byteLength(): number {
    const words = this.#words.reduce((sum, column) => sum + column.byteLength, 0);
    return words + this.#lengths.byteLength + this.#values.byteLength + this.#index.byteLength;
  }

  /** The entry of the prefix at `bytes[at]` (only its octets need be there), or 0. */
  find(bytes: Uint8Array, at: number, length: number): number {
    return this.#find(length, this.#load(bytes, at, length));
  }

  findOrAdd(bytes: Uint8Array, at: number, length: number): number {
    const hash = this.#load(bytes, at, length);
    const found = this.#find(length, hash);
    if (found !== none) return found;
    const entry = this.#free.pop() ?? ++this.#last;
    for (const [i, column] of this.#words.entries()) column.set(entry, this.#key[i] ?? 0);
    this.#lengths.set(entry, length);
    this.#values.set(entry, 0);
    this.#perLength[length] = (this.#perLength[length] ?? 0) + 1;
    this.#index.insert(entry, hash);
    return entry;
  }

  remove(entry: number): void {
    const length = this.#lengths.get(entry);
    this.#index.remove(entry, this.#hashOfEntry(entry));
    this.#perLength[length] = (this.#perLength[length] ?? 0) - 1;
    this.#values.set(entry, 0);
    this.#free.push(entry);
  }

  valueOf(entry: number): number {
    return this.#values.get(entry);
  }

  setValue(entry: number, value: number): void {
    this.#values.set(entry, value);
  }

  prefixOf(entry: number): Prefix {
    const bytes = new Uint8Array(addressBits(this.family) / 8);
    for (const [i, column] of this.#words.entries()) {
      const word = column.get(entry);
      bytes[i * 4] = word >>> 24;
      bytes[i * 4 + 1] = word >>> 16;
      bytes[i * 4 + 2] = word >>> 8;
      bytes[i * 4 + 3] = word;
    }
    return makePrefix(this.family, bytes, this.#lengths.get(entry));
  }

  /** Entries that cover `prefix`, the longest first; itself included when it is here. */
  covering(prefix: Prefix): number[] {
    const found: number[] = [];
    for (let length = prefix.length; length >= 0; length--) {
      if ((this.#perLength[length] ?? 0) === 0) continue;
      const entry = this.find(prefix.bytes, 0, length);
      if (entry !== none) found.push(entry);
    }
    return found;
  }

  /** The length of the longest prefix but /0 that covers the address at `bytes[at]`, or 0. Allocates nothing. */
  longestLength(bytes: Uint8Array, at: number): number {
    for (let length: number = addressBits(this.family); length > 0; length--) {
      if ((this.#perLength[length] ?? 0) === 0) continue;
      if (this.find(bytes, at, length) !== none) return length;
    }
    return 0;
  }

  #find(length: number, hash: number): number {
    for (let at = this.#index.first(hash); at !== none; at = this.#index.after(at)) {
      if (this.#lengths.get(at) === length && this.#isKey(at)) return at;
    }
    return none;
  }

  #isKey(entry: number): boolean {
    if (this.#words[0]?.get(entry) !== this.#key[0]) return false;
    for (let i = 1; i < this.#words.length; i++) {
      if (this.#words[i]?.get(entry) !== this.#key[i]) return false;
    }
    return true;
  }

  /** Fills the key and gives its hash. */
  #load(bytes: Uint8Array, at: number, length: number): number {
    let hash = length;
    for (let i = 0; i < this.#key.length; i++) {
      const bits = Math.min(32, Math.max(0, length - i * 32));
      let word = 0;
      for (let octet = 0; octet < (bits + 7) >> 3; octet++)
        word |= (bytes[at + i * 4 + octet] ?? 0) << (24 - octet * 8);
      // A shift by 32 is a shift by 0 in this language.
      const masked = bits === 0 ? 0 : word & (0xffffffff << (32 - bits));
      this.#key[i] = masked;
      hash = mix(hash ^ masked);
    }
    return hash;
  }

  #hashOfEntry(entry: number): number {
    let hash = this.#lengths.get(entry);
    for (const column of this.#words) hash = mix(hash ^ column.get(entry));
    return hash;
  }
}
