import { bound, countAtMost, feasibility, type PricedLink } from './bound.ts';
import { type Ahead, canRetreat, cheapestOrder, fillInOrder, reservedSamples } from './guard.ts';
import { kthLargest } from './percentile.ts';

/**
 * Percentile control within one billing period: commits per link chosen from history, the free samples of each link
 * spent where demand exceeds them, and the commits raised early when the forecast says that the free samples will
 * not last. A plain value; `step` functions return the next one.
 */
export interface Pacing {
  readonly links: readonly PricedLink[];
  /** Free samples of a link in the period. */
  readonly free: number;
  /** The optimum of history, from which commits grow and shrink to the level that the forecast sets. */
  readonly shape: readonly number[];
  /** Volume by link that is not exceeded but in free samples. */
  readonly commits: readonly number[];
  /** Volumes by link of the samples that ended, newest last. */
  readonly volumes: ReadonlyArray<readonly number[]>;
  /** Free samples left by link at the present commits. */
  readonly left: readonly number[];
  /** Those of them that are not kept for a surge. */
  readonly spendable: readonly number[];
  /** Whether the cheapest links are filled first for now, because more free samples spent could make that dearer. */
  readonly isRetreating: boolean;
}

export interface PacingOptions {
  /** Share of the free samples that the forecast may not count on. */
  readonly reserve: number;
  /** How far below the forecast the commits are kept while the whole period is still to come: raising can wait. */
  readonly patience: number;
  /** Samples of history's level that are mixed into the level so far, so that the first hours do not decide alone. */
  readonly priorSamples: number;
  /** Samples over which the present level is taken. */
  readonly levelSamples: number;
}

/** Found on seeds 1 to 25 of the generator; the bench scores other seeds apart. */
export const defaultPacing: PacingOptions = {
  reserve: 0,
  patience: 0,
  priorSamples: 288,
  levelSamples: 2016,
};

/** What a sample may end above its commit by the noise of its last steps without counting as a free one. */
const tolerance = 1.01;
/** The same as a share of all commits: a link without a commit gets a trickle when another is full for a moment. */
const slackOfAll = 0.003;

/** What all commits together may be exceeded by without spending a free sample. */
const overshoot = 0.004;
/** A burst is chosen for this much more than expected: a second one in the same sample would be a waste. */
const burstMargin = 0.005;
/**
 * A link whose optimal commit is nearer to its capacity than this has bursts too small to plan with: it is filled,
 * as cheapest-first would, and the others are paced.
 */
const tooNarrow = 0.85;
/** Samples that may be spent until the commits are set again: an hour, and some more. */
const lookAhead = 14;
/** How much more the expected mean may be above them at the beginning of a sample. */
const doubt = 0.02;

/** Begins a period from the demand of an earlier one of the same length. */
export function beginPacing(
  history: ArrayLike<number>,
  links: readonly PricedLink[],
  free: number,
  options: PacingOptions = defaultPacing,
): Pacing {
  const kept = reservedSamples(links, Float64Array.from(history));
  const budget = kept.map((own) => Math.max(0, Math.floor(free * (1 - options.reserve)) - own));
  const plan = bound(history, links, budget);
  const commits = concentrate(
    links.map(({ capacity }, k) => plan?.commits[k] ?? capacity),
    links,
  ).map((volume, k) => {
    const { capacity } = links[k] ?? { capacity: 0 };
    return volume > tooNarrow * capacity ? capacity : volume;
  });
  return {
    links,
    free,
    shape: commits,
    commits,
    volumes: [],
    left: links.map(() => free),
    spendable: budget,
    isRetreating:
      !hasSpare(links, budget) ||
      leansOnReserve(links, commits, budget, chargedAt(history, free)) ||
      !canRetreat(links, free, [], Float64Array.from(history), aheadOf(commits)),
  };
}

/**
 * Sets the commits to the least level at which the free samples that would be left last for the rest of the period,
 * as forecast from `history`: raised early when demand grows, lowered again as far as what was used allows.
 */
export function repace(
  pacing: Pacing,
  history: Float64Array,
  options: PacingOptions = defaultPacing,
): Pacing {
  const { links, free, volumes, shape } = pacing;
  const lower = 1 - options.patience * (1 - volumes.length / history.length);
  const level = presentLevel(pacing, history, options);
  const forecast = history.subarray(volumes.length).map((value) => value * level * lower);
  const carries = feasibility(forecast, links);
  const kept = reservedSamples(links, forecast);
  const used = links.map((_, k) => Float64Array.from(volumes, (entry) => entry[k] ?? 0).sort());
  const fits = (commits: readonly number[]): boolean => {
    const left = leftAt(commits, used, free);
    if (left.some((count) => count < 0)) return false;
    const spare = left.map((count, k) =>
      Math.max(0, Math.floor(count - options.reserve * free) - (kept[k] ?? 0)),
    );
    return carries(commits, spare);
  };
  const full = links.map((link) => link.capacity);
  let low = 0.5;
  let high =
    full.reduce((a, b) => a + b, 0) /
    Math.max(
      1,
      shape.reduce((a, b) => a + b, 0),
    );
  for (let i = 0; i < 16; i++) {
    const middle = (low + high) / 2;
    if (fits(resize(shape, links, middle))) high = middle;
    else low = middle;
  }
  const commits = resize(shape, links, high);
  const left = leftAt(commits, used, free);
  const spendable = left.map((count, k) => count - (kept[k] ?? 0));
  const totals = volumes.map((carried) => carried.reduce((a, b) => a + b, 0));
  const charged = chargedAt([...totals, ...forecast], free);
  const isRetreating =
    !hasSpare(links, spendable) ||
    leansOnReserve(links, commits, spendable, charged) ||
    !canRetreat(links, free, volumes, forecast, aheadOf(commits));
  return { ...pacing, commits, left, spendable, isRetreating };
}

/** Whether a link dearer than the cheapest has samples to spend: without, nothing is to be won by pacing. */
function hasSpare(links: readonly PricedLink[], spendable: readonly number[]): boolean {
  const least = Math.min(...links.map(({ price }) => price));
  const isEven = links.every(({ price }) => price === least);
  return isEven || links.some(({ price }, k) => price > least && (spendable[k] ?? 0) > 0);
}

/**
 * Whether a dear link would carry more day by day than what cheapest-first is charged for on it, though all its free
 * samples are kept for a surge: every sample of that would be one of them.
 */
function leansOnReserve(
  links: readonly PricedLink[],
  commits: readonly number[],
  spendable: readonly number[],
  charged: number,
): boolean {
  const order = cheapestOrder(links);
  const limits = links.map(({ capacity }) => capacity);
  const filled = fillInOrder(order, limits, charged);
  const slack = slackOfAll * commits.reduce((a, b) => a + b, 0);
  return order
    .slice(1)
    .some((k) => (spendable[k] ?? 0) <= 0 && (commits[k] ?? 0) > (filled[k] ?? 0) + slack);
}

const chargedAt = (demands: ArrayLike<number>, free: number): number =>
  kthLargest(Float64Array.from(demands), free);

const aheadOf = (commits: readonly number[]): Ahead => ({
  samples: lookAhead,
  commits,
  calm: commits.reduce((a, b) => a + b, 0) * (1 - overshoot - doubt),
});

/**
 * The commits of links of one price put on as few of them as carry it: the cost is the same, and it is what
 * cheapest-first would do, so that going back to it costs nothing.
 */
function concentrate(volumes: readonly number[], links: readonly PricedLink[]): readonly number[] {
  const commits = volumes.map(() => 0);
  for (const price of new Set(links.map((link) => link.price))) {
    const limits = links.map((link) => (link.price === price ? link.capacity : 0));
    const filled = fillInOrder(cheapestOrder(links), limits, classSum(volumes, links, price));
    for (let k = 0; k < links.length; k++) commits[k] = (commits[k] ?? 0) + (filled[k] ?? 0);
  }
  return commits;
}

/** A commit above this share of its link's capacity leaves just enough to make bursts worth while: it grows last. */
const nearlyFull = 0.75;

/**
 * The commits at `factor` times their sum: growth goes to the cheapest links that have room, shrinkage comes from
 * the dearest; links of one price share it by their size. Grows with `factor` in every part.
 */
export function resize(
  shape: readonly number[],
  links: readonly PricedLink[],
  factor: number,
): readonly number[] {
  const sum = shape.reduce((a, b) => a + b, 0);
  const commits = [...shape];
  const prices = [...new Set(links.map((link) => link.price))].sort((a, b) => a - b);
  let change = sum * (factor - 1);
  if (change < 0) {
    for (const price of [...prices].reverse()) {
      const own = classSum(commits, links, price);
      const taken = Math.min(own, -change);
      for (let k = 0; k < links.length; k++)
        if (links[k]?.price === price && own > 0)
          commits[k] = (commits[k] ?? 0) * (1 - taken / own);
      change += taken;
    }
    return commits;
  }
  const ceilings = links.map(({ capacity }, k) => Math.max(shape[k] ?? 0, nearlyFull * capacity));
  for (const limits of [ceilings, links.map((link) => link.capacity)]) {
    for (const price of prices) {
      const room = links.map((link, k) =>
        link.price === price ? Math.max(0, (limits[k] ?? 0) - (commits[k] ?? 0)) : 0,
      );
      const given = fillInOrder(cheapestOrder(links), room, change);
      for (let k = 0; k < links.length; k++) {
        commits[k] = (commits[k] ?? 0) + (given[k] ?? 0);
        change -= given[k] ?? 0;
      }
    }
  }
  return commits;
}

function classSum(commits: readonly number[], links: readonly PricedLink[], price: number): number {
  return commits.reduce((sum, own, k) => sum + (links[k]?.price === price ? own : 0), 0);
}

/** How demand compares with the same samples of history. */
export function presentLevel(
  pacing: Pacing,
  history: Float64Array,
  options: PacingOptions = defaultPacing,
): number {
  const done = pacing.volumes.length;
  let now = 0;
  let then = 0;
  for (let i = Math.max(0, done - options.levelSamples); i < done; i++) {
    now += (pacing.volumes[i] ?? []).reduce((a, b) => a + b, 0);
    then += history[i] ?? 0;
  }
  const mean = history.reduce((a, b) => a + b, 0) / history.length;
  const prior = mean * options.priorSamples;
  return (now + prior) / (then + prior);
}

/** Notes the volumes that a sample ended with. */
export function endSample(pacing: Pacing, volumes: readonly number[]): Pacing {
  const { commits, left } = pacing;
  const slack = slackOfAll * commits.reduce((a, b) => a + b, 0);
  const isOver = (k: number) => (volumes[k] ?? 0) > (commits[k] ?? 0) * tolerance + slack;
  return {
    ...pacing,
    volumes: [...pacing.volumes, volumes],
    // Without free samples a link that exceeds has a new commit.
    commits: commits.map((commit, k) =>
      isOver(k) && (left[k] ?? 0) <= 0 ? (volumes[k] ?? commit) : commit,
    ),
    left: left.map((count, k) => (isOver(k) ? count - 1 : count)),
    spendable: pacing.spendable.map((count, k) => (isOver(k) ? count - 1 : count)),
  };
}

/**
 * How to split a sample whose mean is expected to be `demand`: up to the commits while it fits, else a set of links
 * with free samples exceeds. `bursting` are those that exceed already in this sample; `progress` is how much of it
 * has passed (0 to 1): early in a sample its mean is not known well, and a burst begun cannot be taken back.
 */
export function allot(
  pacing: Pacing,
  demand: number,
  bursting: number,
  progress = 1,
): { readonly shares: readonly number[]; readonly bursting: number } {
  const { links, commits } = pacing;
  if (pacing.isRetreating) {
    const limits = links.map((link) => link.capacity);
    const volumes = fillInOrder(cheapestOrder(links), limits, demand);
    return { shares: volumes.map((volume) => volume / Math.max(1e-9, demand)), bursting };
  }
  const calm = commits.reduce((a, b) => a + b, 0);
  const allowance = 1 + overshoot + (1 - progress) * doubt;
  if (bursting === 0 && demand <= calm * allowance)
    return { shares: fillCheapest(pacing, demand), bursting };
  const set = chooseBurst(pacing, demand, bursting);
  const volumes = commits.map((volume, k) => Math.min(volume, links[k]?.capacity ?? 0));
  let rest = demand - volumes.reduce((a, b) => a + b, 0);
  for (const inSet of [true, false]) {
    for (let k = 0; k < links.length && rest > 0; k++) {
      if (((set & (1 << k)) !== 0) !== inSet) continue;
      const more = Math.min(rest, (links[k]?.capacity ?? 0) - (volumes[k] ?? 0));
      volumes[k] = (volumes[k] ?? 0) + more;
      rest -= more;
    }
  }
  const placed = volumes.reduce((a, b) => a + b, 0);
  return { shares: volumes.map((volume) => volume / Math.max(1e-9, placed)), bursting: set };
}

/** Cheapest links first, each to its commit. What is above all commits is spread over them. */
function fillCheapest({ links, commits }: Pacing, demand: number): readonly number[] {
  const volumes = fillInOrder(cheapestOrder(links), commits, demand);
  const placed = volumes.reduce((a, b) => a + b, 0);
  return volumes.map((volume) => volume / Math.max(1e-9, placed));
}

/** Free samples left by link if these were the commits; negative when more were used. `used` ascends. */
function leftAt(commits: readonly number[], used: readonly Float64Array[], free: number): number[] {
  const slack = slackOfAll * commits.reduce((a, b) => a + b, 0);
  return commits.map((commit, k) => {
    const volumes = used[k] ?? new Float64Array();
    return free - (volumes.length - countAtMost(volumes, commit * tolerance + slack));
  });
}

/**
 * The set of links that should exceed: the one that carries the demand with least to spare, so that the free samples
 * of large links are kept for the peaks that only they can carry; among equals, the one with most of them left.
 */
function chooseBurst(pacing: Pacing, demand: number, bursting: number): number {
  const { links, commits, spendable } = pacing;
  const wanted = demand * (1 + burstMargin);
  let best = { set: bursting, cost: Number.POSITIVE_INFINITY };
  for (let set = 0; set < 1 << links.length; set++) {
    if ((set & bursting) !== bursting) continue;
    let carried = 0;
    let spent = 0;
    let scarcity = 0;
    for (let k = 0; k < links.length; k++) {
      const isIn = (set & (1 << k)) !== 0;
      carried += isIn ? (links[k]?.capacity ?? 0) : (commits[k] ?? 0);
      if (!isIn || (bursting & (1 << k)) !== 0) continue;
      spent++;
      const own = spendable[k] ?? 0;
      scarcity += own > 0 ? 1 / own : 1000 * (links[k]?.price ?? 1);
    }
    if (carried < wanted) continue;
    // One more link costs more than any spare capacity; an exhausted link more than any number of others.
    const cost = spent + (carried - wanted) / wanted / 10 + scarcity;
    if (cost < best.cost) best = { set, cost };
  }
  return best.set;
}
