import { eachSliced, type Sliced } from '../base/slices.ts';
import type { RailVerdict } from '../model/plan.ts';
import { misplaced } from './aim.ts';
import { expectedShare, spreadShares } from './effects.ts';
import { dominantLink, type Group } from './group.ts';
import { type Network, qualityCosts } from './network.ts';
import { judge } from './rails/index.ts';
import { returnWindow } from './rails/oscillation.ts';
import type { Proposal, RailContext } from './rails/rail.ts';
import { qualityWeight, scoreGain } from './score.ts';

export interface Judged {
  readonly proposal: Proposal;
  readonly verdicts: readonly RailVerdict[];
  readonly isAccepted: boolean;
}

/** Proposals per round that rails may stop before the search gives up: bounds the work of a frozen network. */
const patience = 256;
/** A group that keeps less than this share of what its target should bring has not moved. */
const deadMove = 0.05;

/**
 * The moves of one round: again and again the change of one group that lowers the objective most, as far as the
 * rails let it, each judged with the moves before it in place. Stopped proposals are returned with their reasons.
 */
export function* searchMoves(start: RailContext): Sliced<readonly Judged[]> {
  const judged: Judged[] = [];
  const closed = new Set<string>();
  let context = start;
  const groups = yield* worthLooking(start);
  for (;;) {
    const proposals = yield* bestProposals(context, groups, closed);
    let accepted: Proposal | undefined;
    for (const proposal of proposals) {
      if (judged.length >= patience) break;
      const verdicts = judge(proposal, context);
      const isAccepted = verdicts.every((verdict) => verdict.result === 'pass');
      judged.push({ proposal, verdicts, isAccepted });
      closed.add(closingKey(proposal, verdicts));
      if (isAccepted) {
        accepted = proposal;
        break;
      }
    }
    if (!accepted) return judged;
    context = afterMove(context, accepted);
  }
}

/** Every change that could be proposed for a group, whether it gains or not. */
export function candidatesOf(group: Group, context: RailContext): Proposal[] {
  const { network, policy, effects, state } = context;
  const proposals: Proposal[] = [];
  for (let target = 0; target < network.links.length; target++) {
    const link = network.links[target];
    if (link === undefined || !group.mayUse[target]) continue;
    if (group.pin !== undefined && group.pin !== link) continue;
    const isHere = group.link === target;
    const tried = group.state.tried[link];
    const first = isHere ? group.rung + 1 : tried ? firstUseful(tried) : 1;
    const kind = group.pin !== undefined ? 'pin' : isHere ? 'escalate' : 'steer';
    const from = isHere ? group.shares : group.baseline;
    for (let rung = first; rung <= policy.rungs; rung++) {
      // A rung that was never judged is tried one at a time; a known one may be taken at once.
      if (rung > first && (effects[link]?.[rung - 1]?.weight ?? 0) === 0) break;
      const baselineShare = group.baseline[target] ?? 0;
      const share = expectedShare(effects, group.state, baselineShare, link, rung);
      const expected = isHere ? Math.max(share, group.shares[target] ?? 0) : share;
      const shares = spreadShares(from, target, expected);
      proposals.push(propose(context, group, kind, target, rung, shares));
    }
  }
  if (group.link >= 0 && group.pin === undefined) {
    const link = network.links[group.link] ?? '';
    const tried = group.state.tried[link];
    const rested = context.now - (group.state.changes.at(-1) ?? 0);
    const isUnneeded = !state.isEngaged && rested >= returnWindow(policy, group.state.dwellFactor);
    const isDead =
      tried !== undefined &&
      tried.moved < deadMove &&
      (group.rung >= policy.rungs || isUnneeded) &&
      !group.isPending;
    proposals.push(propose(context, group, isDead ? 'roll_back' : 'steer', -1, 0, group.baseline));
  }
  return proposals;
}

/** Up to so many groups all are looked at; beyond, the optimiser says which ones could matter. */
const fewGroups = 500;

/** The groups that the best assignment has elsewhere, and all that are biased, pinned or `best` of something. */
function* worthLooking(context: RailContext): Sliced<readonly Group[]> {
  const { groups } = context;
  if (groups.length <= fewGroups) return groups;
  // While no work is due nothing else would pass.
  const elsewhere = context.state.isEngaged ? yield* misplaced(context) : undefined;
  return groups.filter(
    (group) =>
      elsewhere?.has(group) ||
      group.link >= 0 ||
      group.pin !== undefined ||
      group.best !== undefined,
  );
}

/** The best proposal of each group that has one, best first. */
function* bestProposals(
  context: RailContext,
  groups: readonly Group[],
  closed: ReadonlySet<string>,
): Sliced<Proposal[]> {
  const best: Proposal[] = [];
  yield* eachSliced(groups, (group) => {
    if (closed.has(group.name) || group.isPending || group.rate <= 0) return;
    let chosen: Proposal | undefined;
    for (const proposal of candidatesOf(group, context)) {
      if (closed.has(targetKey(proposal))) continue;
      if (proposal.kind === 'pin' && isPinned(group, context.network)) continue;
      const isForced = proposal.kind === 'roll_back' || proposal.kind === 'pin';
      if (!isForced && proposal.gain <= least(proposal, context)) continue;
      if (!chosen || rank(proposal) > rank(chosen)) chosen = proposal;
    }
    if (chosen) best.push(chosen);
  });
  return best.sort((a, b) => {
    const difference = rank(b) - rank(a);
    if (difference !== 0) return difference;
    return a.group.name < b.group.name ? -1 : 1;
  });
}

/** Rails that speak of the target: the same group may still go elsewhere in this round. */
const targetRails = new Set(['path', 'maintenance', 'oscillation', 'headroom', 'trial']);

const targetKey = ({ group, target }: Proposal): string => `${group.name} to ${target}`;

function closingKey(proposal: Proposal, verdicts: readonly RailVerdict[]): string {
  const stopped = verdicts.filter((verdict) => verdict.result !== 'pass');
  const isOnlyTarget =
    stopped.length > 0 && stopped.every((verdict) => targetRails.has(verdict.rail));
  return isOnlyTarget ? targetKey(proposal) : proposal.group.name;
}

/** A rung that was tried and brought something is used again; one that did not is passed over. */
function firstUseful(tried: { readonly rung: number; readonly moved: number }): number {
  return tried.moved >= deadMove ? tried.rung : tried.rung + 1;
}

const isPinned = (group: Group, network: Network): boolean =>
  group.link >= 0 && network.links[group.link] === group.pin;

/** What the operator ordered and what failed come before what gains. */
const rank = (proposal: Proposal): number =>
  proposal.kind === 'pin' ? 2000 : proposal.kind === 'roll_back' ? 1000 : proposal.gain;

const least = (proposal: Proposal, { policy, total }: RailContext): number =>
  policy.moveCost * (proposal.shiftBitps / Math.max(1, total));

function propose(
  context: RailContext,
  group: Group,
  kind: Proposal['kind'],
  target: number,
  rung: number,
  shares: readonly number[],
): Proposal {
  const change = shares.map((share, link) => group.rate * (share - (group.shares[link] ?? 0)));
  const shiftBitps = change.reduce((sum, value) => sum + Math.abs(value), 0) / 2;
  return { group, kind, target, rung, shares, shiftBitps, gain: gainOf(context, group, change) };
}

function gainOf(context: RailContext, group: Group, change: readonly number[]): number {
  const { network, loads, policy, total } = context;
  if (!group.best)
    return scoreGain(network, loads, change, group.weights, policy.rails.high, total);
  const costs = qualityCosts(network, loads, group.best);
  let gain = 0;
  for (let link = 0; link < change.length; link++)
    gain -= (change[link] ?? 0) * (costs[link] ?? 0) * qualityWeight;
  return total > 0 ? gain / total : 0;
}

function afterMove(context: RailContext, accepted: Proposal): RailContext {
  const { group, shares } = accepted;
  const loads = context.loads.map((load, link) =>
    Math.max(0, load + group.rate * ((shares[link] ?? 0) - (group.shares[link] ?? 0))),
  );
  return { ...context, loads, accepted: [...context.accepted, accepted] };
}

/** The link that a proposal takes traffic from: where the group is biased to, else where most of it comes in. */
export function sourceOf(proposal: Proposal): number {
  return proposal.group.link >= 0 ? proposal.group.link : dominantLink(proposal.group);
}
