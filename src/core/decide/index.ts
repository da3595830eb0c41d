import { mapSliced, type Sliced, whole } from '../base/slices.ts';
import type { Observation } from '../model/observation.ts';
import { carryOut, release, withdraw, withNewcomers } from './carry-out.ts';
import { makeContext } from './context.ts';
import { describeMove, explainProposal } from './explain.ts';
import { buildNetwork } from './network.ts';
import type { Policy } from './policy.ts';
import { freezeReasons } from './rails/freeze.ts';
import { isWorkDue } from './rails/hysteresis.ts';
import { duration, type RailContext } from './rails/rail.ts';
import { type Judged, searchMoves, sourceOf } from './search.ts';
import type { DecidedMove, Decision, State, Verification } from './state.ts';
import { verify } from './verify.ts';

export { explain } from './explain.ts';
export { defaultPolicy, defaultRails, defaultWeights, type Policy } from './policy.ts';
export { type Decision, initialState, type State } from './state.ts';

/**
 * What to change now. Pure: the same observation, policy and state give the same decision on any machine, in any
 * order of their parts. The caller carries out the moves with outcome `pending` and keeps `decision.state`,
 * or carries out none and keeps `decision.held`.
 */
export function decide(seen: Observation, policy: Policy, before: State): Decision {
  return whole(decideSliced(seen, policy, before));
}

/** The same in slices: with ten thousand blocks it takes a hundred milliseconds, and the unit has more to do. */
export function* decideSliced(seen: Observation, policy: Policy, before: State): Sliced<Decision> {
  const observation = yield* inOrder(seen);
  yield;
  const reasons = freezeReasons(observation, policy);
  if (reasons.length > 0) return frozen(observation, policy, before, reasons);

  const { state: judged, verifications } = yield* verify(observation, policy, thawed(before));
  const network = buildNetwork(observation, policy);
  yield;
  const { state, moves: releases } = yield* release(observation, policy, judged, network);
  yield;
  const context = yield* makeContext(observation, policy, state, network);
  const engaged = { ...state, isEngaged: isWorkDue(context, state.isEngaged) };
  const round = yield* searchMoves({ ...context, state: engaged });

  const held: State = {
    ...judged,
    isEngaged: engaged.isEngaged,
    plan: { ...judged.plan, blocks: yield* withNewcomers(judged, observation, []) },
  };
  const next = yield* carryOut(observation, engaged, round, context, verifications);
  const moves = yield* mapSliced(round, (entry) => decidedMoves(entry, context, verifications));
  return {
    plan: next.plan,
    moves: [...releases, ...moves.flat()],
    state: next,
    held,
    verifications,
    explanations: yield* mapSliced(round, (entry) => explainProposal(entry, context)),
  };
}

/** Sorted by name throughout: sums of floats depend on their order, and the order of the input must not matter. */
function* inOrder(observation: Observation): Sliced<Observation> {
  const links = sorted(observation.links, ({ link }) => link);
  const blocks = yield* mapSliced(
    sorted(observation.blocks, ({ block }) => block),
    (block) => {
      const inbound = sorted(block.inbound, ({ link }) => link);
      return inbound === block.inbound ? block : { ...block, inbound };
    },
  );
  return { ...observation, links, blocks };
}

/** The list itself where it is in order already. */
function sorted<T>(list: readonly T[], key: (entry: T) => string): readonly T[] {
  let last = '';
  for (const entry of list) {
    const own = key(entry);
    if (own < last) return [...list].sort((a, b) => (key(a) < key(b) ? -1 : 1));
    last = own;
  }
  return list;
}

/** Measurements that cannot be trusted: nothing moves, and after the hold time all returns to plain BGP. */
function frozen(
  observation: Observation,
  policy: Policy,
  before: State,
  reasons: readonly string[],
): Decision {
  const { at } = observation;
  const since = before.frozen?.since ?? at;
  const state: State = { ...before, frozen: { since, reasons } };
  const isOver = at - since >= policy.rails.holdMs && before.plan.blocks.length > 0;
  const text = `frozen for ${duration(at - since)}, returning to plain BGP: ${reasons[0] ?? ''}`;
  const released = isOver ? withdraw(state, before.plan.blocks, at, text) : { state, moves: [] };
  return {
    plan: released.state.plan,
    moves: released.moves,
    state: released.state,
    held: state,
    verifications: [],
    explanations: [],
  };
}

function thawed(state: State): State {
  const { frozen: _, ...rest } = state;
  const blocks = sorted(state.plan.blocks, ({ block }) => block);
  return { ...rest, plan: blocks === state.plan.blocks ? state.plan : { ...state.plan, blocks } };
}

function decidedMoves(
  { proposal, verdicts, isAccepted }: Judged,
  context: RailContext,
  verifications: readonly Verification[],
): DecidedMove[] {
  const { network } = context;
  const isRefused = verdicts.some((verdict) => verdict.result === 'refuse');
  const reason = describeMove(proposal, context, verifications);
  return proposal.group.blocks.map((block) => ({
    at: context.now,
    block,
    from: network.links[sourceOf(proposal)],
    to: network.links[proposal.target],
    rung: proposal.rung,
    reason,
    predictedShiftBitps: Math.round(proposal.shiftBitps / proposal.group.blocks.length),
    verdicts,
    outcome: isAccepted ? 'pending' : isRefused ? 'refused' : 'postponed',
  }));
}
