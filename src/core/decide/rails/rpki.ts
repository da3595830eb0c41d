import { pass, type Rail, refuse } from './rail.ts';

/** An announcement that its ROA makes invalid is never steered (RFC 6811). */
export const rpki: Rail = {
  name: 'rpki',
  judge: ({ group, target }) =>
    target >= 0 && group.routing.roa === 'invalid'
      ? refuse('rpki', 'a ROA makes this announcement invalid')
      : pass('rpki', group.routing.roa ?? 'no ROA known'),
};
