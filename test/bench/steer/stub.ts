/** One stub through the same days under every controller: the unit of work of a thread. */
import { bitps } from '../../../src/core/base/units.ts';
import { bound, type PricedLink } from '../../../src/core/decide/billing/bound.ts';
import { chargedSample, freeSamples } from '../../../src/core/decide/billing/percentile.ts';
import {
  drawWeather,
  type Outcome,
  runWeather,
  type Weather,
} from '../../../src/core/simulate/days.ts';
import { samplesPerDay } from '../../../src/core/simulate/demand.ts';
import { seeded } from '../../../src/core/simulate/random.ts';
import type { Topology } from '../../../src/core/simulate/topology.ts';
import { drawWorld, Routes, type World } from '../../../src/core/simulate/world.ts';
import { clairvoyant, type Limit } from './clairvoyant.ts';
import { headgate, noControl, staticBest, threshold } from './controllers.ts';

export interface Job {
  readonly seed: number;
  readonly days: number;
}

export type Result = Omit<Outcome, 'carried'> & {
  /** Price × charged volume relative to the least that any split could cost; absent where no split carries all, and of more than four links. */
  readonly cost?: number;
};

export interface StubScore {
  readonly limit: Limit;
  readonly results: Readonly<Record<string, Result>>;
}

/** What anybody may do here, as `steering: { ladder: [...] }` has it: `more_specifics` leaves the block to one link. */
const ladder = [{ prepends: 1 }, { prepends: 2 }, { prepends: 3 }, 'more_specifics'] as const;
const prepends = 3;
const percentile = 95;
/** The bound of more links than these would take longer than all controllers together. */
const mostPriced = 4;

export function scoreStub(topology: Topology, { seed, days }: Job): StubScore {
  const random = seeded(seed);
  const drawn = drawWorld(topology, random, {
    links: 2 + (seed % 5),
    blocks: 24,
    sources: 120,
    fill: 0.35 + 0.2 * random(),
    total: bitps(10e9),
  });
  const world: World = { ...drawn, ladder };
  const routes = new Routes(world);
  const weather = drawWeather(world, seed, days);
  // Prices rise with the links' names; they are no part of the controllers' objective.
  const links = world.links.map(({ capacity }, l): PricedLink => ({ capacity, price: 1 + l / 4 }));
  const free = links.map(() => freeSamples(days * samplesPerDay, percentile));
  const least =
    links.length <= mostPriced ? bound(totalDemand(world, weather), links, free)?.cost : undefined;
  const controllers = {
    'no control': noControl(),
    'static best': staticBest(world, routes),
    'threshold, 3 prepends': threshold(world, prepends),
    'threshold, more-specifics': threshold(world, ladder.length),
    'headgate, prepends only': headgate(world, prepends),
    headgate: headgate(world),
  };
  const results = Object.entries(controllers).map(([name, controller]): [string, Result] => {
    const { carried, ...outcome } = runWeather(world, routes, weather, controller);
    if (least === undefined) return [name, outcome];
    const cost = links.reduce(
      (sum, { price }, l) => sum + price * chargedSample(carried[l] ?? [], percentile),
      0,
    );
    return [name, { ...outcome, cost: cost / least }];
  });
  return { limit: clairvoyant(world, routes, weather), results: Object.fromEntries(results) };
}

/** Offered bit/s of all blocks, by step. */
function totalDemand(world: World, weather: Weather): Float64Array {
  const sources = world.sources.length;
  const total = new Float64Array(weather.capacity[0]?.length ?? 0);
  for (const [b, factors] of weather.demand.entries()) {
    const mean = world.demand.subarray(b * sources, (b + 1) * sources).reduce((x, y) => x + y, 0);
    for (const [t, factor] of factors.entries()) total[t] = (total[t] ?? 0) + mean * factor;
  }
  return total;
}
