/**
 * What no rung is known to do yet is tried on small groups, every rung of every link at the same time: one settle time
 * later the groups that count can go where they fit at once, in place of a rung more every dwell time.
 */
import type { Group } from './group.ts';
import { utilisation } from './network.ts';
import { unitHash } from './rails/control.ts';
import type { RailContext } from './rails/rail.ts';
import { shareOn } from './spread.ts';

/** Groups below this share of all traffic teach nothing: their share cannot be told from noise. */
const leastTellingShare = 0.005;

/** Groups with less than this share on links that need relief are none of their trouble. */
const leastHotShare = 0.1;

/** One rung of one link to be tried with a group. */
export interface Trial {
  readonly group: Group;
  readonly target: number;
  readonly rung: number;
}

/**
 * The trials that are worth making now: none while no link needs relief. The links with most room come first, and
 * half of what `moves_per_hour` still allows is left for relief.
 */
export function trialsDue(context: RailContext): readonly Trial[] {
  const { network, loads, policy, state, now } = context;
  const isHot = network.links.map(
    (_, link) =>
      network.isUp[link] === true && utilisation(network, loads, link) >= policy.rails.high,
  );
  if (!isHot.some(Boolean)) return [];
  const made = state.recent.filter((at) => now - at < policy.rails.hourMs).length;
  const most = (policy.rails.movesPerHour - made) >> 1;
  const wanted = most > 0 ? untried(context, isHot) : [];
  if (wanted.length === 0) return [];
  const able = context.groups
    .filter((group) => meets(group, isHot) && mayTeach(group, context))
    .sort((a, b) => a.rate - b.rate || (a.name < b.name ? -1 : 1));
  // The larger half is what relief will be made of.
  const small = new Set(able.slice(0, able.length >> 1));
  const trials: Trial[] = [];
  for (const { target, rung } of wanted) {
    if (trials.length >= most) break;
    const group = firstOf(small, target);
    if (!group) continue;
    small.delete(group);
    trials.push({ group, target, rung });
  }
  return trials;
}

/** Rungs that nobody knows and nobody is trying, the mildest first: of all links one, then of all the next. */
function untried(
  context: RailContext,
  isHot: readonly boolean[],
): ReadonlyArray<Pick<Trial, 'target' | 'rung'>> {
  const { network, policy, state } = context;
  const running = new Set(state.pending.map(({ to, rung }) => `${to} ${rung}`));
  const targets = network.links
    .map((_, link) => link)
    .filter((link) => network.isUp[link] && !network.isDrained[link] && !isHot[link])
    .sort((a, b) => room(context, b) - room(context, a) || a - b);
  const wanted: Array<Pick<Trial, 'target' | 'rung'>> = [];
  for (let rung = 1; rung <= policy.rungs; rung++)
    for (const target of targets)
      if (!isKnown(context, target, rung) && !running.has(`${network.links[target]} ${rung}`))
        wanted.push({ target, rung });
  return wanted;
}

function firstOf(groups: Iterable<Group>, target: number): Group | undefined {
  for (const group of groups) if (couldTeach(group, target)) return group;
  return undefined;
}

/** Whether enough of a group comes in by the links that need relief. */
const meets = ({ shares }: Group, isHot: readonly boolean[]): boolean =>
  shares.links.some((link, i) => isHot[link] === true && (shares.shares[i] ?? 0) >= leastHotShare);

/** Whether a group's move towards `target` would tell what a rung does there. */
export const couldTeach = (group: Group, target: number): boolean =>
  group.mayUse[target] === true && shareOn(group.baseline, target) < 0.5;

/** Whether a group is free to be tried with: it has never been moved, and no rail keeps it from being moved at all. */
export function mayTeach(group: Group, { total, policy }: RailContext): boolean {
  return (
    group.rate >= leastTellingShare * total &&
    group.link < 0 &&
    !group.isPending &&
    group.state.changes.length === 0 &&
    group.pin === undefined &&
    group.routing.roa !== 'invalid' &&
    group.routing.isForeign !== true &&
    unitHash(group.name) >= policy.rails.controlShare
  );
}

const isKnown = ({ effects, network }: RailContext, link: number, rung: number): boolean =>
  (effects[network.links[link] ?? '']?.[rung - 1]?.weight ?? 0) > 0;

/** Bit/s that a link could still take. */
const room = ({ network, loads }: RailContext, link: number): number =>
  (1 - utilisation(network, loads, link)) * (network.portCapacity[network.port[link] ?? 0] ?? 0);
