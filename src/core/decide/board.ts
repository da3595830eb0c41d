/**
 * The best proposal of every group of a round, kept while moves are accepted. A move changes the load of a few ports:
 * only what these ports have a part in is looked at again, and of that only what comes to the top. The order in which
 * proposals come is that of looking at all of them anew after every move; a test compares.
 */
import type { Sliced } from '../base/slices.ts';
import { bestChange, nearPorts, rankOf } from './candidates.ts';
import type { Group } from './group.ts';
import type { Proposal, RailContext } from './rails/rail.ts';
import { changeBetween } from './spread.ts';
import { Targets } from './targets.ts';

/** Groups times links that are looked at between two pauses: some hundred microseconds. */
const cellsPerSlice = 4096;

const none = Number.NEGATIVE_INFINITY;

export class Board {
  readonly #groups: readonly Group[];
  readonly #targets: Targets;
  #context: RailContext;
  readonly #proposals: (Proposal | undefined)[];
  /** By group; none where it has no proposal or is not asked. */
  readonly #rank: Float64Array;
  /** 1 where the rank is only known to be no higher. */
  readonly #isStale: Uint8Array;
  readonly #isClosed: Uint8Array;
  /** Targets that a rail refused to a group in this round. */
  readonly #closedTargets = new Map<number, Set<number>>();
  /** Groups that were refused a target, until something changes. */
  readonly #aside = new Set<number>();
  /** Groups by the ports that they have a part in. */
  readonly #touching = new Map<number, number[]>();

  /** `groups` in the order of their names. */
  constructor(groups: readonly Group[], context: RailContext) {
    this.#groups = groups;
    this.#context = context;
    this.#targets = new Targets(context);
    this.#proposals = new Array<Proposal | undefined>(groups.length).fill(undefined);
    this.#rank = new Float64Array(groups.length).fill(none);
    this.#isStale = new Uint8Array(groups.length);
    this.#isClosed = Uint8Array.from(groups, ({ isPending, rate }) =>
      isPending || rate <= 0 ? 1 : 0,
    );
  }

  get context(): RailContext {
    return this.#context;
  }

  *fill(): Sliced<void> {
    const { network } = this.#context;
    yield* this.#each(network.links.length, (i) => {
      this.#look(i);
      const group = this.#groups[i];
      for (const port of group ? nearPorts(group, network) : []) {
        const others = this.#touching.get(port);
        if (others) others.push(i);
        else this.#touching.set(port, [i]);
      }
    });
  }

  /** The highest proposal, of equals that of the first group; undefined when none is left. */
  *best(): Sliced<Proposal | undefined> {
    for (let looked = 1; ; looked++) {
      const top = this.#top();
      if (top < 0) return undefined;
      if (this.#isStale[top] === 0) return this.#proposals[top];
      this.#look(top);
      if (looked % 8 === 0) yield;
    }
  }

  /** Rails stopped it: the group stays where it is or, where only the target was wrong, may go elsewhere later. */
  stop({ group, target }: Proposal, isOnlyTarget: boolean): void {
    const i = this.#indexOf(group);
    this.#rank[i] = none;
    if (!isOnlyTarget) {
      this.#isClosed[i] = 1;
      return;
    }
    const targets = this.#closedTargets.get(i) ?? new Set();
    this.#closedTargets.set(i, targets.add(target));
    this.#aside.add(i);
  }

  /** It will be carried out: `context` is what the rest of the round has to go by. */
  *accept({ group, shares }: Proposal, context: RailContext): Sliced<void> {
    this.#context = context;
    const { network } = context;
    const own = this.#indexOf(group);
    this.#isClosed[own] = 1;
    this.#rank[own] = none;
    const { links } = changeBetween(group.shares, shares, group.rate);
    const ports = new Set(links.map((link) => network.port[link] ?? 0));
    const targets = network.links.flatMap((_, l) => (ports.has(network.port[l] ?? 0) ? [l] : []));
    // What it would leave has changed: all its targets are worth more or less.
    const again = new Set(this.#aside);
    this.#aside.clear();
    for (const port of ports) for (const i of this.#touching.get(port) ?? []) again.add(i);
    yield* this.#each(targets.length, (i) => {
      const other = this.#groups[i];
      if (!other || this.#isClosed[i] === 1) return;
      if (again.has(i) || other.best !== undefined) this.#look(i);
      else this.#lookAt(i, other, targets, ports);
    });
  }

  /** Of a group that has no part in what changed only the changed targets are worth more or less. */
  #lookAt(i: number, group: Group, targets: readonly number[], ports: ReadonlySet<number>): void {
    const before = this.#proposals[i];
    const rank = this.#rank[i] ?? none;
    const closed = this.#closedTargets.get(i);
    const found = bestChange(group, this.#context, this.#targets, closed, targets);
    if (found && rankOf(found) > rank) {
      this.#put(i, found);
      return;
    }
    const isEqual = found !== undefined && rankOf(found) === rank;
    const target = this.#context.network.port[before?.target ?? -1] ?? -1;
    if (before && (isEqual || ports.has(target))) this.#isStale[i] = 1;
  }

  #look(i: number): void {
    const group = this.#groups[i];
    if (!group || this.#isClosed[i] === 1) return;
    const closed = this.#closedTargets.get(i);
    this.#put(i, bestChange(group, this.#context, this.#targets, closed));
  }

  #put(i: number, proposal: Proposal | undefined): void {
    this.#proposals[i] = proposal;
    this.#rank[i] = proposal ? rankOf(proposal) : none;
    this.#isStale[i] = 0;
  }

  #top(): number {
    let best = none;
    let top = -1;
    for (let i = 0; i < this.#rank.length; i++) {
      const rank = this.#rank[i] ?? none;
      if (rank <= best) continue;
      best = rank;
      top = i;
    }
    return top;
  }

  #indexOf(group: Group): number {
    // By name: groups are in that order.
    let [low, high] = [0, this.#groups.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#groups[middle]?.name ?? '') < group.name) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  *#each(cells: number, visit: (i: number) => void): Sliced<void> {
    const stride = Math.max(1, Math.floor(cellsPerSlice / Math.max(64, cells)));
    for (let i = 0; i < this.#groups.length; i++) {
      if (i % stride === 0) yield;
      visit(i);
    }
  }
}
