import { type Address, formatPrefix, makePrefix } from '../core/base/prefix.ts';
import type { LinkId } from '../core/base/units.ts';

/** Why a probe was not sent now. */
export type BudgetRefusal = 'link_budget' | 'network_budget' | 'never' | 'prohibited';

export interface BudgetLimits {
  /** Probes per second over one link. */
  readonly perLink: number;
  /** Probes per second into one /24 or /48, over all links. */
  readonly perNetwork: number;
  /** How long a network is left alone after "administratively prohibited", milliseconds. */
  readonly prohibitedForMs: number;
}

/** Refuses probes that would be impolite. Pure: the time comes with each question. */
export class ProbeBudget {
  readonly #limits: BudgetLimits;
  readonly #isNever: (address: Address) => boolean;
  readonly #links = new Map<LinkId, Bucket>();
  readonly #networks = new Map<string, Bucket>();
  readonly #prohibitedUntilMs = new Map<string, number>();

  constructor(limits: BudgetLimits, isNever: (address: Address) => boolean) {
    this.#limits = limits;
    this.#isNever = isNever;
  }

  /** Takes one probe from the budgets, or says which of them refuses it. */
  take(link: LinkId, address: Address, nowMs: number): BudgetRefusal | undefined {
    if (this.#isNever(address)) return 'never';
    const network = networkOf(address);
    if ((this.#prohibitedUntilMs.get(network) ?? 0) > nowMs) return 'prohibited';
    const { perLink, perNetwork } = this.#limits;
    const linkBucket = claim(this.#links, link, perLink, nowMs);
    const networkBucket = claim(this.#networks, network, perNetwork, nowMs);
    if (linkBucket.tokens < 1) return 'link_budget';
    if (networkBucket.tokens < 1) return 'network_budget';
    linkBucket.tokens--;
    networkBucket.tokens--;
    this.#forgetIdle(nowMs);
    return undefined;
  }

  /** Somebody at that network asked us to stop. */
  prohibit(address: Address, nowMs: number): void {
    this.#prohibitedUntilMs.set(networkOf(address), nowMs + this.#limits.prohibitedForMs);
  }

  isProhibited(address: Address, nowMs: number): boolean {
    return (this.#prohibitedUntilMs.get(networkOf(address)) ?? 0) > nowMs;
  }

  /** A bucket that is full again says nothing: the map holds only networks probed of late. */
  #forgetIdle(nowMs: number): void {
    if (this.#networks.size < 1024) return;
    for (const [network, bucket] of this.#networks) {
      if (nowMs - bucket.filledMs > 10_000) this.#networks.delete(network);
    }
  }
}

/** A second's worth can be saved up, at least one probe. */
interface Bucket {
  tokens: number;
  filledMs: number;
}

function claim<K>(buckets: Map<K, Bucket>, key: K, perSecond: number, nowMs: number): Bucket {
  const depth = Math.max(1, perSecond);
  let bucket = buckets.get(key);
  if (!bucket) {
    bucket = { tokens: depth, filledMs: nowMs };
    buckets.set(key, bucket);
  }
  const gained = (Math.max(0, nowMs - bucket.filledMs) / 1000) * perSecond;
  bucket.tokens = Math.min(depth, bucket.tokens + gained);
  bucket.filledMs = nowMs;
  return bucket;
}

/** The /24 or /48 that stands for one administration. */
export function networkOf(address: Address): string {
  return formatPrefix(makePrefix(address.family, address.bytes, address.family === 4 ? 24 : 48));
}
