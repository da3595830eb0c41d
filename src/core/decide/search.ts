import type { Sliced } from '../base/slices.ts';
import type { RailVerdict } from '../model/plan.ts';
import { misplaced } from './aim.ts';
import { Board } from './board.ts';
import { proposalTowards } from './candidates.ts';
import { dominantLink, type Group } from './group.ts';
import { loadsOf } from './network.ts';
import { judge } from './rails/index.ts';
import type { Proposal, RailContext } from './rails/rail.ts';
import { changeBetween, changed } from './spread.ts';
import { trialsDue } from './trials.ts';

export interface Judged {
  readonly proposal: Proposal;
  readonly verdicts: readonly RailVerdict[];
  readonly isAccepted: boolean;
}

/** Proposals per round that rails may stop before the search gives up: bounds the work of a frozen network. */
const patience = 256;

/**
 * The moves of one round: again and again the change of one group that lowers the objective most, as far as the
 * rails let it, each judged with the moves before it in place. Stopped proposals are returned with their reasons.
 */
export function* searchMoves(start: RailContext): Sliced<readonly Judged[]> {
  const { judged, context } = tryOut(start);
  yield;
  const tried = new Set(context.accepted.map(({ group }) => group));
  const groups = yield* worthLooking(context);
  const board = new Board(
    tried.size === 0 ? groups : groups.filter((group) => !tried.has(group)),
    context,
  );
  yield* board.fill();
  while (judged.length < patience) {
    const proposal = yield* board.best();
    if (!proposal) break;
    const verdicts = judge(proposal, board.context);
    const isAccepted = verdicts.every((verdict) => verdict.result === 'pass');
    judged.push({ proposal, verdicts, isAccepted });
    if (isAccepted) yield* board.accept(proposal, afterMove(board.context, proposal));
    else board.stop(proposal, isOnlyTarget(verdicts));
  }
  return judged;
}

/** The trials of a round that no rail stops, and what the rest of the round has to go by then. */
export function tryOut(start: RailContext): {
  readonly judged: Judged[];
  readonly context: RailContext;
} {
  const judged: Judged[] = [];
  let context = start;
  for (const { group, target, rung } of start.state.isEngaged ? trialsDue(start) : []) {
    const proposal = proposalTowards(group, target, rung, context);
    const verdicts = judge(proposal, context);
    // One that is stopped is no news: the group may still be proposed for what it gains.
    if (verdicts.some(({ result }) => result !== 'pass')) continue;
    judged.push({ proposal, verdicts, isAccepted: true });
    context = afterMove(context, proposal);
  }
  return { judged, context };
}

/** Up to so many groups all are looked at; beyond, the optimiser says which ones could matter. */
const fewGroups = 500;
/** The optimiser's work grows with the square of the links: beyond so many, all groups are looked at while work is due. */
const manyLinks = 64;

/** The groups that the best assignment has elsewhere, and all that are biased, pinned or `best` of something. */
function* worthLooking(context: RailContext): Sliced<readonly Group[]> {
  const { groups, network, state } = context;
  const isLarge = network.links.length > manyLinks;
  if (groups.length <= fewGroups || (isLarge && state.isEngaged)) return groups;
  // While no work is due nothing else would pass.
  const elsewhere = state.isEngaged ? yield* misplaced(context) : undefined;
  return groups.filter(
    (group) =>
      elsewhere?.has(group) ||
      group.link >= 0 ||
      group.pin !== undefined ||
      group.best !== undefined,
  );
}

/** Rails that speak of the target: the same group may still go elsewhere in this round. */
const targetRails = new Set(['path', 'maintenance', 'oscillation', 'headroom', 'trial']);

function isOnlyTarget(verdicts: readonly RailVerdict[]): boolean {
  return verdicts.every(({ rail, result }) => result === 'pass' || targetRails.has(rail));
}

function afterMove(context: RailContext, accepted: Proposal): RailContext {
  const { group, shares } = accepted;
  const change = changeBetween(group.shares, shares, group.rate);
  const loads = loadsOf(context.network, changed(context.loads.byLink, change));
  return { ...context, loads, accepted: [...context.accepted, accepted] };
}

/** The link that a proposal takes traffic from: where the group is biased to, else where most of it comes in. */
export function sourceOf(proposal: Proposal): number {
  return proposal.group.link >= 0 ? proposal.group.link : dominantLink(proposal.group);
}
