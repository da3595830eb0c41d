import type { Loads, Network } from './network.ts';
import type { Weights } from './policy.ts';
import type { Change } from './spread.ts';

/** The objective by term, each weighted and per unit of traffic; lower is better. */
export interface Terms {
  readonly balance: number;
  readonly congestion: number;
  readonly response: number;
  readonly price: number;
}

/** Steepness of the congestion term above the high threshold: 10 points over cost as much as one full link. */
export const overloadSlope = 10;
/** One percent of loss weighs like one full link. */
export const lossSlope = 100;
/** A drained link costs more than any other reason to use it. */
export const drainedCost = 50;
/** Weight of a `best` group's quality, against nothing else. */
export const qualityWeight = 4;

/** Score of a whole network under `loads` (bit/s by link), per unit of `total`. */
export function scoreTerms(
  network: Network,
  loads: readonly number[],
  weights: Weights,
  high: number,
  total: number,
): Terms {
  let balance = 0;
  let congestion = 0;
  let response = 0;
  let price = 0;
  const portLoad = new Array<number>(network.portCapacity.length).fill(0);
  for (let link = 0; link < loads.length; link++) {
    const load = loads[link] ?? 0;
    const port = network.port[link] ?? 0;
    portLoad[port] = (portLoad[port] ?? 0) + load;
    congestion += load * (lossSlope * (network.loss[link] ?? 0));
    if (network.isDrained[link]) congestion += load * drainedCost;
    response += load * (network.response[link] ?? 0);
    price += priced(network, link, load);
  }
  for (let port = 0; port < portLoad.length; port++) {
    const load = portLoad[port] ?? 0;
    const used = load / (network.portCapacity[port] ?? 1);
    balance += load * used;
    congestion += load * overloadSlope * Math.max(0, used - high);
  }
  const scale = total > 0 ? 1 / total : 0;
  return {
    balance: weights.balance * balance * scale,
    congestion: weights.congestion * congestion * scale,
    response: weights.response * response * scale,
    price: weights.price * price * scale,
  };
}

export const sumTerms = (terms: Terms): number =>
  terms.balance + terms.congestion + terms.response + terms.price;

/** What it takes to say by how much the score falls: a moment of the network, and what counts. */
export interface Scale {
  readonly network: Network;
  readonly loads: Loads;
  readonly weights: Weights;
  readonly high: number;
}

/**
 * By how much the whole score (bit/s, not yet per unit of all traffic) falls by a change. What happens at the port of
 * `target` is added last, so that the rest can be summed once for many targets that share it.
 */
export function gainOf(scale: Scale, change: Change, target: number): number {
  const port = scale.network.port[target] ?? -1;
  return gainBeside(scale, change, port) + gainAt(scale, change, port);
}

/** The part of `gainOf` that is not at `port`. */
export function gainBeside(scale: Scale, { links, bitps }: Change, port: number): number {
  const { network } = scale;
  let gain = 0;
  for (let i = 0; i < links.length; i++) {
    const own = network.port[links[i] ?? 0] ?? 0;
    if (own === port) continue;
    let added = bitps[i] ?? 0;
    let isFirst = true;
    for (let k = 0; k < links.length; k++) {
      if (k === i || network.port[links[k] ?? 0] !== own) continue;
      if (k < i) isFirst = false;
      added += bitps[k] ?? 0;
    }
    if (isFirst) gain += portGain(scale, own, added);
    gain -= linkCost(scale, links[i] ?? 0, bitps[i] ?? 0);
  }
  return gain;
}

/** What a single link alone contributes to `gainOf` as its target. */
export const gainOn = (scale: Scale, link: number, added: number): number =>
  portGain(scale, scale.network.port[link] ?? 0, added) - linkCost(scale, link, added);

/** What the next bit/s on a link costs, and what that is small against: all that its load costs. */
export function slopeOf(scale: Scale, link: number): { readonly slope: number; cost: number } {
  const { network, loads, weights, high } = scale;
  const port = network.port[link] ?? 0;
  const capacity = network.portCapacity[port] ?? 1;
  const load = loads.byPort[port] ?? 0;
  const used = load / capacity;
  const over = used > high ? overloadSlope * (2 * used - high) : 0;
  const own = loads.byLink[link] ?? 0;
  const price = own < (network.paid[link] ?? 0) ? 0 : (network.price[link] ?? 0);
  const perBit = perBitOf(scale, link) + weights.price * price;
  return {
    slope: weights.balance * 2 * used + weights.congestion * over + perBit,
    cost:
      portCost(load, capacity, weights, high) + weights.price * own * (network.price[link] ?? 0),
  };
}

function gainAt(scale: Scale, { links, bitps }: Change, port: number): number {
  let added = 0;
  let cost = 0;
  for (let i = 0; i < links.length; i++) {
    if (scale.network.port[links[i] ?? 0] !== port) continue;
    added += bitps[i] ?? 0;
    cost += linkCost(scale, links[i] ?? 0, bitps[i] ?? 0);
  }
  return portGain(scale, port, added) - cost;
}

function portGain({ network, loads, weights, high }: Scale, port: number, added: number): number {
  if (added === 0) return 0;
  const capacity = network.portCapacity[port] ?? 1;
  const before = loads.byPort[port] ?? 0;
  const after = portCost(Math.max(0, before + added), capacity, weights, high);
  return portCost(before, capacity, weights, high) - after;
}

/** What more traffic on a link costs beside the load of its port. */
function linkCost(scale: Scale, link: number, added: number): number {
  if (added === 0) return 0;
  const { network, loads, weights } = scale;
  const cost = added * perBitOf(scale, link);
  if (weights.price === 0) return cost;
  const load = loads.byLink[link] ?? 0;
  return cost + weights.price * (priced(network, link, load + added) - priced(network, link, load));
}

/** What a bit costs on a link whatever its load. */
function perBitOf({ network, weights }: Scale, link: number): number {
  const perBit = weights.response * (network.response[link] ?? 0);
  const loss = weights.congestion * lossSlope * (network.loss[link] ?? 0);
  return perBit + loss + (network.isDrained[link] ? weights.congestion * drainedCost : 0);
}

/** Bit/s that cost money, weighed by their price: up to what is paid already a bit costs nothing. */
export const priced = ({ price, paid }: Network, link: number, load: number): number =>
  Math.max(0, load - (paid[link] ?? 0)) * (price[link] ?? 0);

/** What the load of a port costs, in bit/s as the terms are. */
export function portCost(load: number, capacity: number, weights: Weights, high: number): number {
  const used = load / capacity;
  const over = overloadSlope * Math.max(0, used - high);
  return load * (weights.balance * used + weights.congestion * over);
}
