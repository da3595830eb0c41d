import { fnv1a } from './choice.ts';

export interface RateLimitPolicy {
  /** Like responses per second to one network over UDP; 0 limits nothing. */
  readonly responsesPerSecond: number;
  /** Every n-th response over the limit goes out truncated, so that a real resolver asks again by TCP; 0 none. */
  readonly slip: number;
}

export type RateVerdict = 'send' | 'slip' | 'drop';

/**
 * Response rate limiting: a token bucket per (network, what is answered), in a table of fixed size.
 * A bucket looked for in 4 places; the one longest unused gives way, so that a flood of forged
 * networks costs others at most their memory of having been limited.
 */
export class RateLimit {
  readonly #policy: RateLimitPolicy;
  readonly #tags: Uint32Array;
  readonly #tokens: Float32Array;
  readonly #usedAtMs: Float64Array;
  #overLimit = 0;

  /** `slots` is a power of two; 16 octets each. */
  constructor(policy: RateLimitPolicy, slots = 65_536) {
    this.#policy = policy;
    this.#tags = new Uint32Array(slots);
    this.#tokens = new Float32Array(slots);
    this.#usedAtMs = new Float64Array(slots).fill(Number.NEGATIVE_INFINITY);
  }

  /** Counts one response. `subject` tells unlike responses apart; a second's worth may come at once. */
  judge(network: Uint8Array, subject: number, nowMs: number): RateVerdict {
    const { responsesPerSecond: rate, slip } = this.#policy;
    if (rate === 0) return 'send';
    const tag = fnv1a(network, subject);
    const slot = this.#find(tag);
    const elapsedS = (nowMs - (this.#usedAtMs[slot] ?? 0)) / 1000;
    const tokens = Math.min(rate, (this.#tokens[slot] ?? 0) + Math.max(0, elapsedS) * rate);
    this.#usedAtMs[slot] = nowMs;
    this.#tokens[slot] = tokens >= 1 ? tokens - 1 : tokens;
    if (tokens >= 1) return 'send';
    this.#overLimit++;
    return slip > 0 && this.#overLimit % slip === 0 ? 'slip' : 'drop';
  }

  #find(tag: number): number {
    const mask = this.#tags.length - 1;
    let oldest = tag & mask;
    for (let probe = 0; probe < 4; probe++) {
      const slot = (tag + probe) & mask;
      const usedAt = this.#usedAtMs[slot] ?? 0;
      if (this.#tags[slot] === tag && usedAt > Number.NEGATIVE_INFINITY) return slot;
      if (usedAt < (this.#usedAtMs[oldest] ?? 0)) oldest = slot;
    }
    this.#tags[oldest] = tag;
    this.#tokens[oldest] = this.#policy.responsesPerSecond;
    this.#usedAtMs[oldest] = Number.NEGATIVE_INFINITY;
    return oldest;
  }
}
