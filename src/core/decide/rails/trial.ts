import { isTried } from '../effects.ts';
import { dominantLink, type Group } from '../group.ts';
import { shareOn } from '../spread.ts';
import { unitHash } from './control.ts';
import { type Proposal, pass, postpone, type Rail, type RailContext } from './rail.ts';

/** Groups below this share of all traffic teach nothing: their share cannot be told from noise. */
const leastTellingShare = 0.005;

/** A link whose effects are unknown is tried first with one small group. */
export const trial: Rail = {
  name: 'trial',
  judge: (proposal, context) => {
    const { group, target, kind } = proposal;
    const { network, effects, state, accepted, groups } = context;
    const link = network.links[target];
    if (link === undefined || kind === 'pin') return pass('trial', 'not an experiment');
    if (isTried(effects, link)) return pass('trial', `effects towards ${link} are known`);
    const isRunning =
      state.pending.some((pending) => pending.to === link) ||
      accepted.some((other) => other.target === target);
    if (isRunning)
      return postpone('trial', `the first move towards ${link} has not been judged yet`);
    const smaller = groups.find(
      (other) => other.rate < group.rate / 2 && couldTeach(other, proposal, context),
    );
    return smaller
      ? postpone('trial', `effects towards ${link} are unknown: first tried with a smaller group`)
      : pass('trial', `first move towards ${link}`);
  },
};

/** Whether the search could propose `other` now for the same reason: else nothing would ever be tried. */
function couldTeach(other: Group, { group, target }: Proposal, context: RailContext): boolean {
  return (
    other.rate >= leastTellingShare * context.total &&
    dominantLink(other) === dominantLink(group) &&
    other.link < 0 &&
    !other.isPending &&
    other.state.changes.length === 0 &&
    other.mayUse[target] === true &&
    other.pin === undefined &&
    other.best === group.best &&
    other.routing.roa !== 'invalid' &&
    other.routing.isForeign !== true &&
    unitHash(other.name) >= context.policy.rails.controlShare &&
    shareOn(other.baseline, target) < 0.5
  );
}
