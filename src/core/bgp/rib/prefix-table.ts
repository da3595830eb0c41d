import { addressBits, type Family, makePrefix, type Prefix } from '../../base/prefix.ts';
import { LinearHash, mix, none } from './linear-hash.ts';
import { Records } from './records.ts';

/**
 * Prefixes of one family, numbered from 1, packed: a record has the words of the address, the length, and one
 * number, `value`, for the table's owner. They are found by a hash table that grows without pauses.
 */
export class PrefixTable {
  readonly family: Family;
  readonly #words: number;
  readonly #lengthField: number;
  readonly #valueField: number;
  readonly #records: Records;
  readonly #free: number[] = [];
  #last = none;
  readonly #index = new LinearHash();
  /** How many prefixes there are of each length: lookups pass over absent ones. */
  readonly #perLength = new Uint32Array(129);
  /** The address being looked for, as 32-bit words with the host bits zero. */
  readonly #key: Int32Array;

  constructor(family: Family) {
    this.family = family;
    this.#words = family === 4 ? 1 : 4;
    this.#lengthField = this.#words;
    this.#valueField = this.#words + 1;
    this.#records = new Records(this.#words + 2);
    this.#key = new Int32Array(this.#words);
  }

  get size(): number {
    return this.#index.size;
  }

  /** Entries are numbered from 1 to this, with gaps where prefixes were removed (their value is 0). */
  get lastEntry(): number {
    return this.#last;
  }

  get byteLength(): number {
    return this.#records.byteLength + this.#index.byteLength;
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
    this.#records.reserve(entry);
    const chunk = this.#records.chunk(entry);
    const place = this.#records.at(entry);
    for (let i = 0; i < this.#words; i++) chunk[place + i] = this.#key[i] ?? 0;
    chunk[place + this.#lengthField] = length;
    chunk[place + this.#valueField] = none;
    this.#perLength[length] = (this.#perLength[length] ?? 0) + 1;
    this.#index.insert(entry, hash);
    return entry;
  }

  remove(entry: number): void {
    const length = this.#records.get(entry, this.#lengthField);
    this.#index.remove(entry);
    this.#perLength[length] = (this.#perLength[length] ?? 0) - 1;
    this.#records.set(entry, this.#valueField, none);
    this.#free.push(entry);
  }

  valueOf(entry: number): number {
    return this.#records.get(entry, this.#valueField);
  }

  setValue(entry: number, value: number): void {
    this.#records.set(entry, this.#valueField, value);
  }

  prefixOf(entry: number): Prefix {
    const bytes = new Uint8Array(addressBits(this.family) / 8);
    return makePrefix(this.family, bytes, this.copyTo(entry, bytes));
  }

  /** Writes the octets of an entry's address to the begin of `bytes` and gives its length. Allocates nothing. */
  copyTo(entry: number, bytes: Uint8Array): number {
    for (let i = 0; i < this.#words; i++) {
      const word = this.#records.get(entry, i);
      bytes[i * 4] = word >>> 24;
      bytes[i * 4 + 1] = word >>> 16;
      bytes[i * 4 + 2] = word >>> 8;
      bytes[i * 4 + 3] = word;
    }
    return this.#records.get(entry, this.#lengthField);
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
    let entry = this.#index.first(hash);
    while (entry !== none && !this.#isKey(entry, length)) entry = this.#index.after(entry);
    return entry;
  }

  #isKey(entry: number, length: number): boolean {
    const chunk = this.#records.chunk(entry);
    const place = this.#records.at(entry);
    for (let i = 0; i < this.#words; i++) {
      if (chunk[place + i] !== this.#key[i]) return false;
    }
    return chunk[place + this.#lengthField] === length;
  }

  /** Fills the key and gives its hash. */
  #load(bytes: Uint8Array, at: number, length: number): number {
    let hash = length;
    for (let i = 0; i < this.#words; i++) {
      const bits = Math.min(32, Math.max(0, length - i * 32));
      const start = at + i * 4;
      const octets = (bits + 7) >> 3;
      let word = 0;
      if (octets > 0) word = (bytes[start] ?? 0) << 24;
      if (octets > 1) word |= (bytes[start + 1] ?? 0) << 16;
      if (octets > 2) word |= (bytes[start + 2] ?? 0) << 8;
      if (octets > 3) word |= bytes[start + 3] ?? 0;
      // A shift by 32 is a shift by 0 in this language.
      const masked = bits === 0 ? 0 : word & (0xffffffff << (32 - bits));
      this.#key[i] = masked;
      hash = mix(hash ^ masked);
    }
    return hash;
  }
}
