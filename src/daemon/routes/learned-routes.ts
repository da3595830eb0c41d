import type { RouteTable } from '../../collect/flow/index.ts';
import { type Family, formatPrefix, makePrefix } from '../../core/base/prefix.ts';
import { assert } from '../../core/base/result.ts';
import type { PrefixText } from '../../core/base/units.ts';
import type { AdjRibIn } from '../../core/bgp/rib/adj-rib-in.ts';

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
  /** The latest answers for IPv4 addresses: traffic asks for the same again and again, and the table is large. */
  readonly #asked = new Uint32Array(slots);
  readonly #answers = new Int32Array(slots).fill(unknown);

  constructor(learned: Learned) {
    this.#learned = learned;
  }

  /** A default route says nothing of a destination: -1, as where there is none. */
  match(family: Family, bytes: Uint8Array, at: number): number {
    if (family === 6) return this.#find(family, bytes, at);
    const address = wordAt(bytes, at);
    const slot = Math.imul(address, 0x9e3779b1) >>> (32 - slotBits);
    const known = this.#answers[slot] ?? unknown;
    if (known !== unknown && this.#asked[slot] === address) return known;
    const number = this.#find(family, bytes, at);
    this.#asked[slot] = address;
    this.#answers[slot] = number;
    return number;
  }

  prefix(index: number): PrefixText {
    const prefix = this.#prefixes[index];
    assert(prefix !== undefined, 'only numbers that match gave are asked for');
    return prefix;
  }

  #find(family: Family, bytes: Uint8Array, at: number): number {
    const length = this.#learned.longestLength(family, bytes, at);
    if (length === 0) return -1;
    const size = family === 4 ? 4 : 16;
    const text = formatPrefix(makePrefix(family, bytes.slice(at, at + size), length));
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.#prefixes.length);
    return this.#prefixes.push(text) - 1;
  }
}

const slotBits = 16;
const slots = 2 ** slotBits;
/** Of a slot that nobody asked for yet. */
const unknown = -2;

const wordAt = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0;
