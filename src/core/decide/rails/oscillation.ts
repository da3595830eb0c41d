import { utilisation } from '../network.ts';
import type { Policy } from '../policy.ts';
import { mostOf } from '../spread.ts';
import type { BlockState } from '../state.ts';
import { duration, pass, postpone, type Rail } from './rail.ts';

/** Unless a link is all but full there is poor reason to return: it waits this much longer. */
const evenLoadPatience = 8;

/**
 * A block does not return to a link that it left a short while ago, unless where it is now is down; once it has been
 * there and back it goes to neither again for a week, whatever the reason: elsewhere it may go.
 */
export const oscillation: Rail = {
  name: 'oscillation',
  judge: ({ group, target, kind, shares }, { now, policy, network, loads }) => {
    if (kind === 'pin' || kind === 'roll_back') return pass('oscillation', `waived: ${kind}`);
    if (group.link >= 0 && target === group.link) return pass('oscillation', 'stays where it is');
    const urgent = (1 + policy.rails.high) / 2;
    const isRelief = network.links.some(
      (_, link) => network.isUp[link] && utilisation(network, loads, link) >= urgent,
    );
    const patience = isRelief ? 1 : evenLoadPatience;
    const window = returnWindow(policy, group.state.dwellFactor) * patience;
    const last = group.state.changes.at(-1) ?? 0;
    const isEscape =
      group.link >= 0 && (!network.isUp[group.link] || network.isDrained[group.link]);
    if (target < 0 && !isEscape && now - last < window) {
      const text = `biased ${duration(now - last)} ago, may be released after ${duration(window)}`;
      return postpone('oscillation', text);
    }
    // Where most of an unbiased group would come in.
    const to = target < 0 ? mostOf(shares) : target;
    const left = group.state.left.findLast((entry) => entry.link === network.links[to]);
    if (!left) return pass('oscillation', 'was not there before');
    if (hasReturned(group.state)) {
      const text = `has been back on a link that it left, was on ${left.link} ${duration(now - left.at)} ago`;
      return now - left.at >= weekOf(policy)
        ? pass('oscillation', text)
        : postpone('oscillation', text);
    }
    if (group.link >= 0 && !network.isUp[group.link])
      return pass('oscillation', `waived: ${network.links[group.link]} is down`);
    const text = `left ${left.link} ${duration(now - left.at)} ago, may return after ${duration(window)}`;
    return now - left.at >= window ? pass('oscillation', text) : postpone('oscillation', text);
  },
};

/** Back and forth within the last week. */
const hasReturned = (state: BlockState): boolean => state.dwellFactor > 1;

const weekOf = ({ rails }: Policy): number => 7 * 24 * rails.hourMs;

/** How long a link that was left stays out of bounds: much longer for a block that went back and forth already. */
export function returnWindow(policy: Policy, dwellFactor: number): number {
  return policy.rails.oscillationDwells * policy.rails.dwellMs * dwellFactor ** 3;
}
