/** What could be changed for one group, and what of it is best: the inner loop of a decision. */
import { assert } from '../base/result.ts';
import { expectedShare } from './effects.ts';
import type { Group } from './group.ts';
import { type Network, qualityCosts } from './network.ts';
import type { Policy } from './policy.ts';
import { returnWindow } from './rails/oscillation.ts';
import type { Proposal, RailContext } from './rails/rail.ts';
import { gainBeside, gainOf, gainOn, qualityWeight, type Scale } from './score.ts';
import { type Change, changeBetween, type Spread, shareOn, withShareOn } from './spread.ts';
import { type Bucket, type Cell, lastRung, rounding, type Targets } from './targets.ts';

/** A group that keeps less than this share of what its target should bring has not moved. */
const deadMove = 0.05;
/** A rung that was tried and failed is still thought to bring a part of what was assumed of it, but less than this. */
const failedTrial = 0.25;
/** A bias that moves less than this share of a group is not worth a change of its announcement. */
const leastShift = 0.05;

/** Every change that could be proposed for a group, whether it gains or not. */
export function candidatesOf(group: Group, context: RailContext): Proposal[] {
  const weigh = weigherOf(group, context);
  const proposals: Proposal[] = [];
  for (let target = 0; target < context.network.links.length; target++)
    proposals.push(...towards(group, target, context, weigh));
  const back = backToNone(group, context, weigh);
  return back ? [...proposals, back] : proposals;
}

/** What the operator ordered and what failed come before what gains. */
export const rankOf = ({ kind, gain }: Pick<Proposal, 'kind' | 'gain'>): number =>
  kind === 'pin' ? 2000 : kind === 'roll_back' ? 1000 : gain;

/** Whether a proposal is worth asking the rails for. */
export function isWorth(proposal: Proposal, { network, policy, total }: RailContext): boolean {
  const { group, kind, gain, shiftBitps, target } = proposal;
  if (kind === 'pin') return network.links[group.link] !== group.pin;
  if (target >= 0 && shiftBitps < leastShift * group.rate) return false;
  return kind === 'roll_back' || gain > leastGain(policy, shiftBitps, total);
}

const leastGain = (policy: Policy, shiftBitps: number, total: number): number =>
  policy.moveCost * (shiftBitps / Math.max(1, total));

/**
 * The proposal of `candidatesOf` that ranks highest of those that are worth it, the first among equals; none towards
 * `closed` targets. With `only` just those targets are looked at. What leaves the links that a group is on does not
 * depend on where it goes, so that for each of the other links only that link is computed, and that only as long as
 * the cheapest of those left could still be best.
 */
export function bestChange(
  group: Group,
  context: RailContext,
  targets: Targets,
  closed: ReadonlySet<number> | undefined,
  only?: readonly number[],
): Proposal | undefined {
  const weigh = weigherOf(group, context);
  const best = new Best(context, closed);
  if (group.best !== undefined || group.pin !== undefined) {
    for (const proposal of candidatesOf(group, context)) best.consider(proposal);
    return best.proposal;
  }
  const near = nearPorts(group, context.network);
  const lookAt = (target: number) => {
    for (const proposal of towards(group, target, context, weigh)) best.consider(proposal);
  };
  const isFar = (target: number) =>
    group.mayUse[target] === true && !near.has(context.network.port[target] ?? 0);
  const leaving = new Leaving(group, context);
  if (only) {
    for (const target of only)
      if (!isFar(target)) lookAt(target);
      else
        for (const cell of targets.cellsOf(target)) best.considerFar(group, cell, leaving, weigh);
    return best.proposal;
  }
  for (const port of near) targets.links[port]?.forEach(lookAt);
  const back = backToNone(group, context, weigh);
  if (back) best.consider(back);
  for (const bucket of targets.bucketsOf(leaving.scale)) {
    const most = leaving.most(bucket) + bucket.slack;
    const added = group.rate * bucket.shareMin;
    const least = leastGain(context.policy, added / 2, context.total) * context.total;
    for (const cell of bucket.cells) {
      if (most - added * cell.slope < Math.max(best.wanted, least * (1 - rounding))) break;
      if (isFar(cell.target)) best.considerFar(group, cell, leaving, weigh);
    }
  }
  return best.proposal;
}

/** The highest rank so far; of equals the first in the order of `candidatesOf`. */
class Best {
  proposal: Proposal | undefined;
  /** In the measure of `gainBeside`: what gains clearly less cannot be best. */
  wanted = 0;
  readonly #context: RailContext;
  readonly #closed: ReadonlySet<number> | undefined;

  constructor(context: RailContext, closed: ReadonlySet<number> | undefined) {
    this.#context = context;
    this.#closed = closed;
  }

  consider(proposal: Proposal): void {
    if (!this.#isBest(rankOf(proposal), proposal) || !isWorth(proposal, this.#context)) return;
    if (this.#closed?.has(proposal.target)) return;
    this.proposal = proposal;
    this.wanted = rankOf(proposal) * this.#context.total * (1 - rounding);
  }

  /** Towards a link that the group has no part in and no history with: only the best becomes a proposal. */
  considerFar(
    group: Group,
    cell: Pick<Cell, 'target' | 'rung' | 'share'>,
    leaving: Leaving,
    weigh: Weigher,
  ): void {
    const { total, policy } = this.#context;
    leaving.at(cell.share);
    const added = group.rate * cell.share;
    const gain = (leaving.gain + gainOn(leaving.scale, cell.target, added)) / total;
    if (total <= 0 || !this.#isBest(gain, cell)) return;
    if (gain <= leastGain(policy, (leaving.moved + added) / 2, total)) return;
    const shares = withShareOn(group.baseline, cell.target, cell.share);
    this.consider(propose(group, 'steer', cell.target, cell.rung, shares, weigh));
  }

  #isBest(rank: number, { target, rung }: Pick<Proposal, 'target' | 'rung'>): boolean {
    if (!this.proposal) return true;
    if (rank !== rankOf(this.proposal)) return rank > rankOf(this.proposal);
    // Being unbiased is the last of all.
    if (target !== this.proposal.target)
      return target >= 0 && (this.proposal.target < 0 || target < this.proposal.target);
    return rung < this.proposal.rung;
  }
}

/** Ports whose load a group has a part in or that it has a history with: all that makes a target special for it. */
export function nearPorts(group: Group, network: Network): ReadonlySet<number> {
  const ports = new Set<number>();
  const add = (link: number | undefined) => {
    const port = network.port[link ?? -1];
    if (port !== undefined) ports.add(port);
  };
  group.shares.links.forEach(add);
  group.baseline.links.forEach(add);
  add(group.link);
  for (const link in group.state.tried) add(network.indexOf.get(link));
  return ports;
}

/** What leaves the links that a group is on, when some share of it goes to a link that has none of it. */
class Leaving {
  readonly scale: Scale;
  /** In the measure of `gainBeside`. */
  gain = 0;
  /** Bit/s that change on these links. */
  moved = 0;
  readonly #rate: number;
  readonly #from: readonly number[];
  readonly #baseline: readonly number[];
  readonly #change: { readonly links: readonly number[]; readonly bitps: number[] };
  #share = Number.NaN;

  constructor(group: Group, context: RailContext) {
    this.scale = scaleOf(group, context);
    const { links } = changeBetween(group.shares, group.baseline, 0);
    this.#rate = group.rate;
    this.#from = links.map((link) => shareOn(group.shares, link));
    this.#baseline = links.map((link) => shareOn(group.baseline, link));
    this.#change = { links, bitps: links.map(() => 0) };
  }

  /** Not below `gain` at any share of a bucket: it rises ever more slowly, so that a chord goes on above it. */
  most({ shareMin, shareMax }: Bucket): number {
    if (shareMin === 0 && shareMax > 0) return Number.POSITIVE_INFINITY;
    this.at(0);
    const none = this.gain;
    this.at(shareMin);
    if (shareMax === shareMin) return this.gain;
    const further = (shareMax - shareMin) / shareMin;
    return this.gain + Math.max(0, this.gain - none) * further + rounding * Math.abs(none);
  }

  at(share: number): void {
    if (share === this.#share) return;
    this.#share = share;
    const { links, bitps } = this.#change;
    this.moved = 0;
    for (let i = 0; i < links.length; i++) {
      const left = (this.#baseline[i] ?? 0) * (1 - share);
      const added = this.#rate * (left - (this.#from[i] ?? 0));
      bitps[i] = added;
      this.moved += Math.abs(added);
    }
    this.gain = gainBeside(this.scale, this.#change, -1);
  }
}

/** The changes that lead to one link. */
function towards(
  group: Group,
  target: number,
  context: RailContext,
  weigh: Weigher,
): readonly Proposal[] {
  const link = context.network.links[target];
  if (link === undefined || !group.mayUse[target]) return [];
  if (group.pin !== undefined && group.pin !== link) return [];
  const isHere = group.link === target;
  const tried = group.state.tried[link];
  const first = isHere ? group.rung + 1 : tried ? firstUseful(tried) : 1;
  const last = lastRung(first, target, context);
  const proposals: Proposal[] = [];
  for (let rung = first; rung <= last; rung++)
    proposals.push(towardsAt(group, target, rung, context, weigh));
  return proposals;
}

/** One rung of one link, as it is expected to turn out. */
export const proposalTowards = (
  group: Group,
  target: number,
  rung: number,
  context: RailContext,
): Proposal => towardsAt(group, target, rung, context, weigherOf(group, context));

function towardsAt(
  group: Group,
  target: number,
  rung: number,
  { effects, network }: RailContext,
  weigh: Weigher,
): Proposal {
  const link = network.links[target];
  assert(link !== undefined, 'a target is one of the links');
  const isHere = group.link === target;
  const kind = group.pin !== undefined ? 'pin' : isHere ? 'escalate' : 'steer';
  const from = isHere ? group.shares : group.baseline;
  const share = expectedShare(effects, group.state, shareOn(group.baseline, target), link, rung);
  const expected = isHere ? Math.max(share, shareOn(group.shares, target)) : share;
  return propose(group, kind, target, rung, withShareOn(from, target, expected), weigh);
}

/** A rung that was tried and brought something is used again; one that did not is passed over. */
function firstUseful(tried: { readonly rung: number; readonly moved: number }): number {
  return tried.moved >= deadMove ? tried.rung : tried.rung + 1;
}

/** Unbiased again. */
function backToNone(group: Group, context: RailContext, weigh: Weigher): Proposal | undefined {
  if (group.link < 0 || group.pin !== undefined) return undefined;
  const { network, policy, state } = context;
  const tried = group.state.tried[network.links[group.link] ?? ''];
  const rested = context.now - (group.state.changes.at(-1) ?? 0);
  const isUnneeded = !state.isEngaged && rested >= returnWindow(policy, group.state.dwellFactor);
  const isDead =
    tried !== undefined &&
    tried.moved < deadMove &&
    (group.rung >= policy.rungs || isUnneeded || isHopeless(group.link, context)) &&
    !group.isPending;
  return propose(group, isDead ? 'roll_back' : 'steer', -1, 0, group.baseline, weigh);
}

/** Whether no rung towards a link is worth escalating to: the highest was tried and failed. */
function isHopeless(target: number, { network, policy, effects }: RailContext): boolean {
  const link = network.links[target];
  const highest = link === undefined ? undefined : effects[link]?.[policy.rungs - 1];
  return highest !== undefined && highest.weight > 0 && highest.mean < failedTrial;
}

function propose(
  group: Group,
  kind: Proposal['kind'],
  target: number,
  rung: number,
  shares: Spread,
  weigh: Weigher,
): Proposal {
  const change = changeBetween(group.shares, shares, group.rate);
  let moved = 0;
  let added = 0;
  for (let i = 0; i < change.links.length; i++) {
    const bitps = Math.abs(change.bitps[i] ?? 0);
    if (change.links[i] === target) added = bitps;
    else moved += bitps;
  }
  const shiftBitps = (moved + added) / 2;
  return { group, kind, target, rung, shares, shiftBitps, gain: weigh(change, target) };
}

/** The fall of the objective by a change of one group, per unit of all traffic. */
type Weigher = (change: Change, target: number) => number;

function weigherOf(group: Group, context: RailContext): Weigher {
  const { network, loads, total } = context;
  if (total <= 0) return () => 0;
  if (group.best) {
    const costs = qualityCosts(network, loads, group.best);
    return (change) => qualityGain(change, costs) / total;
  }
  const scale = scaleOf(group, context);
  return (change, target) => gainOf(scale, change, target) / total;
}

function qualityGain({ links, bitps }: Change, costs: readonly number[]): number {
  let gain = 0;
  for (let i = 0; i < links.length; i++)
    gain -= (bitps[i] ?? 0) * (costs[links[i] ?? 0] ?? 0) * qualityWeight;
  return gain;
}

const scaleOf = ({ weights }: Group, { network, loads, policy }: RailContext): Scale => ({
  network,
  loads,
  weights,
  high: policy.rails.high,
});
