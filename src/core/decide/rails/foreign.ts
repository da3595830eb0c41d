import { duration, pass, type Rail, refuse } from './rail.ts';

/** Hands off what somebody else steers (blackhole, scrubbing), until it is gone and the hold time has passed. */
export const foreign: Rail = {
  name: 'foreign',
  judge: ({ group }, { now }) => {
    if (group.routing.isForeign) return refuse('foreign', 'somebody else announces this block');
    const until = group.state.handsOffUntil ?? 0;
    return now < until
      ? refuse('foreign', `hands off for another ${duration(until - now)}`)
      : pass('foreign', 'announced by nobody else');
  },
};
