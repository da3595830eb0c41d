import { type LinkId, linkId } from '../../base/units.ts';
import type { Observation } from '../../model/observation.ts';
import type { State } from '../state.ts';

/**
 * By how many bit/s each link would carry more (less where negative) if nothing were steered: every biased block
 * spread as it came in while it was announced alike on all links. Blocks whose unbiased shares are not known, and
 * those that are not biased, are where they would be. On a full link the demand is a lower bound, and so is this.
 */
export function unsteeredShift(
  observation: Observation,
  state: State,
): ReadonlyMap<LinkId, number> {
  const shift = new Map<LinkId, number>();
  const biased = new Set<string>();
  for (const { block, link } of state.plan.blocks) if (link !== undefined) biased.add(block);
  if (biased.size === 0) return shift;
  const add = (link: LinkId, rate: number) => shift.set(link, (shift.get(link) ?? 0) + rate);
  for (const { block, inbound } of observation.blocks) {
    const baseline = biased.has(block) ? state.blocks[block]?.baseline : undefined;
    if (!baseline) continue;
    let total = 0;
    for (const { link, rate } of inbound) {
      total += rate;
      add(link, -rate);
    }
    const known = Object.values(baseline).reduce((a, b) => a + b, 0);
    if (known <= 0) continue;
    for (const [link, share] of Object.entries(baseline))
      add(linkId(link), (total * share) / known);
  }
  return shift;
}
