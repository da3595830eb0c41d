/** Who decides in the simulated border: nobody, a plan made once, a plain threshold rule, or headgate. */

import { ms } from '../../../src/core/base/units.ts';
import {
  decide,
  defaultPolicy,
  initialState,
  type Policy,
} from '../../../src/core/decide/index.ts';
import type { BlockPlan, Plan } from '../../../src/core/model/plan.ts';
import type { Controller } from '../../../src/core/simulate/days.ts';
import { offeredRates, type Routes, type World } from '../../../src/core/simulate/world.ts';

const emptyPlan = (blocks: readonly BlockPlan[] = []): Plan => ({
  generation: 0,
  at: ms(0),
  blocks,
});

export const noControl = (): Controller => () => emptyPlan();

/** One plan from the mean demand: block by block, the announcement that leaves the links most evenly full; twice over. */
export function staticBest(world: World, routes: Routes): Controller {
  const isUp = world.links.map(() => true);
  const chosen = new Map<string, BlockPlan>();
  const planOf = () => emptyPlan([...chosen.values()]);
  const cost = (): number => {
    const loads = new Map<string, number>();
    for (const byLink of offeredRates(world, routes, planOf(), isUp, () => 1).values())
      for (const [link, rate] of byLink) loads.set(link, (loads.get(link) ?? 0) + rate);
    return world.links.reduce(
      (sum, { link, capacity }) => sum + (loads.get(link) ?? 0) ** 2 / capacity,
      0,
    );
  };
  for (let round = 0; round < 2; round++) {
    for (const block of world.blocks) {
      let best: BlockPlan = chosen.get(block) ?? { block, link: undefined, rung: 0, reason: '' };
      chosen.set(block, best);
      let least = cost();
      for (const { link } of world.links) {
        for (const rung of [1, 3, ladderOf(world).length]) {
          chosen.set(block, { block, link, rung, reason: '' });
          const value = cost();
          if (value < least) {
            least = value;
            best = { block, link, rung, reason: '' };
          }
        }
      }
      chosen.set(block, best);
    }
  }
  const plan = planOf();
  return () => plan;
}

const ladderOf = ({ ladder }: World) =>
  ladder ?? [{ prepends: 1 }, { prepends: 2 }, { prepends: 3 }];

/** Moves the largest block off any link above 80 %, to the emptiest link, at one rung; no memory. */
export function threshold(world: World, rung: number): Controller {
  const chosen = new Map<string, BlockPlan>();
  return (observation) => {
    const used = observation.links
      .filter((link) => link.isUp)
      .map((link) => ({ link: link.link, value: (link.inbound?.value ?? 0) / link.capacity }));
    const target = [...used].sort((a, b) => a.value - b.value)[0];
    for (const { link, value } of used) {
      if (value <= 0.8 || !target || target.link === link) continue;
      const largest = observation.blocks
        .map(({ block, inbound }) => ({
          block,
          rate: inbound.find((entry) => entry.link === link)?.rate ?? 0,
        }))
        .filter(({ block }) => chosen.get(block)?.link !== target.link)
        .sort((a, b) => b.rate - a.rate)[0];
      if (largest && largest.rate > 0)
        chosen.set(largest.block, {
          block: largest.block,
          link: target.link,
          rung,
          reason: 'over 80 %',
        });
    }
    for (const block of world.blocks)
      if (!chosen.has(block)) chosen.set(block, { block, link: undefined, rung: 0, reason: '' });
    return emptyPlan([...chosen.values()]);
  };
}

/** The product's defaults, with as many rungs as the world's ladder has, or fewer. */
export function headgate(world: World, rungs = ladderOf(world).length): Controller {
  const policy: Policy = { ...defaultPolicy(world.links), rungs };
  let state = initialState();
  return (observation) => {
    state = decide(observation, policy, state).state;
    return state.plan;
  };
}
