import { pass, postpone, type Rail } from './rail.ts';

/** A cap on the changes of all blocks per hour. */
export const hourly: Rail = {
  name: 'hourly',
  judge: ({ group }, { now, policy, state, accepted }) => {
    const { hourMs, movesPerHour } = policy.rails;
    let made = state.recent.filter((at) => now - at < hourMs).length;
    for (const other of accepted) made += other.group.blocks.length;
    const text = `${made} of ${movesPerHour} moves in this hour`;
    // A group of more blocks than the cap would never move: it goes when nothing else did, but where nothing may.
    const isLoneGroup = made === 0 && movesPerHour > 0 && group.blocks.length > movesPerHour;
    return made + group.blocks.length <= movesPerHour || isLoneGroup
      ? pass('hourly', text)
      : postpone('hourly', text);
  },
};
