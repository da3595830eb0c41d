import type { Neighbours, Topology } from './topology.ts';

/** One of our links: the provider's index, how often we prepend towards it, and what it is asked for by communities. */
export interface Entry {
  readonly provider: number;
  readonly prepends: number;
  /** Prepends that the provider adds when it tells its neighbours. */
  readonly exported?: number;
  /** The same for single neighbours (by index), on top; Infinity: that one is not told. */
  readonly towards?: ReadonlyMap<number, number>;
  /** The provider tells its customers only. */
  readonly isForCustomers?: boolean;
  /** The provider takes it only where it has no other route: a local preference below that of its upstreams. */
  readonly isLast?: boolean;
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
  const usual = entries.map((entry) => entry.isLast !== true);
  const first = spreadOut(topology, entries, usual);
  const isStranded = ({ provider }: Entry) => first.link[provider] === none;
  if (!entries.some((entry, i) => !usual[i] && isStranded(entry))) return first;
  return spreadOut(
    topology,
    entries,
    entries.map((entry, i) => usual[i] === true || isStranded(entry)),
  );
}

function spreadOut(
  topology: Topology,
  entries: readonly Entry[],
  isUsed: readonly boolean[],
): Propagation {
  const count = topology.asns.length;
  const link = new Int8Array(count).fill(none);
  const length = new Uint16Array(count);
  const chosen = { link, length };
  // The entries of providers that took them: what communities ask is done where the route enters, and nowhere else.
  const taken = new Map<number, Entry>();

  // Up: our providers, theirs, and so on.
  const up = new Buckets(count);
  for (const [i, { provider, prepends }] of entries.entries())
    if (isUsed[i]) up.add(1 + prepends, provider, i, provider);
  up.drain((as, at, from, neighbour) => {
    if ((link[as] ?? none) !== none) return;
    link[as] = from;
    length[as] = at;
    const entry = neighbour === as ? entries[from] : undefined;
    if (entry) taken.set(as, entry);
    if (entry?.isForCustomers) return;
    spread(topology.providers, as, (next) => {
      const longer = told(entry, next);
      if (link[next] === none && longer < Infinity) up.add(at + 1 + longer, next, from, as);
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
      const entry = taken.get(peer);
      const at = (length[peer] ?? 0) + 1 + told(entry, as);
      if (link[peer] !== none && !entry?.isForCustomers && at < best) {
        best = at;
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
    const entry = taken.get(as);
    spread(topology.customers, as, (customer) => {
      const longer = told(entry, customer);
      if (link[customer] === none && longer < Infinity)
        down.add(at + longer, customer, link[as] ?? none, as);
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

/** Prepends that a provider adds to our announcement towards a neighbour. */
const told = (entry: Entry | undefined, neighbour: number): number =>
  entry ? (entry.exported ?? 0) + (entry.towards?.get(neighbour) ?? 0) : 0;

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

  drain(take: (as: number, length: number, link: number, neighbour: number) => void): void {
    for (let length = 0; length < this.#queues.length; length++) {
      for (const as of this.#queues[length] ?? []) {
        // An offer that was bettered since is in an earlier queue.
        if (this.#offerLength[as] === length)
          take(as, length, this.#offerLink[as] ?? none, this.#offerFrom[as] ?? none);
      }
    }
  }
}
