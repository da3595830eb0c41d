import { formatPrefix, parseAddress, parsePrefix } from '../core/base/prefix.ts';
import { PrefixTrie } from '../core/base/trie.ts';
import { type Bitps, bitps, type LinkId, type Ms, type PrefixText } from '../core/base/units.ts';
import {
  decideResolvers,
  explainResolver,
  type PathSample,
  type ProviderSample,
  type ResolverEntry,
  type ResolverPlan,
  type ResolverPolicy,
} from '../core/decide/resolvers.ts';
import { type Granularity, networkOf } from '../core/wire/dns/steering.ts';
import type { Steer } from './index.ts';
import { weightsOfPlan } from './plan.ts';

/** One round's measurements of the ways in. */
export interface ResolverMeasurements {
  readonly at: Ms;
  readonly providers: readonly ProviderSample[];
  /** Inbound rate that our answers steer, all resolvers together. */
  readonly steeredRate: Bitps;
  /** By network and provider; a path that is absent counts as not returning. */
  readonly paths: ReadonlyArray<PathSample & { readonly network: PrefixText }>;
}

export interface ResolverNetwork {
  readonly network: PrefixText;
  /** A resolver of it: what probes ask, or a neighbour of it. */
  readonly address: string;
  /** All resolvers of it that are known, the busiest first. */
  readonly addresses: readonly string[];
  /** Of all recent queries, 0 to 1. */
  readonly share: number;
}

/**
 * From who asks and how far they are to what they are answered. The caller probes `networks()` by every
 * provider and hands the round's measurements to `turn`.
 */
export class ResolverCycle {
  readonly #steer: Steer;
  readonly #policy: ResolverPolicy;
  readonly #granularity: Granularity;
  #plan: ResolverPlan | undefined;
  #entries = new PrefixTrie<ResolverEntry>();

  constructor(steer: Steer, policy: ResolverPolicy, granularity: Granularity) {
    this.#steer = steer;
    this.#policy = policy;
    this.#granularity = granularity;
  }

  /** The plan in force, if there is one. */
  get plan(): ResolverPlan | undefined {
    return this.#plan;
  }

  /** The networks of the resolvers that matter, the busiest first; scanners ask too little to be among them. */
  networks(): readonly ResolverNetwork[] {
    const found = new Map<PrefixText, { readonly addresses: string[]; share: number }>();
    for (const { address, share } of this.#steer.snapshot().resolvers) {
      const parsed = parseAddress(address);
      if (!parsed.ok) continue;
      const network = formatPrefix(networkOf(parsed.value, this.#granularity));
      const known = found.get(network) ?? { addresses: [], share: 0 };
      found.set(network, known);
      known.share += share;
      known.addresses.push(address);
    }
    return [...found]
      .map(([network, { addresses, share }]) => ({
        network,
        // The first of a network is its busiest.
        address: addresses[0] ?? '',
        addresses,
        share,
      }))
      .filter(({ share }) => share >= this.#policy.minShare)
      .sort((a, b) => b.share - a.share || (a.network < b.network ? -1 : 1));
  }

  /**
   * Decides, and answers accordingly from the next query on. With `isActing` false (modes `observe` and
   * `advise`) the plan is made and can be explained, but everybody is answered by its default.
   */
  turn(measured: ResolverMeasurements, isActing: boolean): ResolverPlan {
    const resolvers = this.networks().map(({ network, share }) => ({
      network,
      rate: bitps(share * measured.steeredRate),
      paths: measured.paths.filter((path) => path.network === network),
    }));
    const { at, providers } = measured;
    const plan = decideResolvers({ at, providers, resolvers }, this.#policy, this.#plan);
    this.#plan = plan;
    this.#entries = new PrefixTrie();
    for (const entry of plan.entries) {
      const prefix = parsePrefix(entry.network);
      if (prefix.ok) this.#entries.set(prefix.value, entry);
    }
    this.#steer.publish(weightsOfPlan(isActing ? plan : { ...plan, entries: [] }));
    return plan;
  }

  /** Of the recent queries of resolvers that have a plan of their own, those that it sends to a link, 0 to 1. */
  shareOf(link: LinkId): number {
    let all = 0;
    let sent = 0;
    for (const { network, share } of this.networks()) {
      const entry = this.#plan?.entries.find((candidate) => candidate.network === network);
      if (!entry) continue;
      all += share;
      sent += share * (entry.shares.find((part) => part.link === link)?.share ?? 0);
    }
    return all > 0 ? sent / all : 0;
  }

  /** The plan of the network that an address is in; undefined where it has none. */
  entryOf(address: string): ResolverEntry | undefined {
    const parsed = parseAddress(address);
    return parsed.ok ? this.#entries.match(parsed.value) : undefined;
  }

  /** Why a resolver is answered as it is; undefined where `address` is none. */
  explain(address: string): string | undefined {
    const parsed = parseAddress(address);
    if (!parsed.ok) return undefined;
    const entry = this.entryOf(address);
    if (entry) return explainResolver(entry);
    const shares = (this.#plan?.default ?? []).map(
      ({ link, share }) => `${link} ${Math.round(share * 100)} %`,
    );
    return shares.length > 0
      ? `${address}: no plan of its own (too few queries, or nothing measured): ${shares.join(', ')}`
      : `${address}: no plan yet`;
  }
}
