import { duration, pass, postpone, type Rail } from './rail.ts';

/** A block's announcement rests for the dwell time between two changes, longer if it went back and forth. */
export const dwell: Rail = {
  name: 'dwell',
  judge: ({ group }, { now, policy, network }) => {
    const last = group.state.changes.at(-1);
    if (last === undefined) return pass('dwell', 'never changed');
    if (group.link >= 0 && !network.isUp[group.link])
      return pass('dwell', `waived: ${network.links[group.link]} is down`);
    const wanted = policy.rails.dwellMs * group.state.dwellFactor;
    const rested = now - last;
    const stretched =
      group.state.dwellFactor > 1 ? ', lengthened since it went back and forth' : '';
    const text = `changed ${duration(rested)} ago, dwell ${duration(wanted)}${stretched}`;
    return rested >= wanted ? pass('dwell', text) : postpone('dwell', text);
  },
};
