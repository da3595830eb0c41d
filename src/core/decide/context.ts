import type { Sliced } from '../base/slices.ts';
import type { Observation } from '../model/observation.ts';
import { formGroups } from './group.ts';
import type { Network } from './network.ts';
import type { Policy } from './policy.ts';
import type { RailContext } from './rails/rail.ts';
import type { State } from './state.ts';

/** Everything that rails and search look at, for one moment. */
export function* makeContext(
  observation: Observation,
  policy: Policy,
  state: State,
  network: Network,
): Sliced<RailContext> {
  const groups = yield* formGroups(observation, policy, state, network);
  const loads = network.links.map((_, link) => {
    const seen = groups.reduce((sum, group) => sum + group.rate * (group.seen[link] ?? 0), 0);
    const other = Math.max(0, (network.measured[link] ?? seen) - seen);
    return groups.reduce((sum, group) => sum + group.rate * (group.shares[link] ?? 0), other);
  });
  const total = loads.reduce((a, b) => a + b, 0);
  return {
    now: observation.at,
    policy,
    state,
    network,
    groups,
    loads,
    total,
    effects: state.effects,
    accepted: [],
  };
}
