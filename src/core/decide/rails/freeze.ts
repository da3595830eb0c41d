import type { Observation } from '../../model/observation.ts';
import type { Policy } from '../policy.ts';
import { duration, percent } from './rail.ts';

/** Reasons why an observation must not be acted on; none means that it may. Sorted, so that order cannot matter. */
export function freezeReasons(observation: Observation, policy: Policy): string[] {
  const { maxAgeMs, minCoverage, contradiction } = policy.rails;
  const reasons: string[] = [];
  const known = new Map(observation.links.map((link) => [link.link as string, link]));
  const blockSums = new Map<string, number>();
  for (const block of observation.blocks) {
    for (const { link, rate } of block.inbound)
      blockSums.set(link, (blockSums.get(link) ?? 0) + rate);
    if (block.ageMs > maxAgeMs)
      reasons.push(`stale: block ${block.block} was measured ${duration(block.ageMs)} ago`);
    if (block.coverage < minCoverage)
      reasons.push(
        `coverage: only ${percent(block.coverage)} of block ${block.block} was measured`,
      );
  }
  for (const { link, capacity } of policy.links) {
    const seen = known.get(link);
    if (!seen) {
      reasons.push(`missing: nothing known of link ${link}`);
      continue;
    }
    if (!seen.isUp) continue;
    const sample = seen.inbound;
    if (!sample) {
      reasons.push(`missing: no inbound load of link ${link}`);
      continue;
    }
    if (sample.ageMs > maxAgeMs)
      reasons.push(`stale: load of ${link} was measured ${duration(sample.ageMs)} ago`);
    if (sample.coverage < minCoverage)
      reasons.push(`coverage: only ${percent(sample.coverage)} of link ${link} was measured`);
    for (const { direction, rates, ratio } of seen.comparisons ?? []) {
      const [one, other] = rates;
      // Blocks move by what comes in: many exporters never see the other direction.
      if (direction !== 'inbound' || ratio <= contradiction) continue;
      if (Math.abs(one.rate - other.rate) > capacity * 0.01)
        reasons.push(
          `contradiction: ${one.source} says ${Math.round(one.rate)} bit/s inbound by ${link}, ${other.source} ${Math.round(other.rate)}`,
        );
    }
    // A link may carry more than our blocks; the blocks cannot carry more than their link.
    // Differences below a percent of capacity are noise of two clocks.
    const excess = (blockSums.get(link) ?? 0) - sample.value * (1 + contradiction);
    if (excess > capacity * 0.01)
      reasons.push(
        `contradiction: the blocks of ${link} sum to ${Math.round(blockSums.get(link) ?? 0)} bit/s, its own counter says ${Math.round(sample.value)}`,
      );
  }
  return reasons.sort();
}
