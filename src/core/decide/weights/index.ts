/**
 * By which links the sessions of each class of destinations are to begin, as weights. Stateless but for the weights in
 * force: demand does not depend on them, so that the best spread is aimed at and not sought by feedback.
 */
import { bitps, type Ms } from '../../base/units.ts';
import type { Network } from '../network.ts';
import type { Weights } from '../policy.ts';
import { divide, loadsOf } from './division.ts';
import { isNear, movedShare, sameWeights, stepTowards, toParts } from './parts.ts';
import { nextBitTerms, objectiveOf, problemOf, usableLinks } from './terms.ts';
import {
  type ClassWeights,
  type DecidedClass,
  type DestinationClass,
  type LinkWeights,
  type WeightsPlan,
  type WeightsPolicy,
  weightParts,
} from './types.ts';

export * from './types.ts';

export interface WeightsInput {
  readonly at: Ms;
  /** Of outbound traffic: `buildNetwork(…, 'outbound')`. */
  readonly network: Network;
  readonly classes: readonly DestinationClass[];
  /** Load by link that bears no marks, bit/s, in the order of `network.links`. */
  readonly fixed: readonly number[];
}

/** Of all capacity: demand that is taken to be there, so that weights mean something on an idle network. */
const idleShare = 1e-3;

/** The order of the input does not matter. */
export function decideWeights(
  input: WeightsInput,
  weights: Weights,
  policy: WeightsPolicy,
  inForce: readonly ClassWeights[],
): WeightsPlan {
  const { at, network, fixed } = input;
  const classes = demandsOf(input);
  const objective = objectiveOf(network, weights, policy);
  const problem = problemOf(objective, classes, fixed);
  const best = divide(problem);
  const loads = loadsOf(problem, best);
  const before = new Map(
    classes.flatMap((each) => {
      const own = weightsBefore(each, inForce);
      return own ? [[each.name, own] as const] : [];
    }),
  );
  const wanted = classes.map((each, c) => wantedOf(each, network, best[c]));
  const share = shareToMove(classes, wanted, before, policy);
  const lastChange = Math.max(0, ...inForce.map(({ since }) => since));
  const isSettling = at - lastChange < policy.settleMs;
  const decided = classes.map((each, c): DecidedClass => {
    const old = before.get(each.name);
    const target = wanted[c] ?? {};
    const next = weigh(old?.weights, target, isCut(old, each, network), isSettling, share);
    return {
      name: each.name,
      rate: each.rate,
      weights: next.weights,
      since: old && sameWeights(old.weights, next.weights) ? old.since : at,
      wanted: target,
      terms: nextBitTerms(objective, each, loads),
      text: next.text,
    };
  });
  return {
    at,
    classes: decided,
    links: plannedLoads(network, fixed, decided),
    isChanged: decided.some(
      (each) =>
        !sameWeights(inForce.find(({ name }) => name === each.name)?.weights ?? {}, each.weights),
    ),
  };
}

/** In the order of their names, none without any demand. */
function demandsOf({ classes, network }: WeightsInput): readonly DestinationClass[] {
  const capacity = network.portCapacity.reduce((sum, own) => sum + own, 0);
  const least = (idleShare * capacity) / Math.max(1, classes.length);
  return [...classes]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((each) => ({ ...each, rate: bitps(Math.max(each.rate, least)) }));
}

/** What a class had; where it is new, what the nearest class had that it may be the rest of, as far as it has its links. */
function weightsBefore(
  each: DestinationClass,
  inForce: readonly ClassWeights[],
): ClassWeights | undefined {
  const own = inForce.find(({ name }) => name === each.name);
  if (own) return own;
  const links = each.ways.map(({ link }) => link as string);
  const [nearest] = inForce
    .filter(({ weights }) => links.every((link) => link in weights))
    .sort(
      (a, b) =>
        Object.keys(a.weights).length - Object.keys(b.weights).length ||
        b.since - a.since ||
        (a.name < b.name ? -1 : 1),
    );
  const rest = new Map(links.map((link) => [link, nearest?.weights[link] ?? 0]));
  const isLeft = [...rest.values()].some((parts) => parts > 0);
  return nearest && isLeft
    ? { name: each.name, weights: toParts(rest), since: nearest.since }
    : undefined;
}

/** Of every way: one that gets nothing is still one to fall back on. */
function wantedOf(each: DestinationClass, network: Network, row?: Float64Array): LinkWeights {
  return toParts(
    new Map(
      each.ways.flatMap(({ link }) => {
        const l = network.indexOf.get(link);
        return l === undefined ? [] : [[link, row?.[l] ?? 0] as const];
      }),
    ),
  );
}

/** Which share of the way to what is wanted may be gone now: all classes together move no more than the policy says. */
function shareToMove(
  classes: readonly DestinationClass[],
  wanted: readonly LinkWeights[],
  before: ReadonlyMap<string, ClassWeights>,
  { sharePerRound }: WeightsPolicy,
): number {
  let total = 0;
  let moved = 0;
  for (const [c, { name, rate }] of classes.entries()) {
    const old = before.get(name);
    total += rate;
    if (old) moved += rate * movedShare(old.weights, wanted[c] ?? {});
  }
  return moved > 0 ? Math.min(1, (sharePerRound * total) / moved) : 1;
}

/** Whether what is in force has no link left that is up, or another link became one of the class. */
function isCut(old: ClassWeights | undefined, each: DestinationClass, network: Network): boolean {
  if (!old) return true;
  const usable = usableLinks(each, network).map((l) => network.links[l] as string);
  return usable.every((link) => (old.weights[link] ?? 0) === 0);
}

function weigh(
  old: LinkWeights | undefined,
  wanted: LinkWeights,
  isWithoutWay: boolean,
  isSettling: boolean,
  share: number,
): { readonly weights: LinkWeights; readonly text: string } {
  if (!old) return { weights: wanted, text: 'the best for what is measured' };
  if (isWithoutWay) return { weights: wanted, text: 'none of its links was up' };
  if (isNear(old, wanted)) return { weights: old, text: 'as good as the best' };
  if (isSettling) return { weights: old, text: 'the last change settles' };
  if (share >= 1) return { weights: wanted, text: 'the best for what is measured' };
  const text = `on the way to the best, ${Math.round(share * 100)} % of it at once`;
  return { weights: stepTowards(old, wanted, share), text };
}

function plannedLoads(
  network: Network,
  fixed: readonly number[],
  classes: readonly DecidedClass[],
): WeightsPlan['links'] {
  return network.links.map((link, l) => {
    const sum = classes.reduce(
      (load, { rate, weights }) => load + (rate * (weights[link] ?? 0)) / weightParts,
      fixed[l] ?? 0,
    );
    const capacity = network.portCapacity[network.port[l] ?? 0] ?? 0;
    return { link, capacity: bitps(capacity), planned: bitps(sum) };
  });
}
