import { pass, type Rail, refuse } from './rail.ts';

/** The operator's word: a pinned block goes to its link and nowhere else. */
export const pin: Rail = {
  name: 'pin',
  judge: ({ group, target }, { network }) => {
    if (group.pin === undefined) return pass('pin', 'not pinned');
    return network.links[target] === group.pin
      ? pass('pin', `pinned to ${group.pin}`)
      : refuse('pin', `pinned to ${group.pin}`);
  },
};
