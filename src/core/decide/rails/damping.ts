import { pass, postpone, type Rail } from './rail.ts';

/** Worst-case penalty of one change: 500 for an attribute change, three times by path exploration. */
export const penaltyPerChange = 1500;

/** The route-flap penalty that a damping AS would have for the block now (RFC 2439). */
export function dampingPenalty(
  changes: readonly number[],
  now: number,
  halfLifeMs: number,
): number {
  let penalty = 0;
  for (const at of changes) penalty += penaltyPerChange * 2 ** (-(now - at) / halfLifeMs);
  return penalty;
}

/** Stays below what ASes with vendor defaults would suppress (RFC 7196 asks for more, not all follow). */
export const damping: Rail = {
  name: 'damping',
  judge: ({ group }, { now, policy }) => {
    const { dampingHalfLifeMs, dampingLimit } = policy.rails;
    const penalty = penaltyPerChange + dampingPenalty(group.state.changes, now, dampingHalfLifeMs);
    const text = `simulated penalty ${Math.round(penalty)} of ${dampingLimit}`;
    return penalty <= dampingLimit ? pass('damping', text) : postpone('damping', text);
  },
};
