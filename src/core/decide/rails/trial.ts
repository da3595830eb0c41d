import { isTried } from '../effects.ts';
import { dominantLink } from '../group.ts';
import { couldTeach, mayTeach } from '../trials.ts';
import { pass, postpone, type Rail } from './rail.ts';

/** A link whose effects are unknown is tried first with one small group for each rung. */
export const trial: Rail = {
  name: 'trial',
  judge: (proposal, context) => {
    const { group, target, kind, rung } = proposal;
    const { network, effects, state, accepted, groups } = context;
    const link = network.links[target];
    if (link === undefined || kind === 'pin') return pass('trial', 'not an experiment');
    if (isTried(effects, link)) return pass('trial', `effects towards ${link} are known`);
    const isRunning =
      state.pending.some((pending) => pending.to === link && pending.rung === rung) ||
      accepted.some((other) => other.target === target && other.rung === rung);
    if (isRunning)
      return postpone('trial', `the first move towards ${link} has not been judged yet`);
    const smaller = groups.find(
      (other) =>
        other.rate < group.rate / 2 &&
        // Whether the search could propose it for the same reason: else nothing would ever be tried.
        dominantLink(other) === dominantLink(group) &&
        other.best === group.best &&
        mayTeach(other, context) &&
        couldTeach(other, target) &&
        !accepted.some((move) => move.group === other),
    );
    return smaller
      ? postpone('trial', `effects towards ${link} are unknown: first tried with a smaller group`)
      : pass('trial', `first move towards ${link}`);
  },
};
