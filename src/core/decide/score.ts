import type { Network } from './network.ts';
import type { Weights } from './policy.ts';

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

/** By how much the score falls when `change` (bit/s by link) is added to `loads`. */
export function scoreGain(
  network: Network,
  loads: readonly number[],
  change: readonly number[],
  weights: Weights,
  high: number,
  total: number,
): number {
  if (total <= 0) return 0;
  let gain = 0;
  for (let port = 0; port < network.portCapacity.length; port++) {
    let before = 0;
    let delta = 0;
    for (let link = 0; link < loads.length; link++) {
      if (network.port[link] !== port) continue;
      before += loads[link] ?? 0;
      delta += change[link] ?? 0;
    }
    if (delta === 0) continue;
    const capacity = network.portCapacity[port] ?? 1;
    gain += portCost(before, capacity, weights, high);
    gain -= portCost(Math.max(0, before + delta), capacity, weights, high);
  }
  for (let link = 0; link < change.length; link++) {
    const delta = change[link] ?? 0;
    if (delta === 0) continue;
    let perBit = weights.response * (network.response[link] ?? 0);
    perBit += weights.congestion * lossSlope * (network.loss[link] ?? 0);
    if (network.isDrained[link]) perBit += weights.congestion * drainedCost;
    gain -= delta * perBit;
    if (weights.price === 0) continue;
    const load = loads[link] ?? 0;
    const dearer = priced(network, link, load + delta) - priced(network, link, load);
    gain -= weights.price * dearer;
  }
  return gain / total;
}

/** Bit/s that cost money, weighed by their price: up to what is paid already a bit costs nothing. */
const priced = ({ price, paid }: Network, link: number, load: number): number =>
  Math.max(0, load - (paid[link] ?? 0)) * (price[link] ?? 0);

function portCost(load: number, capacity: number, weights: Weights, high: number): number {
  const used = load / capacity;
  const over = overloadSlope * Math.max(0, used - high);
  return load * (weights.balance * used + weights.congestion * over);
}
