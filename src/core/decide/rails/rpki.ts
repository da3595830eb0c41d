import { pass, postpone, type Rail, refuse } from './rail.ts';

/** An announcement that its ROA makes invalid is never steered (RFC 6811); without fresh VRPs nothing is guessed. */
export const rpki: Rail = {
  name: 'rpki',
  judge: ({ group, target }) => {
    const { roa, roaReason } = group.routing;
    if (target < 0) return pass('rpki', 'nothing is announced anew');
    if (roa === 'invalid')
      return refuse('rpki', roaReason ?? 'a ROA makes this announcement invalid');
    if (roa === 'stale') return postpone('rpki', roaReason ?? 'the VRPs are lost or too old');
    return pass('rpki', roa ?? 'no ROA known');
  },
};
