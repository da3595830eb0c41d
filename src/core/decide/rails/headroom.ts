import { effectOf, uncertaintyOf } from '../effects.ts';
import { changeBetween, shareOn } from '../spread.ts';
import { pass, percent, type Rail, refuse } from './rail.ts';

/** The target keeps free capacity even if more comes than expected, by the uncertainty of the link's effects. */
export const headroom: Rail = {
  name: 'headroom',
  judge: ({ group, target, rung, shares }, { policy, network, loads, effects }) => {
    const link = network.links[target];
    if (link === undefined) return pass('headroom', 'no single target');
    const port = network.port[target] ?? 0;
    const before = loads.byPort[port] ?? 0;
    const change = changeBetween(group.shares, shares, group.rate);
    let after = before;
    for (const [i, changed] of change.links.entries())
      if (network.port[changed] === port) after += change.bitps[i] ?? 0;
    const room = Math.max(0, 1 - shareOn(shares, target));
    after += group.rate * Math.min(room, uncertaintyOf(effectOf(effects, link, rung)));
    const used = after / (network.portCapacity[port] ?? 1);
    const text = `${link} would be at up to ${percent(used)}, limit ${percent(policy.rails.headroom)}`;
    return after <= before || used <= policy.rails.headroom
      ? pass('headroom', text)
      : refuse('headroom', text);
  },
};
