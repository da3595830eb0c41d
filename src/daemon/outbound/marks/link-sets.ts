/** Sets of the links of one router, as bits by their place among them. Pure. */
import type { LinkId } from '../../../core/base/units.ts';

export type LinkSet = number;

/** A link that tells this much of all that is told is taken to reach everything. */
const transitShare = 0.9;
/** Sets that are classes of their own; single links are so beside. */
const setsMax = 16;

export const linksIn = (set: LinkSet, names: readonly LinkId[]): readonly LinkId[] =>
  names.filter((_, l) => (set >>> l) & 1);

/** The links that reach what nobody told: by a default route, or since they tell nearly all; all where nothing is told. */
export function reachOf(
  told: readonly number[],
  counts: ReadonlyMap<LinkSet, number>,
  byDefault: LinkSet,
): LinkSet {
  let total = 0;
  for (const count of counts.values()) total += count;
  const everything = told.reduce((set, _, l) => set | (1 << l), 0);
  if (total === 0 && byDefault === 0) return everything;
  const reach = told.reduce(
    (set, own, l) => (total > 0 && own >= transitShare * total ? set | (1 << l) : set),
    byDefault,
  );
  return reach === 0 ? everything : reach;
}

/** By set the one that stands for it: the commonest for themselves, each other for the largest of them within it. */
export function chooseSets(
  counts: ReadonlyMap<LinkSet, number>,
  links: number,
): ReadonlyMap<LinkSet, LinkSet> {
  const sorted = [...counts].sort(([a, x], [b, y]) => y - x || a - b).map(([set]) => set);
  const singles = Array.from({ length: links }, (_, l) => 1 << l);
  const chosen = [...new Set([...sorted.slice(0, setsMax), ...singles])];
  return new Map(
    sorted.map((set) => {
      const within = chosen.filter((each) => (each & ~set) === 0);
      const best = within.reduce((a, b) => (sizeOf(b) > sizeOf(a) ? b : a), within[0] ?? set);
      return [set, chosen.includes(set) ? set : best];
    }),
  );
}

function sizeOf(set: LinkSet): number {
  let size = 0;
  for (let rest = set; rest !== 0; rest &= rest - 1) size++;
  return size;
}
