/** What could be changed for one group, and what of it is best: the inner loop of a decision. */
import { expectedShare } from './effects.ts';
import type { Group } from './group.ts';
import { type Network, qualityCosts } from './network.ts';
import type { Policy } from './policy.ts';
import { returnWindow } from './rails/oscillation.ts';
import type { Proposal, RailContext } from './rails/rail.ts';
import { gainBeside, gainOf, gainOn, qualityWeight, type Scale } from './score.ts';
import { type Change, changeBetween, type Spread, shareOn, withShareOn } from './spread.ts';
import { emptyBlockState } from './state.ts';

/** A group that keeps less than this share of what its target should bring has not moved. */
const deadMove = 0.05;

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
  const { group, kind, gain, shiftBitps } = proposal;
  if (kind === 'pin') return network.links[group.link] !== group.pin;
  return kind === 'roll_back' || gain > leastGain(policy, shiftBitps, total);
}

const leastGain = (policy: Policy, shiftBitps: number, total: number): number =>
  policy.moveCost * (shiftBitps / Math.max(1, total));

/**
 * Shares that a rung brings to each link from a group that never was there and was never sent there: the same for all
 * such groups, and nearly all of a large network are such.
 */
export interface Unknown {
  readonly rungs: number;
  /** At link × rungs + rung - 1. */
  readonly share: Float64Array;
  /** Rungs that may be proposed, by link. */
  readonly count: Uint8Array;
  /** By port, while a group is looked at; zero in between. */
  readonly isNear: Uint8Array;
}

export function unknownOf(context: RailContext): Unknown {
  const { network, policy, effects } = context;
  const { rungs } = policy;
  const share = new Float64Array(network.links.length * rungs);
  const count = new Uint8Array(network.links.length);
  for (const [target, link] of network.links.entries()) {
    count[target] = lastRung(1, target, context);
    for (let rung = 1; rung <= rungs; rung++)
      share[target * rungs + rung - 1] = expectedShare(effects, emptyBlockState, 0, link, rung);
  }
  return { rungs, share, count, isNear: new Uint8Array(network.portCapacity.length) };
}

/**
 * The proposal of `candidatesOf` that ranks highest of those that are worth it, the first among equals; none towards
 * `closed` targets. With `targets` (ascending) only those are looked at. What leaves the links that a group is on does
 * not depend on where it goes, so that for each of the other links only that link is computed.
 */
export function bestChange(
  group: Group,
  context: RailContext,
  unknown: Unknown,
  closed: ReadonlySet<number> | undefined,
  targets?: readonly number[],
): Proposal | undefined {
  const { network, policy, total } = context;
  const weigh = weigherOf(group, context);
  let best: Proposal | undefined;
  const consider = (proposal: Proposal) => {
    if (closed?.has(proposal.target) || !isWorth(proposal, context)) return;
    if (!best || rankOf(proposal) > rankOf(best)) best = proposal;
  };
  const near = group.best || group.pin ? undefined : nearPorts(group, network);
  for (const port of near ?? []) unknown.isNear[port] = 1;
  const leaving = new Leaving(group, context);
  const { rungs, share, count, isNear } = unknown;
  const end = targets?.length ?? network.links.length;
  for (let at = 0; at < end; at++) {
    const target = targets?.[at] ?? at;
    if (!near || isNear[network.port[target] ?? 0] === 1) {
      for (const proposal of towards(group, target, context, weigh)) consider(proposal);
      continue;
    }
    if (!group.mayUse[target]) continue;
    const last = count[target] ?? 0;
    for (let rung = 1; rung <= last; rung++) {
      const part = share[target * rungs + rung - 1] ?? 0;
      leaving.at(part);
      const added = group.rate * part;
      const gain = total > 0 ? (leaving.gain + gainOn(leaving.scale, target, added)) / total : 0;
      if (best && gain <= rankOf(best)) continue;
      if (gain <= leastGain(policy, (leaving.moved + Math.abs(added)) / 2, total)) continue;
      if (closed?.has(target)) continue;
      const shares = withShareOn(group.baseline, target, part);
      best = propose(group, 'steer', target, rung, shares, weigh);
    }
  }
  for (const port of near ?? []) unknown.isNear[port] = 0;
  const back = targets ? undefined : backToNone(group, context, weigh);
  if (back) consider(back);
  return best;
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
  const kind = group.pin !== undefined ? 'pin' : isHere ? 'escalate' : 'steer';
  const from = isHere ? group.shares : group.baseline;
  const baselineShare = shareOn(group.baseline, target);
  const proposals: Proposal[] = [];
  for (let rung = first; rung <= last; rung++) {
    const share = expectedShare(context.effects, group.state, baselineShare, link, rung);
    const expected = isHere ? Math.max(share, shareOn(group.shares, target)) : share;
    proposals.push(propose(group, kind, target, rung, withShareOn(from, target, expected), weigh));
  }
  return proposals;
}

/** A rung that was never judged is tried one at a time; known ones may be taken at once. */
function lastRung(
  first: number,
  target: number,
  { network, policy, effects }: RailContext,
): number {
  const known = effects[network.links[target] ?? ''];
  let last = first;
  while (last < policy.rungs && (known?.[last]?.weight ?? 0) > 0) last++;
  return Math.min(last, policy.rungs);
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
    (group.rung >= policy.rungs || isUnneeded) &&
    !group.isPending;
  return propose(group, isDead ? 'roll_back' : 'steer', -1, 0, group.baseline, weigh);
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
