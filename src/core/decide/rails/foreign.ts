import type { BlockState } from '../state.ts';
import { duration, pass, type Rail, refuse } from './rail.ts';

const since = ({ handsOffReason }: BlockState): string =>
  handsOffReason === undefined ? '' : ` (${handsOffReason})`;

/** Hands off what somebody else steers (blackhole, scrubbing), until it is gone and the hold time has passed. */
export const foreign: Rail = {
  name: 'foreign',
  judge: ({ group }, { now }) => {
    const { isForeign, foreignReason } = group.routing;
    if (isForeign) return refuse('foreign', foreignReason ?? 'somebody else announces this block');
    const until = group.state.handsOffUntil ?? 0;
    return now < until
      ? refuse('foreign', `hands off for another ${duration(until - now)}${since(group.state)}`)
      : pass('foreign', 'announced by nobody else');
  },
};
