import type { PrefixText } from '../../base/units.ts';
import { improve } from './performance.ts';
import { Round } from './round.ts';
import type { Disproved, EgressObservation, EgressPlan, EgressPolicy, Override } from './types.ts';

export type * from './types.ts';

/**
 * The next overrides, from what the links would carry without us (the idea of Edge Fabric, SIGCOMM 2017, with
 * hysteresis and stickiness added). Pure and stateless but for the overrides in force (and the ways that lately did
 * not help), so that a restart changes nothing; the order of the input does not matter.
 */
export function decideEgress<N extends string = PrefixText>(
  observation: EgressObservation<N>,
  policy: EgressPolicy,
  inForce: ReadonlyArray<Override<N>>,
  disproved: ReadonlyArray<Disproved<N>> = [],
): EgressPlan<N> {
  const round = new Round(observation, policy);
  round.keepValid(inForce);
  if (!policy.isSticky) round.release();
  const unplaced = round.relieve();
  const resting = disproved.filter(({ until }) => until > observation.at);
  const failed = policy.performance ? improve(round, policy.performance, resting) : [];
  const { kept, removed, plain, planned } = round;
  const overrides = [...kept.values()].sort((a, b) => (a.destination < b.destination ? -1 : 1));
  const before = new Map(inForce.map((override) => [override.destination, override]));
  return {
    overrides,
    added: overrides.filter((override) => before.get(override.destination)?.link !== override.link),
    removed: removed.filter((override) => !kept.has(override.destination)),
    disproved: [...resting, ...failed],
    projection: [...observation.links]
      .sort((a, b) => (a.link < b.link ? -1 : 1))
      .map(({ link, capacity }) => ({
        link,
        capacity,
        plain: plain.load(link),
        planned: planned.load(link),
      })),
    unplaced,
  };
}
