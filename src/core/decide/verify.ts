import { eachSliced, type Sliced } from '../base/slices.ts';
import type { Ms } from '../base/units.ts';
import type { Observation } from '../model/observation.ts';
import { type Effects, learnEffect, movedShare } from './effects.ts';
import type { Policy } from './policy.ts';
import { percent } from './rails/rail.ts';
import {
  type BlockState,
  emptyBlockState,
  type Pending,
  type State,
  type Verification,
} from './state.ts';

/** A move worked when it brought at least this part of what was predicted. */
const goodEnough = 0.5;
/** After this many settle times without traffic to judge by, a move is left unjudged. */
const patience = 4;

export interface Verified {
  readonly state: State;
  readonly verifications: readonly Verification[];
}

/** Compares settled moves with what came in, teaches the effects, and notes where unbiased blocks come in. */
export function* verify(observation: Observation, policy: Policy, state: State): Sliced<Verified> {
  const { at } = observation;
  const shares = yield* sharesByBlock(observation);
  yield;
  const blocks: Record<string, BlockState> = { ...state.blocks };
  yield;
  const verifications: Verification[] = [];
  const pending: Pending[] = [];
  let effects: Effects = state.effects;

  for (const entry of [...state.pending].sort(byBlock)) {
    const age = at - entry.at;
    const seen = shares.get(entry.block);
    if (age < policy.rails.settleMs || (!seen && age < patience * policy.rails.settleMs)) {
      pending.push(entry);
      continue;
    }
    if (!seen) {
      verifications.push(unjudged(entry));
      continue;
    }
    const block = blocks[entry.block] ?? emptyBlockState;
    const baseline = block.baseline?.[entry.to] ?? entry.shareBefore;
    const shareSeen = seen[entry.to] ?? 0;
    const moved = movedShare(baseline, shareSeen);
    const hoped = movedShare(baseline, entry.sharePredicted);
    // A block that was there already when unbiased says nothing of what a rung brings.
    if (baseline < 0.9) effects = learnEffect(effects, entry.to, entry.rung, moved);
    blocks[entry.block] = {
      ...block,
      tried: { ...block.tried, [entry.to]: { rung: entry.rung, moved, at } },
    };
    const worked = moved >= goodEnough * hoped;
    verifications.push({
      block: entry.block,
      to: entry.to,
      rung: entry.rung,
      sharePredicted: entry.sharePredicted,
      shareSeen,
      outcome: worked ? 'worked' : 'missed',
      reason: `${percent(shareSeen)} of ${entry.block} comes in by ${entry.to}, ${percent(entry.sharePredicted)} was predicted`,
    });
  }

  yield;
  const biased = new Set<string>(
    state.plan.blocks.filter(({ link }) => link !== undefined).map(({ block }) => block),
  );
  const byName = [...shares].sort(([a], [b]) => (a < b ? -1 : 1));
  yield;
  yield* eachSliced(byName, ([block, seen]) => {
    if (biased.has(block)) return;
    const known = blocks[block] ?? emptyBlockState;
    const changed = known.changes.at(-1);
    // Until the release has settled, the traffic still shows the old bias.
    if (changed !== undefined && at - changed < policy.rails.settleMs) return;
    const baseline = blend(known.baseline, seen);
    if (baseline !== known.baseline) blocks[block] = { ...known, baseline };
  });
  yield* eachSliced(Object.keys(blocks), (block) => {
    const known = blocks[block];
    if (known) blocks[block] = forget(known, at, 24 * policy.rails.hourMs);
  });
  const recent = state.recent.filter((time) => at - time < policy.rails.hourMs);
  return { state: { ...state, blocks, pending, effects, recent }, verifications };
}

function* sharesByBlock(observation: Observation): Sliced<Map<string, Record<string, number>>> {
  const shares = new Map<string, Record<string, number>>();
  yield* eachSliced(observation.blocks, ({ block, inbound }) => {
    const total = inbound.reduce((sum, { rate }) => sum + rate, 0);
    if (total <= 0) return;
    const named: Record<string, number> = {};
    for (const { link, rate } of inbound) named[link] = (named[link] ?? 0) + rate / total;
    shares.set(block, named);
  });
  return shares;
}

/** Half old, half new: follows a changed Internet within a few intervals, and rides over a noisy one. */
function blend(
  old: Readonly<Record<string, number>> | undefined,
  seen: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  if (!old) return seen;
  const names = Object.keys(old);
  for (const link of Object.keys(seen)) if (old[link] === undefined) names.push(link);
  const isSame = names.every((link) => Math.abs((old[link] ?? 0) - (seen[link] ?? 0)) < 1e-6);
  if (isSame) return old;
  const blended: Record<string, number> = {};
  for (const link of names.sort()) {
    const value = ((old[link] ?? 0) + (seen[link] ?? 0)) / 2;
    if (value > 1e-6) blended[link] = value;
  }
  return blended;
}

/** Back and forth is remembered this much longer than a block's own failures to move. */
const daysOfLeaving = 7;

/** Forgets changes and failures after a day; where a block left, and its longer dwell, after a week. */
function forget(block: BlockState, at: Ms, dayMs: number): BlockState {
  const isEmpty = block.changes.length === 0 && block.left.length === 0 && block.dwellFactor === 1;
  if (isEmpty && isNone(block.tried)) return block;
  const left = block.left.filter((entry) => at - entry.at < daysOfLeaving * dayMs);
  const tried = Object.entries(block.tried).filter(([, entry]) => at - entry.at < dayMs);
  return {
    ...block,
    changes: block.changes.filter((time) => at - time < dayMs),
    left,
    tried: Object.fromEntries(tried),
    dwellFactor: left.length === 0 ? 1 : block.dwellFactor,
  };
}

function isNone(record: Readonly<Record<string, unknown>>): boolean {
  for (const _ in record) return false;
  return true;
}

function unjudged(entry: Pending): Verification {
  return {
    block: entry.block,
    to: entry.to,
    rung: entry.rung,
    sharePredicted: entry.sharePredicted,
    shareSeen: entry.shareBefore,
    outcome: 'missed',
    reason: `${entry.block} carried no traffic since its move: nothing to judge by`,
  };
}

const byBlock = (a: Pending, b: Pending): number => (a.block < b.block ? -1 : 1);
