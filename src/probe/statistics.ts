/** Statistics of probes: pure, exact where samples are few. */

/** What one window of probes says. */
export interface ProbeSummary {
  readonly sent: number;
  readonly lost: number;
  readonly lossRatio: number;
  /** 95 % interval of the loss (Wilson). */
  readonly lossLow: number;
  readonly lossHigh: number;
  /** Median of what was reached, microseconds; undefined without answers. */
  readonly rttUs: number | undefined;
  /** 95 % interval of the median, by order statistics. */
  readonly rttUsLow: number | undefined;
  readonly rttUsHigh: number | undefined;
  /** Mean difference of consecutive round trips (RFC 3550 section 6.4.1 without smoothing). */
  readonly jitterUs: number | undefined;
}

/** `rtts` in the order of sending; lost probes are undefined. */
export function summarise(rtts: readonly (number | undefined)[]): ProbeSummary {
  const reached = rtts.filter((rtt) => rtt !== undefined);
  const lost = rtts.length - reached.length;
  const [lossLow, lossHigh] = wilson(lost, rtts.length);
  const sorted = reached.toSorted((a, b) => a - b);
  const [low, high] = medianBounds(sorted.length);
  return {
    sent: rtts.length,
    lost,
    lossRatio: rtts.length === 0 ? 0 : lost / rtts.length,
    lossLow,
    lossHigh,
    rttUs: median(sorted),
    rttUsLow: sorted[low],
    rttUsHigh: sorted[high],
    jitterUs: jitter(reached),
  };
}

/** Wilson's score interval for `hits` of `total` at 95 %: sensible at 0 hits and for few trials. */
export function wilson(hits: number, total: number, z = 1.96): readonly [number, number] {
  if (total === 0) return [0, 1];
  const p = hits / total;
  const z2 = z * z;
  const centre = (p + z2 / (2 * total)) / (1 + z2 / total);
  const half = (z / (1 + z2 / total)) * Math.sqrt((p * (1 - p)) / total + z2 / (4 * total * total));
  // Rounding must not move the ends away from what is certain.
  return [hits === 0 ? 0 : centre - half, hits === total ? 1 : centre + half];
}

export function median(sorted: readonly number[]): number | undefined {
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle];
  const [a, b] = [sorted[middle - 1], sorted[middle]];
  return a === undefined || b === undefined ? undefined : (a + b) / 2;
}

/** Indexes of the order statistics that hold the median with 95 % (normal approximation of the binomial). */
function medianBounds(count: number): readonly [number, number] {
  const half = 0.98 * Math.sqrt(count);
  const low = Math.max(0, Math.floor(count / 2 - half));
  return [low, Math.max(0, count - 1 - low)];
}

function jitter(rtts: readonly number[]): number | undefined {
  if (rtts.length < 2) return undefined;
  let sum = 0;
  for (let i = 1; i < rtts.length; i++) sum += Math.abs((rtts[i] ?? 0) - (rtts[i - 1] ?? 0));
  return sum / (rtts.length - 1);
}

/**
 * Probability that the rates of two groups differ by chance as they do: Fisher's exact test, two-sided.
 * Exact for the small windows that probes give.
 */
export function fisher(hitsA: number, totalA: number, hitsB: number, totalB: number): number {
  const hits = hitsA + hitsB;
  const total = totalA + totalB;
  const logOf = (inA: number) =>
    logChoose(totalA, inA) + logChoose(totalB, hits - inA) - logChoose(total, hits);
  const seen = logOf(hitsA);
  let probability = 0;
  for (let inA = Math.max(0, hits - totalB); inA <= Math.min(hits, totalA); inA++) {
    const log = logOf(inA);
    // Tables as unlikely as the one seen; the slack is for rounding.
    if (log <= seen + 1e-9) probability += Math.exp(log);
  }
  return Math.min(1, probability);
}

function logChoose(n: number, k: number): number {
  let log = 0;
  for (let i = 1; i <= k; i++) log += Math.log((n - k + i) / i);
  return log;
}

/**
 * Probability that two groups of round trips come from one distribution: Mann and Whitney's test with
 * the normal approximation and mid-ranks for ties; good from about eight samples in each.
 */
export function mannWhitney(a: readonly number[], b: readonly number[]): number {
  if (a.length === 0 || b.length === 0) return 1;
  const all = [
    ...a.map((value) => ({ value, isA: true })),
    ...b.map((value) => ({ value, isA: false })),
  ].sort((x, y) => x.value - y.value);
  let rankSumA = 0;
  let ties = 0;
  for (let from = 0; from < all.length; ) {
    let to = from;
    while (to < all.length && all[to]?.value === all[from]?.value) to++;
    const rank = (from + 1 + to) / 2;
    rankSumA += rank * all.slice(from, to).filter(({ isA }) => isA).length;
    ties += (to - from) ** 3 - (to - from);
    from = to;
  }
  const n = all.length;
  const product = a.length * b.length;
  const u = rankSumA - (a.length * (a.length + 1)) / 2;
  const variance = (product / 12) * (n + 1 - ties / (n * (n - 1)));
  if (variance <= 0) return 1;
  // Half a step towards the middle: the continuity correction.
  const distance = Math.max(0, Math.abs(u - product / 2) - 0.5);
  return 2 * (1 - normalCdf(distance / Math.sqrt(variance)));
}

/** Zelen and Severo's approximation (Abramowitz and Stegun 26.2.17), error below 7.5e-8. */
function normalCdf(x: number): number {
  const t = 1 / (1 + 0.2316419 * x);
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  const tail =
    density *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - tail;
}

export type ChangeKind = 'loss' | 'delay';
export interface ProbeChange {
  readonly kind: ChangeKind;
  /** Loss 0 to 1, or median delay in microseconds. */
  readonly before: number;
  readonly after: number;
  /** Probability that chance alone makes such a difference. */
  readonly chance: number;
}

/** A difference below these means nothing to a decision, however certain it is. */
const lossStepMin = 0.005;
const delayStepUsMin = 1000;
const delayStepRatioMin = 0.05;

/** What really changed between two windows of one (link, target): both certain and large enough to matter. */
export function changesBetween(
  before: readonly (number | undefined)[],
  after: readonly (number | undefined)[],
  significance: number,
): ProbeChange[] {
  const changes: ProbeChange[] = [];
  const [was, is] = [summarise(before), summarise(after)];
  const lossChance = fisher(was.lost, was.sent, is.lost, is.sent);
  if (lossChance < significance && Math.abs(is.lossRatio - was.lossRatio) >= lossStepMin) {
    changes.push({ kind: 'loss', before: was.lossRatio, after: is.lossRatio, chance: lossChance });
  }
  if (was.rttUs === undefined || is.rttUs === undefined) return changes;
  const step = Math.abs(is.rttUs - was.rttUs);
  const stepMin = Math.max(delayStepUsMin, was.rttUs * delayStepRatioMin);
  const known = (window: readonly (number | undefined)[]) =>
    window.filter((rtt) => rtt !== undefined);
  const delayChance = mannWhitney(known(before), known(after));
  if (delayChance < significance && step >= stepMin) {
    changes.push({ kind: 'delay', before: was.rttUs, after: is.rttUs, chance: delayChance });
  }
  return changes;
}
