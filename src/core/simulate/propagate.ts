import type { Neighbours, Topology } from './topology.ts';

/** One of our links: the provider's index, and how often we prepend towards it. */
export interface Entry {
  readonly provider: number;
  readonly prepends: number;
}

/** How every AS reaches our prefix. */
export interface Propagation {
  /** By AS: index of the link that its traffic comes in by; -1 where there is no route. */
  readonly link: Int8Array;
  /** AS-path length with prepends; 0 where there is no route. */
  readonly length: Uint16Array;
}

const none = -1;

/**
 * Spreads a prefix of a stub over the Internet by the usual rules (Gao and Rexford, 2001): routes of customers are
 * preferred to those of peers, these to those of providers, then the shorter path, then the lower neighbour; only
 * customers' routes go to peers and providers. Everything within one class is decided breadth-first by length.
 */
export function propagate(topology: Topology, entries: readonly Entry[]): Propagation {
  const count = topology.asns.length;
  const link = new Int8Array(count).fill(none);
  const length = new Uint16Array(count);
  const chosen = { link, length };

  // Up: our providers, theirs, and so on.
  const up = new Buckets(count);
  for (const [i, { provider, prepends }] of entries.entries())
    up.add(1 + prepends, provider, i, provider);
  up.drain((as, at, from) => {
    if ((link[as] ?? none) !== none) return;
    link[as] = from;
    length[as] = at;
    spread(topology.providers, as, (next) => {
      if (link[next] === none) up.add(at + 1, next, from, as);
    });
  });

  // Across: one step from those that have a customer's route to peers that have none.
  const viaPeer: Array<readonly [as: number, link: number, length: number]> = [];
  for (let as = 0; as < count; as++) {
    if (link[as] !== none) continue;
    let best = 0xffff;
    let from = none;
    spread(topology.peers, as, (peer) => {
      // Ascending neighbours: the first of equals is the lowest.
      if (link[peer] !== none && (length[peer] ?? 0) + 1 < best) {
        best = (length[peer] ?? 0) + 1;
        from = link[peer] ?? none;
      }
    });
    if (from !== none) viaPeer.push([as, from, best]);
  }
  for (const [as, from, at] of viaPeer) {
    link[as] = from;
    length[as] = at;
  }

  // Down: everybody tells customers.
  const down = new Buckets(count);
  for (let as = 0; as < count; as++) {
    if (link[as] === none) continue;
    const at = (length[as] ?? 0) + 1;
    spread(topology.customers, as, (customer) => {
      if (link[customer] === none) down.add(at, customer, link[as] ?? none, as);
    });
  }
  down.drain((as, at, from) => {
    if (link[as] !== none) return;
    link[as] = from;
    length[as] = at;
    spread(topology.customers, as, (customer) => {
      if (link[customer] === none) down.add(at + 1, customer, from, as);
    });
  });
  return chosen;
}

function spread({ start, list }: Neighbours, as: number, visit: (neighbour: number) => void): void {
  const end = start[as + 1] ?? 0;
  for (let i = start[as] ?? 0; i < end; i++) visit(list[i] ?? 0);
}

/**
 * Offers by path length; within one length an AS takes the offer of its lowest neighbour. An AS is offered a route at
 * most once per neighbour, and only the best offer of the present length is kept.
 */
class Buckets {
  readonly #queues: number[][] = [];
  /** The neighbour that made the best offer of its length, and that offer's link. */
  readonly #offerFrom: Int32Array;
  readonly #offerLink: Int8Array;
  readonly #offerLength: Uint16Array;

  constructor(count: number) {
    this.#offerFrom = new Int32Array(count);
    this.#offerLink = new Int8Array(count).fill(none);
    this.#offerLength = new Uint16Array(count).fill(0xffff);
  }

  add(length: number, as: number, link: number, neighbour: number): void {
    const known = this.#offerLength[as] ?? 0xffff;
    if (length > known || (length === known && neighbour >= (this.#offerFrom[as] ?? 0))) return;
    this.#offerLength[as] = length;
    this.#offerFrom[as] = neighbour;
    this.#offerLink[as] = link;
    this.#queues[length] ??= [];
    this.#queues[length]?.push(as);
  }

  drain(take: (as: number, length: number, link: number) => void): void {
    for (let length = 0; length < this.#queues.length; length++) {
      for (const as of this.#queues[length] ?? []) {
        // An offer that was bettered since is in an earlier queue.
        if (this.#offerLength[as] === length) take(as, length, this.#offerLink[as] ?? none);
      }
    }
  }
}
