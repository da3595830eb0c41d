import type { RouteTable } from '../collect/flow/index.ts';
import { type Family, formatPrefix, makePrefix } from '../core/base/prefix.ts';
import { assert } from '../core/base/result.ts';
import type { PrefixText } from '../core/base/units.ts';
import type { AdjRibIn } from '../core/bgp/rib/adj-rib-in.ts';

/** What is asked of the routes that the routers told. */
export type Learned = Pick<AdjRibIn, 'longestLength'>;

/**
 * The routers' tables as flow exports want them: each route that traffic used has a number. The table itself is asked,
 * never copied: flattening a million routes would hold everything else up for seconds. Made anew for every interval,
 * so that it holds no more than one interval's destinations.
 */
export class LearnedRoutes implements RouteTable {
  readonly #learned: Learned;
  readonly #numbers = new Map<string, number>();
  readonly #prefixes: PrefixText[] = [];
  /** Numbers of IPv4 routes by address and length: most of all traffic, and found without a text. */
  readonly #numbers4 = new Map<number, number>();

  constructor(learned: Learned) {
    this.#learned = learned;
  }

  /** A default route says nothing of a destination: -1, as where there is none. */
  match(family: Family, bytes: Uint8Array, at: number): number {
    const length = this.#learned.longestLength(family, bytes, at);
    if (length === 0) return -1;
    if (family === 4) {
      const key = networkOf(bytes, at, length) * 64 + length;
      const known = this.#numbers4.get(key);
      if (known !== undefined) return known;
      const number = this.#add(family, bytes, at, length);
      this.#numbers4.set(key, number);
      return number;
    }
    return this.#add(family, bytes, at, length);
  }

  prefix(index: number): PrefixText {
    const prefix = this.#prefixes[index];
    assert(prefix !== undefined, 'only numbers that match gave are asked for');
    return prefix;
  }

  #add(family: Family, bytes: Uint8Array, at: number, length: number): number {
    const size = family === 4 ? 4 : 16;
    const text = formatPrefix(makePrefix(family, bytes.slice(at, at + size), length));
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.#prefixes.length);
    return this.#prefixes.push(text) - 1;
  }
}

/** The first `length` bits of an IPv4 address, the others zero. */
function networkOf(bytes: Uint8Array, at: number, length: number): number {
  let word = 0;
  for (let i = 0; i < 4; i++) word = word * 256 + (bytes[at + i] ?? 0);
  const host = 2 ** (32 - length);
  return Math.floor(word / host) * host;
}
