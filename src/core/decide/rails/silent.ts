import { pass, type Rail, refuse } from './rail.ts';

/** Of several units one is silent: what it announces stays as it is until it has surely let go. */
export const silent: Rail = {
  name: 'silent',
  judge: ({ group }) =>
    group.routing.frozenReason === undefined
      ? pass('silent', 'no unit that announces it is silent')
      : refuse('silent', group.routing.frozenReason),
};
