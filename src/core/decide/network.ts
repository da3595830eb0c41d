import { assert } from '../base/result.ts';
import type { LinkId } from '../base/units.ts';
import type { Direction } from '../model/link.ts';
import type { LinkObservation, Observation } from '../model/observation.ts';
import { evidenceBesideLoad } from './congestion.ts';
import type { Policy, Quality } from './policy.ts';

/**
 * The links of one decision as arrays indexed alike, in the order of their names, so that the order of the input
 * cannot matter. Load is limited per port: links of one port share the largest capacity among them.
 */
export interface Network {
  readonly links: readonly LinkId[];
  readonly indexOf: ReadonlyMap<string, number>;
  readonly port: readonly number[];
  /** Bit/s, by port. */
  readonly portCapacity: readonly number[];
  readonly isUp: readonly boolean[];
  /** Under maintenance: usable, but to be emptied. */
  readonly isDrained: readonly boolean[];
  /** Loss as 0 to 1 as far as it is evident, response and price as 0 (best) to 1 (worst of the links). */
  readonly loss: readonly number[];
  /** The verdict of all signs but load, which the objective sees by itself. */
  readonly isCongested: readonly boolean[];
  readonly response: readonly number[];
  readonly price: readonly number[];
  /** Bit/s that the price does not count: paid for already. */
  readonly paid: readonly number[];
  /** Bit/s that a link's own counter saw, undefined where it was not read. */
  readonly measured: ReadonlyArray<number | undefined>;
}

/** As traffic of one direction meets it: loads, verdicts and what is paid for are those of that direction. */
export function buildNetwork(
  observation: Observation,
  policy: Policy,
  direction: Direction = 'inbound',
): Network {
  const sorted = [...policy.links].sort((a, b) => (a.link < b.link ? -1 : 1));
  const links = sorted.map((link) => link.link);
  assert(new Set(links).size === links.length, 'a link is named once');
  const seen = new Map(observation.links.map((link) => [link.link as string, link]));
  const ports = sorted.map((link) => (link.port === undefined ? `link ${link.link}` : link.port));
  const portNames = [...new Set(ports)].sort();
  const portIndex = new Map(portNames.map((name, i) => [name, i]));
  const port = ports.map((name) => portIndex.get(name) ?? 0);
  const capacity = sorted.map((link) => {
    const live = seen.get(link.link)?.capacity ?? link.capacity;
    return Math.max(1, Math.min(link.capacity, live));
  });
  const isDrained = links.map((link) =>
    policy.maintenance.some(
      (window) =>
        window.link === link && window.from <= observation.at && observation.at < window.to,
    ),
  );
  return {
    links,
    indexOf: new Map(links.map((link, i) => [link as string, i])),
    port,
    portCapacity: portCapacity(port, capacity, portNames.length),
    isUp: links.map((link) => seen.get(link)?.isUp ?? false),
    isDrained,
    loss: links.map((link) => lossOf(seen.get(link), direction)),
    isCongested: links.map((link) => {
      const verdict = verdictOf(seen.get(link), direction);
      return verdict?.isCongested === true && evidenceBesideLoad(verdict) > 0;
    }),
    response: responseOf(links.map((link) => seen.get(link))),
    price: normalise(sorted.map((link) => link.pricePerMbps ?? 0)),
    paid: links.map((link) => {
      const billing = seen.get(link)?.billing;
      return (direction === 'inbound' ? billing?.paid : billing?.paidOutbound) ?? 0;
    }),
    measured: links.map((link) => seen.get(link)?.[direction]?.value),
  };
}

function portCapacity(port: readonly number[], capacity: readonly number[], count: number) {
  const largest = new Array<number>(count).fill(0);
  for (const [link, own] of capacity.entries()) {
    const at = port[link] ?? 0;
    largest[at] = Math.max(largest[at] ?? 0, own);
  }
  return largest;
}

/** Bit/s, expected or measured. */
export interface Loads {
  readonly byLink: readonly number[];
  readonly byPort: readonly number[];
}

export function loadsOf(network: Network, byLink: readonly number[]): Loads {
  const byPort = new Array<number>(network.portCapacity.length).fill(0);
  for (let link = 0; link < byLink.length; link++) {
    const port = network.port[link] ?? 0;
    byPort[port] = (byPort[port] ?? 0) + (byLink[link] ?? 0);
  }
  return { byLink, byPort };
}

/** Utilisation of a link: that of its port. */
export function utilisation(network: Network, { byPort }: Loads, link: number): number {
  const port = network.port[link] ?? 0;
  return (byPort[port] ?? 0) / (network.portCapacity[port] ?? 1);
}

/** What a group that always takes the best link pays for a bit on each link, 0 (best) to 1. */
export function qualityCosts(network: Network, loads: Loads, quality: Quality): readonly number[] {
  switch (quality) {
    case 'congestion':
      return normalise(network.loss);
    case 'load':
      return network.links.map((_, link) => Math.min(1, utilisation(network, loads, link)));
    case 'capacity': {
      const capacities = network.port.map((port) => network.portCapacity[port] ?? 1);
      const largest = Math.max(...capacities);
      return capacities.map((capacity) => 1 - capacity / largest);
    }
    case 'price':
      return network.price;
    case 'proximity':
      return network.response;
  }
}

/** By round-trip times; where no link has any, by how far the networks of its traffic are in autonomous systems. */
function responseOf(links: ReadonlyArray<LinkObservation | undefined>): number[] {
  const isTimed = links.some((link) => link?.rttUs !== undefined);
  return normalise(links.map((link) => (isTimed ? link?.rttUs : link?.asHops)?.value));
}

/** A link that is certainly congested counts as losing this much, even where nobody counted the loss. */
const certainLoss = 0.01;

/** Where all signs were weighed their verdict speaks; else the bare figures do. */
function lossOf(link: LinkObservation | undefined, direction: Direction): number {
  const verdict = verdictOf(link, direction);
  if (!verdict) return Math.max(link?.lossRatio?.value ?? 0, link?.retransmissionRatio?.value ?? 0);
  const counted = verdict.reasons
    .filter(({ kind }) => kind !== 'load' && kind !== 'delay_growth')
    .map(({ value }) => value);
  return evidenceBesideLoad(verdict) * Math.max(certainLoss, ...counted);
}

const verdictOf = (link: LinkObservation | undefined, wanted: Direction) =>
  link?.congestion?.find(({ direction }) => direction === wanted);

/** Scales to 0..1 by the largest; what is not known counts as the worst that is. */
function normalise(values: ReadonlyArray<number | undefined>): number[] {
  const largest = Math.max(0, ...values.map((value) => value ?? 0));
  return values.map((value) => (largest === 0 ? 0 : (value ?? largest) / largest));
}
