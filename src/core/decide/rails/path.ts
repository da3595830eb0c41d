import { carriedSet } from '../carried.ts';
import { pass, type Rail, refuse } from './rail.ts';

/**
 * Never the last path: a block is biased only towards a link that is up and carries it, only while another link
 * is up too, and only while the routers of all its links carry it.
 */
export const path: Rail = {
  name: 'path',
  judge: ({ group, target }, { network }) => {
    if (target < 0) return pass('path', 'announced alike on all links');
    const name = network.links[target] ?? '';
    if (!network.isUp[target]) return refuse('path', `${name} is down`);
    const usable = network.links.filter((_, i) => network.isUp[i] && group.mayUse[i]);
    if (usable.length < 2) return refuse('path', `${name} is the only link that is up`);
    const { carriedOn } = group.routing;
    const carried = carriedOn && carriedSet(carriedOn);
    const missing = carried && usable.find((link) => !carried.has(link));
    if (missing !== undefined) return refuse('path', `the router of ${missing} does not carry it`);
    return pass('path', `${usable.length} links are up and carry it`);
  },
};
