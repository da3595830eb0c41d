/**
 * Recorded decisions taken again, under the same or another policy: what would have been moved, and what the links
 * would have carried. Where the other plan has a block as it was, the block came in as it was seen; elsewhere it is
 * put where the unbiased Internet had it, moved by what the recorded effects say of its rung.
 */
import { bitps, type LinkId } from '../base/units.ts';
import type { BlockObservation, Observation } from '../model/observation.ts';
import type { BlockPlan, Plan } from '../model/plan.ts';
import { freeSamples, kthLargest } from './billing/percentile.ts';
import { expectedShare } from './effects.ts';
import { decide } from './index.ts';
import type { Policy } from './policy.ts';
import { type DecidedMove, emptyBlockState, type State } from './state.ts';

/** The input of a recorded decision. */
export interface RecordedInput {
  readonly observation: Observation;
  readonly policy: Policy;
  readonly before: State;
}

export interface ReplayedLink {
  readonly link: LinkId;
  /** 95th percentile of the 5-minute means, and the highest of them, bit/s. */
  readonly p95Bitps: number;
  readonly maxBitps: number;
  /** Share of the cycles with more than 95 % of the capacity. */
  readonly overload: number;
}

export interface ReplayedSide {
  readonly moves: number;
  readonly links: readonly ReplayedLink[];
  /** Share of the cycles with any link above 95 %. */
  readonly overload: number;
  /** What the 95th percentiles would cost in a month at the policy's marginal prices; currency units. */
  readonly costPerMonth: number;
}

export interface Replayed {
  readonly cycles: number;
  /** As it was, with the prices of the replayed policy; and as it would have been. */
  readonly recorded: ReplayedSide;
  readonly replayed: ReplayedSide;
  /** Those that would have been carried out, oldest first. */
  readonly moves: readonly DecidedMove[];
  /** Cycles in which both plans had every block alike. */
  readonly alike: number;
}

const sampleMs = 300_000;
const overloadShare = 0.95;

export class Replay {
  readonly #policyOf: (input: RecordedInput) => Policy;
  #state: State | undefined;
  #policy: Policy | undefined;
  #cycles = 0;
  #alike = 0;
  readonly #moves: DecidedMove[] = [];
  readonly #recorded = new Side();
  readonly #replayed = new Side();
  #recordedPlan: Plan | undefined;

  /** `policy`: in place of the recorded one. */
  constructor(policy?: Policy) {
    this.#policyOf = policy ? () => policy : (input) => input.policy;
  }

  /** Takes the next recorded decision; in the order of their time. */
  step(input: RecordedInput): void {
    const { before } = input;
    const policy = this.#policyOf(input);
    this.#policy = policy;
    // The first finds the network as it was, so that the difference is the policy's and not a cold start's.
    const state = this.#state ?? before;
    const seen = reimagine(input, state.plan);
    const decision = decide(seen, policy, state);
    this.#state = decision.state;
    const made = decision.moves.filter((move) => move.outcome === 'pending');
    this.#moves.push(...made);
    this.#cycles++;
    if (isAlike(state.plan, before.plan)) this.#alike++;
    if (this.#recordedPlan) this.#recorded.moves += changes(this.#recordedPlan, before.plan);
    this.#recordedPlan = before.plan;
    this.#recorded.add(input.observation);
    this.#replayed.moves += made.length;
    this.#replayed.add(seen);
  }

  outcome(): Replayed {
    const policy = this.#policy;
    return {
      cycles: this.#cycles,
      recorded: this.#recorded.outcome(policy),
      replayed: this.#replayed.outcome(policy),
      moves: this.#moves,
      alike: this.#alike,
    };
  }
}

/** The observation as it would have been under another plan than the one in force. */
export function reimagine({ observation, before }: RecordedInput, plan: Plan): Observation {
  const actual = new Map(before.plan.blocks.map((entry) => [entry.block as string, entry]));
  const other = new Map(plan.blocks.map((entry) => [entry.block as string, entry]));
  const shift = new Map<LinkId, number>();
  const add = (entries: BlockObservation['inbound'], sign: number) => {
    for (const { link, rate } of entries) shift.set(link, (shift.get(link) ?? 0) + sign * rate);
  };
  const blocks = observation.blocks.map((block): BlockObservation => {
    const wanted = other.get(block.block);
    if (isSame(actual.get(block.block), wanted)) return block;
    const inbound = spread(block, wanted, before);
    if (!inbound) return block;
    add(block.inbound, -1);
    add(inbound, 1);
    return { ...block, inbound };
  });
  const links = observation.links.map((link) => {
    const { inbound } = link;
    const change = shift.get(link.link) ?? 0;
    if (!inbound || change === 0) return link;
    return { ...link, inbound: { ...inbound, value: bitps(Math.max(0, inbound.value + change)) } };
  });
  return { ...observation, blocks, links };
}

/** Undefined where it is not known how the block comes in unbiased. */
function spread(
  { block, inbound }: BlockObservation,
  wanted: BlockPlan | undefined,
  { blocks, effects }: State,
): BlockObservation['inbound'] | undefined {
  const state = blocks[block] ?? emptyBlockState;
  const { baseline } = state;
  if (!baseline) return undefined;
  const total = inbound.reduce((sum, { rate }) => sum + rate, 0);
  const target = wanted?.link;
  const links = [...new Set([...Object.keys(baseline), ...(target ? [target] : [])])].sort();
  const there = target ? (baseline[target] ?? 0) : 0;
  const share = target ? expectedShare(effects, state, there, target, wanted.rung) : there;
  return links.map((link) => {
    const own = baseline[link] ?? 0;
    const part = link === target ? share : there < 1 ? (own * (1 - share)) / (1 - there) : own;
    // A cast: the names are those of links.
    return { link: link as LinkId, rate: bitps(total * (target ? part : own)) };
  });
}

/** What one side carried. */
class Side {
  moves = 0;
  #cycles = 0;
  #over = 0;
  readonly #links = new Map<LinkId, { samples: Map<number, Mean>; over: number }>();

  add(observation: Observation): void {
    this.#cycles++;
    const at = observation.at - (observation.at % sampleMs);
    let isOver = false;
    for (const { link, inbound, capacity, isUp } of observation.links) {
      if (!inbound) continue;
      const known = this.#links.get(link) ?? { samples: new Map<number, Mean>(), over: 0 };
      this.#links.set(link, known);
      const mean = known.samples.get(at) ?? { sum: 0, count: 0 };
      known.samples.set(at, { sum: mean.sum + inbound.value, count: mean.count + 1 });
      if (!isUp || inbound.value <= overloadShare * capacity) continue;
      known.over++;
      isOver = true;
    }
    if (isOver) this.#over++;
  }

  outcome(policy: Policy | undefined): ReplayedSide {
    const cycles = Math.max(1, this.#cycles);
    const links = [...this.#links].sort(byName).map(([link, { samples, over }]): ReplayedLink => {
      const means = Float64Array.from(samples.values(), ({ sum, count }) => sum / count);
      const maxBitps = means.reduce((a, b) => Math.max(a, b), 0);
      const p95Bitps = kthLargest(means, freeSamples(means.length, 95));
      return { link, p95Bitps, maxBitps, overload: over / cycles };
    });
    const price = new Map(policy?.links.map((link) => [link.link, link.pricePerMbps ?? 0]));
    const costPerMonth = links.reduce(
      (sum, { link, p95Bitps }) => sum + (p95Bitps / 1e6) * (price.get(link) ?? 0),
      0,
    );
    return { moves: this.moves, links, overload: this.#over / cycles, costPerMonth };
  }
}

interface Mean {
  readonly sum: number;
  readonly count: number;
}

const isSame = (a: BlockPlan | undefined, b: BlockPlan | undefined): boolean =>
  a?.link === b?.link && (a?.link === undefined || a.rung === b?.rung);

const isAlike = (a: Plan, b: Plan): boolean => changes(a, b) === 0;

/** Blocks that two plans have differently. */
function changes(from: Plan, to: Plan): number {
  if (from === to) return 0;
  const before = new Map(from.blocks.map((entry) => [entry.block as string, entry]));
  const after = new Map(to.blocks.map((entry) => [entry.block as string, entry]));
  let count = 0;
  for (const [block, entry] of after) if (!isSame(before.get(block), entry)) count++;
  for (const [block, entry] of before) if (entry.link !== undefined && !after.has(block)) count++;
  return count;
}

const byName = (a: readonly [string, unknown], b: readonly [string, unknown]): number =>
  a[0] < b[0] ? -1 : 1;
