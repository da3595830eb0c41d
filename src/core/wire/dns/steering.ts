import { type Address, makePrefix, type Prefix } from '../../base/prefix.ts';
import { PrefixTrie } from '../../base/trie.ts';
import { choiceSeed, chooseProvider, fnv1a, fnv1aText, weightMax } from './choice.ts';
import { rrType } from './codes.ts';
import type { WireName } from './name.ts';
import { makeSet, type RrSet } from './zone.ts';

/** How finely networks are told apart, in prefix bits; at most 32 and 64. */
export interface Granularity {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** A name whose address depends on who asks. */
export interface SteeredName {
  readonly name: WireName;
  /** Seconds. */
  readonly ttl: number;
  readonly addresses: readonly SteeredAddress[];
}

export interface SteeredAddress {
  readonly provider: string;
  readonly address: Address;
  /** Not taken out by a health check, and its provider's prefix is seen announced. */
  readonly isUsable: boolean;
}

/** Share per provider in ten-thousandths; one not named has 0. */
export type Weights = Readonly<Record<string, number>>;

/** What the decision says of resolvers and client networks: the longest covering prefix counts. */
export interface ResolverWeights {
  readonly default: Weights;
  readonly networks: ReadonlyArray<{ readonly prefix: Prefix; readonly weights: Weights }>;
}

/** The compiled form of `ResolverWeights`. */
export interface Steering {
  /** In order of name, which makes the order of settings irrelevant. */
  readonly providers: readonly string[];
  readonly hashes: Uint32Array;
  /** Row 0 is the default; one weight per provider. */
  readonly rows: readonly Uint16Array[];
  readonly rowOf: PrefixTrie<number>;
  /** What `rowOf` was made from, for the native form; of equal prefixes the last counts. */
  readonly networks: ReadonlyArray<{ readonly prefix: Prefix; readonly row: number }>;
  readonly granularity: Granularity;
}

/** The compiled form of a `SteeredName`: one set per provider (index as in `Steering`) and family. */
export interface SteeredSets {
  readonly nameHash: number;
  readonly a: ReadonlyArray<RrSet | undefined>;
  readonly aaaa: ReadonlyArray<RrSet | undefined>;
}

export function compileSteering(
  providers: readonly string[],
  weights: ResolverWeights,
  granularity: Granularity,
): Steering {
  const sorted = [...new Set(providers)].sort();
  const rowFor = (of: Weights) =>
    Uint16Array.from(sorted, (name) => Math.min(weightMax, Math.max(0, Math.round(of[name] ?? 0))));
  const rows = [rowFor(weights.default)];
  const rowIndex = new Map([[rows[0]?.join() ?? '', 0]]);
  const networks: { readonly prefix: Prefix; readonly row: number }[] = [];
  for (const { prefix, weights: own } of weights.networks) {
    const values = rowFor(own);
    const index = rowIndex.get(values.join()) ?? rows.push(values) - 1;
    rowIndex.set(values.join(), index);
    // A plan finer than the networks that are told apart cannot be followed: the network's part of it counts.
    networks.push({ prefix: networkOf(prefix, granularity), row: index });
  }
  const rowOf = new PrefixTrie<number>();
  for (const { prefix, row } of networks) rowOf.set(prefix, row);
  const hashes = Uint32Array.from(sorted, (name) => fnv1aText(name));
  return { providers: sorted, hashes, rows, rowOf, networks, granularity };
}

/**
 * Only usable addresses, but all of a family where none is usable: an address that may work is worth
 * more than none, and a health check that fails everywhere says more about the checker.
 */
export function compileSteered(steered: SteeredName, steering: Steering): SteeredSets {
  const sets = (family: 4 | 6): ReadonlyArray<RrSet | undefined> => {
    const ofFamily = steered.addresses.filter(({ address }) => address.family === family);
    const usable = ofFamily.filter(({ isUsable }) => isUsable);
    const counted = usable.length > 0 ? usable : ofFamily;
    return steering.providers.map((provider) => {
      const own = counted.filter((entry) => entry.provider === provider);
      if (own.length === 0) return undefined;
      const type = family === 4 ? rrType.A : rrType.AAAA;
      return makeSet(own.map(({ address }) => ({ type, ttl: steered.ttl, data: address.bytes })));
    });
  };
  return { nameHash: fnv1a(steered.name), a: sets(4), aaaa: sets(6) };
}

/**
 * The set that `network` gets: by its own weights, else by the default's, else by equal ones, each among
 * the providers that have an address. Undefined where the name has no address of this family at all.
 */
export function steer(
  sets: ReadonlyArray<RrSet | undefined>,
  nameHash: number,
  network: Prefix,
  steering: Steering,
): RrSet | undefined {
  const seed = choiceSeed(nameHash, network);
  const own = steering.rows[steering.rowOf.match(network) ?? 0] ?? [];
  for (const weights of [own, steering.rows[0] ?? []]) {
    const masked = sets.map((set, i) => (set ? (weights[i] ?? 0) : 0));
    const choice = chooseProvider(seed, steering.hashes, masked);
    if (choice >= 0) return sets[choice];
  }
  const equal = sets.map((set) => (set ? 1 : 0));
  return sets[chooseProvider(seed, steering.hashes, equal)];
}

/** The network that an address or client subnet counts as: cut to the granularity, never widened. */
export function networkOf(prefix: Prefix, { ipv4, ipv6 }: Granularity): Prefix {
  const length = prefix.family === 4 ? ipv4 : ipv6;
  return prefix.length <= length ? prefix : makePrefix(prefix.family, prefix.bytes, length);
}
