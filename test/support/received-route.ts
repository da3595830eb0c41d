import type { ReceivedRoute } from '../../src/speaker/index.ts';

/** A route as a router told it, plain but for what is given. */
export const receivedRoute = (
  given: Pick<ReceivedRoute, 'prefix' | 'router' | 'nextHop' | 'asPath'> & Partial<ReceivedRoute>,
): ReceivedRoute => ({
  pathId: 1,
  origin: 'igp',
  communities: [],
  largeCommunities: [],
  isStale: false,
  ...given,
});
