import { utilisation } from '../network.ts';
import { pass, percent, postpone, type Rail, type RailContext } from './rail.ts';

/** Loss from which work is due whatever the load. */
const lossDue = 0.01;

/** Two thresholds: work starts at the upper ones and goes on to the lower ones. */
export const hysteresis: Rail = {
  name: 'hysteresis',
  judge: ({ kind, gain, shiftBitps, group }, context) => {
    if (kind === 'roll_back' || kind === 'pin') return pass('hysteresis', `${kind}: not for load`);
    const { policy, total } = context;
    const least = policy.moveCost * (shiftBitps / Math.max(1, total));
    const text = `gain ${gain.toFixed(4)}, the move costs ${least.toFixed(4)}`;
    if (gain <= least) return postpone('hysteresis', text);
    if (group.best) return pass('hysteresis', text);
    return context.state.isEngaged
      ? pass('hysteresis', text)
      : postpone(
          'hysteresis',
          `no link is above ${percent(policy.rails.high)} and load is even enough`,
        );
  },
};

/**
 * Whether work is due: a link above the upper threshold, links too unevenly full, or a gain of price or response
 * time worth more than `reachable`; once begun, until the lower thresholds hold.
 */
export function isWorkDue(
  context: Pick<RailContext, 'network' | 'policy' | 'loads'>,
  wasEngaged: boolean,
): boolean {
  const { network, policy, loads } = context;
  const used = network.links
    .map((_, link) => ({ link, value: utilisation(network, loads, link) }))
    .filter(({ link }) => network.isUp[link]);
  if (used.length < 2) return false;
  const drains = used.some(({ link }) => network.isDrained[link] && (loads.byLink[link] ?? 0) > 0);
  const values = used.map(({ value }) => value);
  const fullest = Math.max(...values);
  const spread = fullest - Math.min(...values);
  const rails = policy.rails;
  if (drains || fullest >= (wasEngaged ? rails.low : rails.high)) return true;
  const { objective } = policy;
  if (objective.balance > 0 && spread >= (wasEngaged ? rails.spreadLow : rails.spreadHigh))
    return true;
  return (
    objective.price > 0 ||
    objective.response > 0 ||
    network.isCongested.some(Boolean) ||
    network.loss.some((loss) => loss > lossDue)
  );
}
