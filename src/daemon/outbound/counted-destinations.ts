/** Which foreign prefixes the wires count: what the routers told, the too large among them in halves. */
import {
  covers,
  dividePrefix,
  type Family,
  formatPrefix,
  type Prefix,
  prefixOf,
} from '../../core/base/prefix.ts';
import type { PrefixText } from '../../core/base/units.ts';

/** Longer parts than what networks accept of each other are no better, though only our own routers hear them. */
const longest = { 4: 24, 6: 48 } as const;

/** Every prefix that a router told. */
interface Told {
  entries(family: Family): Iterable<{ readonly prefix: Prefix }>;
}

/** What was counted, and by what it is divided anew. */
export interface Counted {
  readonly rates: ReadonlyMap<PrefixText, number>;
  /** Bit/s, like `rates`. */
  readonly limit: number;
  readonly isDetoured: (prefix: PrefixText) => boolean;
  /** Ms on any one clock, and the time that the rates are averages of. */
  readonly at: number;
  readonly averageMs: number;
}

export interface Divided {
  /** Those that are counted otherwise from now on. */
  readonly changed: readonly PrefixText[];
  /**
   * As by the new division. Until a part was counted for a whole averaging time it is taken to carry half of what was
   * measured of the whole, or what was measured of itself if that is more.
   */
  readonly rates: ReadonlyMap<PrefixText, number>;
}

export class CountedDestinations {
  readonly #told: Told;
  /** Those that are counted in halves; a half may be among them too. */
  readonly #halved = new Set<PrefixText>();
  readonly #assumed = new Map<PrefixText, { readonly rate: number; readonly until: number }>();
  #prefixes: readonly PrefixText[] = [];
  #left = 0;
  #newShare = 0;

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

  /** Of what is counted, the share that was not before the last change. */
  get newShare(): number {
    return this.#newShare;
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
    const known = new Set(this.#prefixes);
    this.#newShare =
      found.filter((prefix) => !known.has(prefix)).length / Math.max(1, found.length);
    this.#prefixes = found;
    return true;
  }

  /** Halves what carries more than `limit`, and joins halves that together carry less than half of it. */
  divide({ rates: measured, limit, isDetoured, at, averageMs }: Counted): Divided {
    const changed: PrefixText[] = [];
    const rates = new Map(measured);
    for (const [prefix, { rate, until }] of this.#assumed) {
      if (at >= until) this.#assumed.delete(prefix);
      else rates.set(prefix, Math.max(rate, measured.get(prefix) ?? 0));
    }
    const replace = (
      from: readonly PrefixText[],
      to: ReadonlyArray<readonly [PrefixText, number]>,
    ) => {
      for (const prefix of from) {
        rates.delete(prefix);
        this.#assumed.delete(prefix);
      }
      for (const [prefix, rate] of to) {
        rates.set(prefix, rate);
        this.#assumed.set(prefix, { rate, until: at + averageMs });
      }
    };
    for (const prefix of [...this.#halved]) {
      const halves = halvesOf(prefix);
      if (halves.some((half) => this.#halved.has(half) || isDetoured(half))) continue;
      const sum = halves.reduce((total, half) => total + (rates.get(half) ?? 0), 0);
      if (sum >= limit / 2) continue;
      this.#halved.delete(prefix);
      changed.push(prefix);
      replace(halves, [[prefix, sum]]);
    }
    for (const [prefix, rate] of [...rates]) {
      const halves = halvesOf(prefix);
      // What is only assumed of it would halve it again and again.
      if (rate <= limit || (measured.get(prefix) ?? 0) <= limit) continue;
      if (this.#halved.has(prefix) || halves.length === 0) continue;
      this.#halved.add(prefix);
      changed.push(prefix);
      replace(
        [prefix],
        halves.map((half) => [half, rate / 2]),
      );
    }
    return { changed, rates };
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
