import { type Address, covers, formatAddress, type Prefix } from '../core/base/prefix.ts';

/** A foreign network that traffic goes to or comes from, with hosts seen in it. */
export interface FoundNetwork {
  readonly prefix: Prefix;
  readonly hosts: readonly Address[];
}

/** Lost in a row over all links before another host is tried. */
const silenceMax = 5;
/** The most neighbours that are tried for one network: a few questions, not a scan. */
const neighboursMax = 4;

/**
 * Chooses which host of a network to probe: those seen in traffic, then a few neighbours in their subnets,
 * since a host in the same subnet stands for one that does not answer. A silent host is replaced by the next.
 */
export class HostChoice {
  readonly prefix: Prefix;
  readonly #hosts: readonly Address[];
  #index = 0;
  #silence = 0;

  constructor(network: FoundNetwork) {
    this.prefix = network.prefix;
    this.#hosts = candidates(network);
  }

  /** Undefined when none of the candidates answers. */
  current(): Address | undefined {
    return this.#hosts[this.#index];
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

/** Hosts in the order in which they are tried, without repetition. */
export function candidates({ prefix, hosts }: FoundNetwork): Address[] {
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
  return [...own, ...neighbours.filter((host) => !known(host)).slice(0, neighboursMax)];
}

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
