/**
 * Where every group should come in if nothing held it: the whole assignment at once, by the optimiser. The search of
 * a round looks at the groups that this would move first, and `headgate plan --exact` compares it with a solver.
 */
import { eachSliced, type Sliced } from '../base/slices.ts';
import { type AssignProblem, assignSliced, type LoadStep } from './assign/index.ts';
import { dominantLink, type Group } from './group.ts';
import { qualityCosts } from './network.ts';
import type { Weights } from './policy.ts';
import type { RailContext } from './rails/rail.ts';
import { drainedCost, lossSlope, overloadSlope, qualityWeight } from './score.ts';
import { shareOn } from './spread.ts';

export interface Aim {
  readonly problem: AssignProblem;
  /** Groups in the order of the problem's blocks. */
  readonly groups: readonly Group[];
}

/** Shares of the capacity between which the rising cost of load is taken as even: finer where it matters. */
const stepEnds = [0.25, 0.5, 0.65, 0.75, 0.85, 0.95, 1.1, 1.5];

/** The assignment problem of a moment: only what comes in by a group's main link is taken to be movable. */
export function* aimOf(context: RailContext): Sliced<Aim> {
  const { network, policy, loads } = context;
  const links = network.links.length;
  const groups = context.groups.filter((group) => group.rate > 0 && isFree(group));
  yield;
  const home = Int32Array.from(groups, dominantLink);
  const demand = Float64Array.from(groups, (group, i) => group.rate * shareAt(group, home[i]));
  const base = Float64Array.from(loads.byLink);
  for (let i = 0; i < groups.length; i++) {
    const at = home[i] ?? 0;
    base[at] = Math.max(0, (base[at] ?? 0) - (demand[i] ?? 0));
  }
  const cost = new Float64Array(groups.length * links);
  yield* eachSliced(groups, (group, i) => {
    const perLink = costsOf(group, context);
    for (let l = 0; l < links; l++) cost[i * links + l] = perLink[l] ?? 0;
  });
  const sharing = network.port.map((port) => network.port.filter((p) => p === port).length);
  return {
    groups,
    problem: {
      // Links of one port are given equal parts of it, for lack of a better guess.
      capacity: Float64Array.from(
        network.port,
        (port, l) => (network.portCapacity[port] ?? 1) / (sharing[l] ?? 1),
      ),
      base,
      demand,
      home,
      cost,
      moveFixed: 0,
      movePerUnit: policy.moveCost,
      steps: loadSteps(policy.objective, policy.rails.high),
    },
  };
}

/** The groups that the best assignment has elsewhere than where they come in. */
export function* misplaced(context: RailContext): Sliced<ReadonlySet<Group>> {
  const { problem, groups } = yield* aimOf(context);
  if (groups.length === 0) return new Set();
  const { link } = yield* assignSliced(problem);
  return new Set(groups.filter((_, i) => link[i] !== problem.home[i]));
}

const isFree = (group: Group): boolean => !group.isPending && group.pin === undefined;

const shareAt = (group: Group, link: number | undefined): number =>
  shareOn(group.shares, link ?? 0);

function costsOf(group: Group, { network, loads }: RailContext): number[] {
  const { weights, best } = group;
  const qualities = best && qualityCosts(network, loads, best);
  return network.links.map((_, link) => {
    if (!group.mayUse[link] || !network.isUp[link]) return Number.POSITIVE_INFINITY;
    if (qualities) return qualityWeight * (qualities[link] ?? 0);
    const isPaid = (loads.byLink[link] ?? 0) < (network.paid[link] ?? 0);
    return (
      weights.response * (network.response[link] ?? 0) +
      (isPaid ? 0 : weights.price * (network.price[link] ?? 0)) +
      weights.congestion * lossSlope * (network.loss[link] ?? 0) +
      (network.isDrained[link] ? weights.congestion * drainedCost : 0)
    );
  });
}

/** The slope of `load × (balance × used + congestion × overload)`, step by step. */
export function loadSteps(weights: Weights, high: number): readonly LoadStep[] {
  const steps: LoadStep[] = [];
  let from = 0;
  for (const to of stepEnds) {
    const middle = (from + to) / 2;
    const over = middle > high ? overloadSlope * (2 * middle - high) : 0;
    const slope = weights.balance * 2 * middle + weights.congestion * over;
    if (slope > (steps.at(-1)?.slope ?? 0)) steps.push({ from, slope });
    from = to;
  }
  return steps;
}
