/** Which foreign prefixes the wires count: what the routers told, the too large among them in halves. */
import {
  covers,
  dividePrefix,
  type Family,
  formatPrefix,
  type Prefix,
  prefixOf,
} from '../core/base/prefix.ts';
import type { PrefixText } from '../core/base/units.ts';

/** Longer parts than what networks accept of each other are no better, though only our own routers hear them. */
const longest = { 4: 24, 6: 48 } as const;

/** Every prefix that a router told. */
interface Told {
  entries(family: Family): Iterable<{ readonly prefix: Prefix }>;
}

export class CountedDestinations {
  readonly #told: Told;
  /** Those that are counted in halves; a half may be among them too. */
  readonly #halved = new Set<PrefixText>();
  #prefixes: readonly PrefixText[] = [];
  #left = 0;

  constructor(told: Told) {
    this.#told = told;
  }

  get prefixes(): readonly PrefixText[] {
    return this.#prefixes;
  }
  /** How many there was no room for. */
  get left(): number {
    return this.#left;
  }

  /** Looks at the routers' tables anew; false when the same are counted as before. */
  refresh(networks: readonly PrefixText[], most: number): boolean {
    const own = networks.map(prefixOf);
    const found: PrefixText[] = [];
    this.#left = 0;
    for (const family of [4, 6] as const) {
      for (const { prefix } of this.#told.entries(family)) {
        if (prefix.length === 0 || own.some((network) => covers(network, prefix))) continue;
        for (const part of this.#partsOf(formatPrefix(prefix))) {
          if (found.length < most) found.push(part);
          else this.#left++;
        }
      }
    }
    found.sort();
    if (found.join() === this.#prefixes.join()) return false;
    this.#prefixes = found;
    return true;
  }

  /**
   * Halves what carries more than `limit`, bit/s, and joins halves that together carry less than half of it, unless
   * `isDetoured`. Gives those that are counted otherwise from now on.
   */
  divide(
    rates: ReadonlyMap<PrefixText, number>,
    limit: number,
    isDetoured: (prefix: PrefixText) => boolean,
  ): readonly PrefixText[] {
    const changed: PrefixText[] = [];
    for (const prefix of [...this.#halved]) {
      const halves = halvesOf(prefix);
      if (halves.some((half) => this.#halved.has(half) || isDetoured(half))) continue;
      const sum = halves.reduce((total, half) => total + (rates.get(half) ?? 0), 0);
      if (sum >= limit / 2) continue;
      this.#halved.delete(prefix);
      changed.push(prefix);
    }
    for (const [prefix, rate] of rates) {
      if (rate <= limit || this.#halved.has(prefix) || halvesOf(prefix).length === 0) continue;
      this.#halved.add(prefix);
      changed.push(prefix);
    }
    return changed;
  }

  #partsOf(prefix: PrefixText): readonly PrefixText[] {
    return this.#halved.has(prefix)
      ? halvesOf(prefix).flatMap((half) => this.#partsOf(half))
      : [prefix];
  }
}

/** None of a prefix that is not to be cut further. */
function halvesOf(text: PrefixText): readonly PrefixText[] {
  const prefix = prefixOf(text);
  return prefix.length >= longest[prefix.family]
    ? []
    : dividePrefix(prefix, prefix.length + 1).map(formatPrefix);
}
