import { pass, postpone, type Rail } from './rail.ts';

/** A cap on the changes of one block per day. */
export const daily: Rail = {
  name: 'daily',
  judge: ({ group }, { now, policy }) => {
    const { hourMs, movesPerDay } = policy.rails;
    const today = group.state.changes.filter((at) => now - at < 24 * hourMs).length;
    const text = `${today} of ${movesPerDay} changes in 24 h`;
    return today < movesPerDay ? pass('daily', text) : postpone('daily', text);
  },
};
