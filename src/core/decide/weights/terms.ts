/** The objective of inbound, as sessions that begin outbound meet it. */
import type { Network } from '../network.ts';
import type { Weights } from '../policy.ts';
import { drainedCost, lossSlope, portCost, priced, type Terms } from '../score.ts';
import { type DivisionProblem, portLoads } from './division.ts';
import type { DestinationClass, WeightsPolicy } from './types.ts';

export interface Objective {
  readonly network: Network;
  readonly weights: Weights;
  /** By port, the share of its capacity from which on load costs as congestion: the least of its links. */
  readonly high: readonly number[];
}

/** Else equally cheap links would be filled one after the other, and a little more demand would change all. */
const balanceLeast = 0.01;

export function objectiveOf(network: Network, weights: Weights, policy: WeightsPolicy): Objective {
  return {
    network,
    weights: { ...weights, balance: Math.max(weights.balance, balanceLeast) },
    high: network.portCapacity.map((_, port) =>
      Math.min(
        ...network.links.flatMap((link, l) =>
          network.port[l] === port ? [policy.high(link)] : [],
        ),
      ),
    ),
  };
}

/** Indices of the links that a class may use, those that are up; all of them where none is. */
export function usableLinks({ ways }: DestinationClass, network: Network): readonly number[] {
  const all = ways.flatMap(({ link }) => network.indexOf.get(link) ?? []);
  const up = all.filter((l) => network.isUp[l]);
  return up.length > 0 ? up : all;
}

export function problemOf(
  objective: Objective,
  classes: readonly DestinationClass[],
  fixed: readonly number[],
): DivisionProblem {
  const { network, weights, high } = objective;
  return {
    fixed,
    port: network.port,
    portCost: (port, load) =>
      portCost(load, network.portCapacity[port] ?? 1, weights, high[port] ?? 1),
    linkCost: (link, load) => weights.price * priced(network, link, load),
    classes: classes.map((each) => {
      const usable = new Set(usableLinks(each, network));
      return {
        rate: each.rate,
        cost: network.links.map((_, l) => {
          if (!usable.has(l)) return Number.POSITIVE_INFINITY;
          const { congestion, response } = ownTerms(objective, each, l);
          return congestion + response;
        }),
      };
    }),
  };
}

/** By link, what the next bit of a class would cost there while the links carry `loads`. */
export function nextBitTerms(
  objective: Objective,
  each: DestinationClass,
  loads: readonly number[],
): Readonly<Record<string, Terms>> {
  const { network, weights, high } = objective;
  const ports = portLoads(network, loads);
  const none: Weights = { balance: 0, congestion: 0, response: 0, price: 0 };
  const terms = each.ways.flatMap(({ link }) => {
    const l = network.indexOf.get(link);
    if (l === undefined) return [];
    const port = network.port[l] ?? 0;
    const capacity = network.portCapacity[port] ?? 1;
    const bit = capacity * 1e-6;
    const slope = (cost: (load: number) => number, load: number) =>
      (cost(load + bit) - cost(load)) / bit;
    const byLoad = (of: Weights) =>
      slope((load) => portCost(load, capacity, of, high[port] ?? 1), ports[port] ?? 0);
    const own = ownTerms(objective, each, l);
    return [
      [
        link,
        {
          balance: byLoad({ ...none, balance: weights.balance }),
          congestion: byLoad({ ...none, congestion: weights.congestion }) + own.congestion,
          response: own.response,
          price: weights.price * slope((load) => priced(network, l, load), loads[l] ?? 0),
        },
      ] as const,
    ];
  });
  return Object.fromEntries(terms);
}

/** What a bit costs by a link whatever the link carries. */
function ownTerms(
  { network, weights }: Objective,
  { ways }: DestinationClass,
  link: number,
): Pick<Terms, 'congestion' | 'response'> {
  const own = ways.find((way) => way.link === network.links[link])?.response;
  // A link under maintenance is emptied whatever the objective counts.
  const drained = network.isDrained[link] ? Math.max(1, weights.congestion) * drainedCost : 0;
  return {
    congestion: weights.congestion * lossSlope * (network.loss[link] ?? 0) + drained,
    response: weights.response * (own ?? network.response[link] ?? 0),
  };
}
