import type { Sliced } from '../base/slices.ts';
import type { Observation } from '../model/observation.ts';
import { formGroups } from './group.ts';
import { loadsOf, type Network } from './network.ts';
import type { Policy } from './policy.ts';
import type { RailContext } from './rails/rail.ts';
import type { Spread } from './spread.ts';
import type { State } from './state.ts';

/** Everything that rails and search look at, for one moment. */
export function* makeContext(
  observation: Observation,
  policy: Policy,
  state: State,
  network: Network,
): Sliced<RailContext> {
  const groups = yield* formGroups(observation, policy, state, network);
  const seen = new Array<number>(network.links.length).fill(0);
  for (const group of groups) addTo(seen, group.seen, group.rate);
  yield;
  const byLink = seen.map((own, link) => Math.max(0, (network.measured[link] ?? own) - own));
  for (const group of groups) addTo(byLink, group.shares, group.rate);
  const total = byLink.reduce((a, b) => a + b, 0);
  return {
    now: observation.at,
    policy,
    state,
    network,
    groups,
    loads: loadsOf(network, byLink),
    total,
    effects: state.effects,
    accepted: [],
  };
}

function addTo(loads: number[], { links, shares }: Spread, rate: number): void {
  for (let i = 0; i < links.length; i++) {
    const link = links[i] ?? 0;
    loads[link] = (loads[link] ?? 0) + rate * (shares[i] ?? 0);
  }
}
