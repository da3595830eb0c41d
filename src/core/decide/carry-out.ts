import { eachSliced, type Sliced } from '../base/slices.ts';
import { type LinkId, type Ms, ms, type PrefixText } from '../base/units.ts';
import type { BlockRouting, Observation } from '../model/observation.ts';
import type { BlockPlan, Plan } from '../model/plan.ts';
import { carriedSet } from './carried.ts';
import { describeMove } from './explain.ts';
import type { Network } from './network.ts';
import type { Policy } from './policy.ts';
import type { RailContext } from './rails/rail.ts';
import { type Judged, sourceOf } from './search.ts';
import { mostOf, shareOn, toNamed } from './spread.ts';
import {
  type BlockState,
  type DecidedMove,
  emptyBlockState,
  type Pending,
  type State,
  type Verification,
} from './state.ts';

/** Blocks that must not be announced by us now, whatever their dwell: somebody else's, or not carried everywhere. */
export function* release(
  observation: Observation,
  policy: Policy,
  state: State,
  network: Network,
): Sliced<{ state: State; moves: DecidedMove[] }> {
  const routing = new Map<string, BlockRouting>();
  yield* eachSliced(observation.blocks, (block) => {
    if (block.routing) routing.set(block.block, block.routing);
  });
  const up = network.links.filter((_, i) => network.isUp[i]);
  const isMissing = (entry: BlockPlan): boolean => {
    const changed = state.blocks[entry.block]?.changes.at(-1);
    const isSettled = changed === undefined || observation.at - changed >= policy.rails.settleMs;
    // What a silent unit announces is nobody else's to change, and its last word on what it carries is old.
    if (routing.get(entry.block)?.frozenReason !== undefined) return false;
    const { carriedOn, awaitedOn } = routing.get(entry.block) ?? {};
    if (!isSettled || carriedOn === undefined) return false;
    const carried = carriedSet(carriedOn);
    return up.some((link) => !carried.has(link) && !awaitedOn?.includes(link));
  };
  const isForeign = (entry: BlockPlan) => routing.get(entry.block)?.isForeign === true;
  const foreign: BlockPlan[] = [];
  const missing: BlockPlan[] = [];
  yield* eachSliced(state.plan.blocks, (entry) => {
    if (isForeign(entry)) foreign.push(entry);
    else if (entry.link !== undefined && isMissing(entry)) missing.push(entry);
  });
  const named = observation.blocks.filter((block) => block.routing?.isForeign);
  if (named.length + foreign.length + missing.length === 0) return { state, moves: [] };
  const until = ms(observation.at + policy.rails.holdMs);
  const blocks = { ...state.blocks };
  const keepOff = (block: PrefixText, handsOffReason: string) => {
    const known = blocks[block] ?? emptyBlockState;
    blocks[block] = { ...known, handsOffUntil: until, handsOffReason };
  };
  for (const { block, routing: told } of named)
    keepOff(block, told?.foreignReason ?? 'somebody else announced it');
  for (const { block } of missing) keepOff(block, 'not all routers carried it');
  const first = withdraw(
    { ...state, blocks },
    foreign,
    observation.at,
    'somebody else announces it: hands off',
  );
  const second = withdraw(
    first.state,
    missing,
    observation.at,
    'not all routers carry it: left to the aggregate',
  );
  return { state: second.state, moves: [...first.moves, ...second.moves] };
}

export function withdraw(
  state: State,
  entries: readonly BlockPlan[],
  at: Ms,
  reason: string,
): { state: State; moves: DecidedMove[] } {
  if (entries.length === 0) return { state, moves: [] };
  const gone = new Set<string>(entries.map((entry) => entry.block));
  const blocks = { ...state.blocks };
  const moves: DecidedMove[] = [];
  for (const { block, link } of [...entries].sort((a, b) => (a.block < b.block ? -1 : 1))) {
    if (link === undefined) continue;
    blocks[block] = changed(blocks[block] ?? emptyBlockState, at, link);
    moves.push({
      at,
      block,
      from: link,
      to: undefined,
      rung: 0,
      reason,
      predictedShiftBitps: 0,
      verdicts: [],
      outcome: 'pending',
    });
  }
  const plan: Plan = {
    generation: state.plan.generation + 1,
    at,
    blocks: state.plan.blocks.filter((entry) => !gone.has(entry.block)),
  };
  const pending = state.pending.filter((entry) => !gone.has(entry.block));
  return {
    state: { ...state, plan, blocks, pending, recent: [...state.recent, ...moves.map(() => at)] },
    moves,
  };
}

/** The state with the accepted proposals in force. */
export function* carryOut(
  observation: Observation,
  state: State,
  round: readonly Judged[],
  context: RailContext,
  verifications: readonly Verification[],
): Sliced<State> {
  const { network } = context;
  const { at } = observation;
  const accepted = round.filter((entry) => entry.isAccepted);
  if (accepted.length === 0) {
    const blocks = yield* withNewcomers(state, observation, []);
    if (blocks === state.plan.blocks) return state;
    return { ...state, plan: { generation: state.plan.generation + 1, at, blocks } };
  }
  const blocks = { ...state.blocks };
  const pending = [...state.pending];
  const recent = [...state.recent];
  const planned: BlockPlan[] = [];
  for (const entry of accepted) {
    const { group, target, rung } = entry.proposal;
    const to = network.links[target];
    const from = network.links[sourceOf(entry.proposal)];
    const reason = describeMove(entry.proposal, context, verifications);
    // An unbiased block comes in mostly by one link too: going there may be a return.
    const { shares } = entry.proposal;
    const lands = network.links[mostOf(shares)];
    for (const block of group.blocks) {
      planned.push({ block, link: to, rung, reason });
      recent.push(at);
      const left = to !== from ? from : undefined;
      blocks[block] = changed(
        blocks[block] ?? emptyBlockState,
        at,
        left,
        to ?? lands,
        to === undefined,
      );
      if (to !== undefined) pending.push(pendingMove(entry, block, at, from, to, network));
    }
  }
  const plan: Plan = {
    generation: state.plan.generation + 1,
    at,
    blocks: yield* withNewcomers(state, observation, planned),
  };
  return { ...state, plan, blocks, pending, recent };
}

/**
 * The plan in force with `planned` in it, and every observed block that is nobody else's, unbiased at first. The
 * very blocks of the plan in force where that changes nothing.
 */
export function* withNewcomers(
  state: State,
  observation: Observation,
  planned: readonly BlockPlan[],
): Sliced<readonly BlockPlan[]> {
  const known = new Set<string>(state.plan.blocks.map((entry) => entry.block));
  yield;
  const changes = new Map<string, BlockPlan | undefined>();
  yield* eachSliced(observation.blocks, ({ block, routing }) => {
    const isInvalid = routing?.roa === 'invalid';
    // What a ROA forbids is taken back, also when it was announced before: the aggregate stays.
    if (known.has(block)) {
      if (isInvalid) changes.set(block, undefined);
      return;
    }
    const isHandsOff = (state.blocks[block]?.handsOffUntil ?? 0) > observation.at;
    if (isHandsOff || isInvalid || routing?.roa === 'stale') return;
    const reason = 'announced alike on all links';
    changes.set(block, { block, link: undefined, rung: 0, reason });
  });
  for (const entry of planned)
    if (!changes.has(entry.block) || changes.get(entry.block)) changes.set(entry.block, entry);
  if (changes.size === 0) return state.plan.blocks;
  const all = state.plan.blocks.filter((entry) => !changes.has(entry.block));
  for (const entry of changes.values()) if (entry) all.push(entry);
  return all.sort((a, b) => (a.block < b.block ? -1 : 1));
}

function pendingMove(
  { proposal }: Judged,
  block: PrefixText,
  at: Ms,
  from: LinkId | undefined,
  to: LinkId,
  network: Network,
): Pending {
  const { group, target, rung, shares, shiftBitps } = proposal;
  return {
    block,
    at,
    from,
    to,
    rung,
    shareBefore: shareOn(group.shares, target),
    sharePredicted: shareOn(shares, target),
    shares: toNamed(network, shares),
    shiftBitps: shiftBitps / group.blocks.length,
  };
}

/**
 * Notes a change; one that returns to a link it left doubles the dwell, up to eight times. Biased and unbiased again is
 * there and back wherever it came in meanwhile.
 */
function changed(
  block: BlockState,
  at: Ms,
  left?: LinkId,
  to?: LinkId,
  isRelease = false,
): BlockState {
  const isReturn = isRelease || (to !== undefined && block.left.some((entry) => entry.link === to));
  return {
    ...block,
    changes: [...block.changes, at],
    left:
      left === undefined
        ? block.left
        : [...block.left.filter((entry) => entry.link !== left), { link: left, at }],
    dwellFactor: isReturn ? Math.min(8, block.dwellFactor * 2) : block.dwellFactor,
  };
}
