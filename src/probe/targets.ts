import { type Address, covers, formatAddress, type Prefix } from '../core/base/prefix.ts';
import type { ProbeTarget } from './engine.ts';
import { type Method, usualPorts } from './packet.ts';

/** A foreign network that traffic goes to or comes from, with hosts seen in it. */
export interface FoundNetwork {
  readonly prefix: Prefix;
  readonly hosts: readonly Address[];
  /** The hosts are name servers: where they answer no ICMP they are asked in DNS. */
  readonly isResolver?: boolean;
}

/** Lost in a row over all links before another host is tried. */
const silenceMax = 5;
/** The most neighbours that are tried for one network: a few questions, not a scan. */
const neighboursMax = 4;

/**
 * Chooses which host of a network to probe, and how: those seen in traffic, then a few neighbours in their subnets,
 * since a host in the same subnet stands for one that does not answer. What is silent is replaced by the next.
 */
export class HostChoice {
  readonly prefix: Prefix;
  readonly #targets: readonly ProbeTarget[];
  #index = 0;
  #silence = 0;

  constructor(network: FoundNetwork) {
    this.prefix = network.prefix;
    this.#targets = candidates(network);
  }

  /** Undefined when none of the candidates answers. */
  current(): ProbeTarget | undefined {
    return this.#targets[this.#index];
  }

  note(isReached: boolean): void {
    this.#silence = isReached ? 0 : this.#silence + 1;
    if (this.#silence < silenceMax) return;
    this.#silence = 0;
    this.#index++;
  }

  /** Begins with the first candidate again: after an hour hosts may be back. */
  restart(): void {
    this.#index = 0;
    this.#silence = 0;
  }
}

/** In the order in which they are tried, without repetition. */
export function candidates({ prefix, hosts, isResolver = false }: FoundNetwork): ProbeTarget[] {
  const neighbours = hosts
    .flatMap((host) => [subnetFirst(host), step(host, 1), step(host, -1)])
    .filter((host) => covers(prefix, host));
  const seen = new Set<string>();
  const known = (host: Address) => {
    const text = formatAddress(host.bytes);
    if (seen.has(text)) return true;
    seen.add(text);
    return false;
  };
  const own = hosts.filter((host) => !known(host));
  const others = neighbours.filter((host) => !known(host)).slice(0, neighboursMax);
  const by = (method: Method) => (address: Address) => ({
    address,
    method,
    port: usualPorts[method],
  });
  return [
    ...own.map(by('icmp')),
    ...(isResolver ? [...own.map(by('udp')), ...own.map(dnsOverTcp)] : []),
    ...others.map(by('icmp')),
  ];
}

const dnsOverTcp = (address: Address): ProbeTarget => ({ address, method: 'tcp', port: 53 });

/** `.1` of the host's /24, `::1` of its /64: most often the router of the subnet. */
function subnetFirst(host: Address): Address {
  const bytes = host.bytes.slice();
  bytes.fill(0, host.family === 4 ? 3 : 8);
  bytes[bytes.length - 1] = 1;
  return { ...host, bytes };
}

/** The neighbour by number; within the last octet, which keeps it in any usual subnet. */
function step(host: Address, by: 1 | -1): Address {
  const bytes = host.bytes.slice();
  const last = bytes.length - 1;
  // Never the network's own or the broadcast address of a /24.
  bytes[last] = Math.min(254, Math.max(1, (bytes[last] ?? 0) + by));
  return { ...host, bytes };
}
