import { type Ms, ms } from '../base/units.ts';
import type { BlockState, State } from './state.ts';

/**
 * The memory of decisions after the clock was set by `byMs`: every rail counts the time that really passed, neither
 * an hour of dwell that a step forward would grant nor a freeze for as long as one back.
 */
export function shiftTimes(state: State, byMs: number): State {
  const shift = (at: Ms): Ms => ms(at + byMs);
  const blocks = Object.entries(state.blocks).map(([block, own]): [string, BlockState] => [
    block,
    {
      ...own,
      changes: own.changes.map(shift),
      left: own.left.map((entry) => ({ ...entry, at: shift(entry.at) })),
      tried: Object.fromEntries(
        Object.entries(own.tried).map(([link, entry]) => [link, { ...entry, at: shift(entry.at) }]),
      ),
      ...(own.handsOffUntil === undefined ? {} : { handsOffUntil: shift(own.handsOffUntil) }),
    },
  ]);
  return {
    ...state,
    blocks: Object.fromEntries(blocks),
    pending: state.pending.map((entry) => ({ ...entry, at: shift(entry.at) })),
    recent: state.recent.map(shift),
    ...(state.frozen ? { frozen: { ...state.frozen, since: shift(state.frozen.since) } } : {}),
  };
}
