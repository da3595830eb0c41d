import type { ProbeOutcome } from './engine.ts';
import { changesBetween, type ProbeChange, type ProbeSummary, summarise } from './statistics.ts';

/** Probes remembered per link and target. */
const windowMax = 60;
/** The newest of them, which are compared with the others. */
const recentCount = 20;
/** The comparison is made once in so many probes: every look is another chance to be fooled. */
const compareEvery = 10;

/** The last outcomes of one target over one link. */
export class ProbeTrack {
  #rtts: (number | undefined)[] = [];
  /** When each outcome was known. */
  #times: number[] = [];
  #noted = 0;
  /** Lowest round trip ever seen: what the path takes without queues. */
  #rttUsMin = Number.POSITIVE_INFINITY;
  lastMs = Number.NEGATIVE_INFINITY;
  reachedMs = Number.NEGATIVE_INFINITY;

  /** Returns what has really changed, most often nothing. */
  note(outcome: ProbeOutcome, nowMs: number, significance: number): readonly ProbeChange[] {
    if (outcome.kind === 'not_sent') return [];
    const rtt = outcome.kind === 'reached' ? outcome.rttUs : undefined;
    this.#rtts.push(rtt);
    this.#times.push(nowMs);
    if (this.#rtts.length > windowMax) {
      this.#rtts.shift();
      this.#times.shift();
    }
    this.lastMs = nowMs;
    if (rtt !== undefined) {
      this.reachedMs = nowMs;
      this.#rttUsMin = Math.min(this.#rttUsMin, rtt);
    }
    this.#noted++;
    if (this.#noted % compareEvery !== 0 || this.#rtts.length < 2 * recentCount) return [];
    const changes = changesBetween(
      this.#rtts.slice(0, -recentCount),
      this.#rtts.slice(-recentCount),
      significance,
    );
    // What has been said is the new normal.
    if (changes.length > 0) {
      this.#rtts = this.#rtts.slice(-recentCount);
      this.#times = this.#times.slice(-recentCount);
    }
    return changes;
  }

  /** Of the last `count` probes, or of all that are remembered. */
  summary(count: number = windowMax): ProbeSummary {
    return summarise(this.#rtts.slice(-count));
  }

  /** Losses since the last answer; undefined before the first answer. */
  lostInARow(): number | undefined {
    if (this.reachedMs === Number.NEGATIVE_INFINITY) return undefined;
    const last = this.#rtts.findLastIndex((rtt) => rtt !== undefined);
    return this.#rtts.length - 1 - last;
  }

  /** Probes whose outcome was known at `fromMs` or later, as far as they are remembered. */
  since(fromMs: number): { readonly sent: number; readonly lost: number } {
    let sent = 0;
    let lost = 0;
    for (let i = this.#times.length - 1; i >= 0 && (this.#times[i] ?? 0) >= fromMs; i--) {
      sent++;
      if (this.#rtts[i] === undefined) lost++;
    }
    return { sent, lost };
  }

  /** Median of the newest round trips above the lowest ever: queues on the way. */
  delayGrowthUs(): number | undefined {
    const { rttUs } = this.summary(recentCount);
    return rttUs === undefined ? undefined : rttUs - this.#rttUsMin;
  }
}
