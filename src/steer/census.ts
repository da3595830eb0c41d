import { type Address, formatAddress } from '../core/base/prefix.ts';

/** One resolver that asks for our names. */
export interface ResolverCount {
  readonly address: string;
  /** Queries since it was first seen. */
  readonly queries: number;
  /** Of all recent queries, 0 to 1; recent weighs by a half-life of ten minutes. */
  readonly share: number;
  /** Unix time, ms. */
  readonly lastAtMs: number;
}

interface Entry {
  queries: number;
  /** Recent queries in units of the epoch's weight: a later query counts for more, so nothing needs decaying. */
  weight: number;
  lastAtMs: number;
}

const halfLifeMs = 600_000;

/**
 * Who asks, in bounded memory. When it is full the lighter half goes: a flood of forged sources, each
 * asking once, cannot push out a resolver that asks on.
 */
export class ResolverCensus {
  forgotten = 0;
  readonly #capacity: number;
  readonly #entries = new Map<string, Entry>();
  #epochMs: number;
  #total = 0;

  /** `nowMs` is Unix time. An entry takes about 200 octets. */
  constructor(nowMs: number, capacity = 16_384) {
    this.#capacity = capacity;
    this.#epochMs = nowMs;
  }

  note(address: Address, queries: number, nowMs: number): void {
    const key = formatAddress(address.bytes);
    let entry = this.#entries.get(key);
    if (!entry) {
      if (this.#entries.size >= this.#capacity) this.#forgetLighterHalf();
      entry = { queries: 0, weight: 0, lastAtMs: nowMs };
      this.#entries.set(key, entry);
    }
    const weight = queries * this.#weightAt(nowMs);
    entry.queries += queries;
    entry.weight += weight;
    entry.lastAtMs = nowMs;
    this.#total += weight;
  }

  /** The heaviest first. */
  top(count: number): readonly ResolverCount[] {
    return [...this.#entries]
      .sort(([, a], [, b]) => b.weight - a.weight)
      .slice(0, count)
      .map(([address, { queries, weight, lastAtMs }]) => ({
        address,
        queries,
        share: this.#total > 0 ? weight / this.#total : 0,
        lastAtMs,
      }));
  }

  get size(): number {
    return this.#entries.size;
  }

  #weightAt(nowMs: number): number {
    const halfLives = (nowMs - this.#epochMs) / halfLifeMs;
    if (halfLives < 64) return 2 ** halfLives;
    // A new epoch now and then, or the weights would outgrow a double.
    for (const entry of this.#entries.values()) entry.weight /= 2 ** halfLives;
    this.#total /= 2 ** halfLives;
    this.#epochMs = nowMs;
    return 1;
  }

  #forgetLighterHalf(): void {
    const byWeight = [...this.#entries].sort(([, a], [, b]) => a.weight - b.weight);
    for (const [address] of byWeight.slice(0, Math.ceil(byWeight.length / 2))) {
      this.#entries.delete(address);
      this.forgotten++;
    }
  }
}
