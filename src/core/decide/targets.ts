/** What is the same of a link for all groups that are not on it, computed once for a round of ten thousand groups. */
import { expectedShare } from './effects.ts';
import type { Loads } from './network.ts';
import type { Weights } from './policy.ts';
import type { RailContext } from './rails/rail.ts';
import { type Scale, slopeOf } from './score.ts';
import { emptyBlockState } from './state.ts';

/** What a group that never was on a link nor was sent there may be proposed: a link and a rung. */
export interface Cell {
  readonly target: number;
  readonly rung: number;
  /** Share of the group that is expected to come. */
  readonly share: number;
  /** What a bit/s added to the link costs at the least: costs rise with the load. */
  readonly slope: number;
}

/** Cells of about the same share, the cheapest first. */
export interface Bucket {
  readonly cells: readonly Cell[];
  readonly shareMin: number;
  readonly shareMax: number;
  /** What rounding may hide in the cost of any of its links. */
  readonly slack: number;
}

/** Shares are told apart in so many steps: the more, the sharper a bucket's bound, and the more buckets to look into. */
const steps = 32;

export class Targets {
  /** By port. */
  readonly links: ReadonlyArray<readonly number[]>;
  /** By link and rung: what is not in the list may not be proposed. */
  readonly #cells: ReadonlyArray<readonly Omit<Cell, 'slope'>[]>;
  readonly #buckets = new Map<Weights, readonly Bucket[]>();
  #loads: Loads | undefined;

  constructor(context: RailContext) {
    const { network, effects } = context;
    const links: number[][] = network.portCapacity.map(() => []);
    for (const [link, port] of network.port.entries()) links[port]?.push(link);
    this.links = links;
    this.#cells = network.links.map((link, target) =>
      Array.from({ length: lastRung(1, target, context) }, (_, i) => {
        const share = expectedShare(effects, emptyBlockState, 0, link, i + 1);
        return { target, rung: i + 1, share };
      }),
    );
  }

  cellsOf(target: number): readonly Omit<Cell, 'slope'>[] {
    return this.#cells[target] ?? [];
  }

  bucketsOf(scale: Scale): readonly Bucket[] {
    if (this.#loads !== scale.loads) this.#buckets.clear();
    this.#loads = scale.loads;
    const known = this.#buckets.get(scale.weights);
    if (known) return known;
    const made = this.#sorted(scale);
    this.#buckets.set(scale.weights, made);
    return made;
  }

  #sorted(scale: Scale): readonly Bucket[] {
    const buckets = Array.from({ length: steps + 1 }, (): Cell[] => []);
    let slack = 0;
    for (const [link, cells] of this.#cells.entries()) {
      const { slope, cost } = slopeOf(scale, link);
      slack = Math.max(slack, rounding * cost);
      for (const cell of cells) buckets[Math.floor(cell.share * steps)]?.push({ ...cell, slope });
    }
    return buckets.flatMap((cells) => {
      if (cells.length === 0) return [];
      const shares = cells.map(({ share }) => share);
      cells.sort((a, b) => a.slope - b.slope || a.target - b.target);
      return [{ cells, shareMin: Math.min(...shares), shareMax: Math.max(...shares), slack }];
    });
  }
}

/** Share of a sum that its last bits may be off by, with a wide margin. */
export const rounding = 1e-12;

/** A rung that was never judged is tried one at a time; known ones may be taken at once. */
export function lastRung(
  first: number,
  target: number,
  { network, policy, effects }: RailContext,
): number {
  const known = effects[network.links[target] ?? ''];
  let last = first;
  while (last < policy.rungs && (known?.[last]?.weight ?? 0) > 0) last++;
  return Math.min(last, policy.rungs);
}
