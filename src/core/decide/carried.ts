import type { LinkId } from '../base/units.ts';

const known = new WeakMap<readonly LinkId[], ReadonlySet<LinkId>>();

/** Links that carry a block, to be asked quickly: ten thousand blocks name the same few lists of thousands of links. */
export function carriedSet(carriedOn: readonly LinkId[]): ReadonlySet<LinkId> {
  const set = known.get(carriedOn) ?? new Set(carriedOn);
  known.set(carriedOn, set);
  return set;
}
