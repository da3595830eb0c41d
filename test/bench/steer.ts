/**
 * Multihomed stubs all over an AS-level Internet, each through the same days under four controllers.
 * Usage: scripts/bench steer [--quick] [--json]. Needs the captures (The CAIDA AS Relationships Dataset).
 */
import { bitps } from '../../src/core/base/units.ts';
import { bound, type PricedLink } from '../../src/core/decide/billing/bound.ts';
import { chargedSample, freeSamples } from '../../src/core/decide/billing/percentile.ts';
import {
  drawWeather,
  type Outcome,
  runWeather,
  type Weather,
} from '../../src/core/simulate/days.ts';
import { samplesPerDay } from '../../src/core/simulate/demand.ts';
import { propagate } from '../../src/core/simulate/propagate.ts';
import { seeded } from '../../src/core/simulate/random.ts';
import { drawWorld, Routes, type World } from '../../src/core/simulate/world.ts';
import { loadRelationships } from '../support/relationships.ts';
import { atLeast, atMost, type Row, readOptions, report, row } from './report.ts';
import { headgate, noControl, staticBest, threshold } from './steer/controllers.ts';

const options = readOptions(process.argv);
const stubs = options.isQuick ? 10 : 200;
const days = options.isQuick ? 1 : 2;

const percentile = 95;

/** Price × charged volume, relative to the least that any split of the same demand could cost. */
function costOverBound({ carried }: Outcome, links: readonly PricedLink[], least: number): number {
  const cost = links.reduce(
    (sum, { price }, l) => sum + price * chargedSample(carried[l] ?? [], percentile),
    0,
  );
  return cost / least;
}

const topology = loadRelationships();
const times: number[] = [];
for (let i = 0; i < 7; i++) {
  const { providers } = drawWorld(topology, seeded(i), {
    links: 4,
    blocks: 1,
    sources: 1,
    fill: 0.5,
    total: bitps(1),
  });
  const started = performance.now();
  propagate(
    topology,
    providers.map((provider) => ({ provider, prepends: 0 })),
  );
  times.push(performance.now() - started);
}

const outcomes: Record<string, Outcome[]> = {
  'no control': [],
  'static best': [],
  threshold: [],
  headgate: [],
};
const costs: Record<string, number[]> = {};
for (let seed = 1; seed <= stubs; seed++) {
  const random = seeded(seed);
  const world = drawWorld(topology, random, {
    links: 2 + (seed % 5),
    blocks: 24,
    sources: 120,
    fill: 0.35 + 0.2 * random(),
    total: bitps(10e9),
  });
  const routes = new Routes(world);
  const weather = drawWeather(world, seed, days);
  // Prices rise with the links' names; they are no part of the controllers' objective.
  const links = world.links.map(({ capacity }, l): PricedLink => ({ capacity, price: 1 + l / 4 }));
  const least = bound(
    totalDemand(world, weather),
    links,
    links.map(() => freeSamples(days * samplesPerDay, percentile)),
  )?.cost;
  const controllers = {
    'no control': noControl(),
    'static best': staticBest(world, routes),
    threshold: threshold(world),
    headgate: headgate(world),
  };
  for (const [name, controller] of Object.entries(controllers)) {
    const outcome = runWeather(world, routes, weather, controller);
    outcomes[name]?.push(outcome);
    costs[name] ??= [];
    if (least !== undefined) costs[name].push(costOverBound(outcome, links, least));
  }
}

/** Offered bit/s of all blocks, by step. */
function totalDemand(world: World, weather: Weather): Float64Array {
  const sources = world.sources.length;
  const total = new Float64Array(days * samplesPerDay);
  for (const [b, factors] of weather.demand.entries()) {
    const mean = world.demand.subarray(b * sources, (b + 1) * sources).reduce((x, y) => x + y, 0);
    for (const [t, factor] of factors.entries()) total[t] = (total[t] ?? 0) + mean * factor;
  }
  return total;
}

const rows: Row[] = [row('one propagation over the whole graph', times, 'ms')];
const sum = (name: string, of: (outcome: Outcome) => number) =>
  (outcomes[name] ?? []).reduce((total, outcome) => total + of(outcome), 0);
for (const [name, all] of Object.entries(outcomes)) {
  rows.push(
    row(
      `${name}: time with a link above 95 %`,
      all.map((o) => o.overload),
      'share',
    ),
  );
  rows.push({
    name: `${name}: the same, mean`,
    value: sum(name, (o) => o.overload) / stubs,
    unit: 'share',
  });
  rows.push({
    name: `${name}: traffic lost, mean`,
    value: sum(name, (o) => o.lostShare) / stubs,
    unit: 'share',
  });
  rows.push(row(`${name}: cost by the 95th percentile`, costs[name] ?? [], '× bound'));
  rows.push(
    row(
      `${name}: moves`,
      all.map((o) => o.movesPerBlockDay),
      'per block and day',
    ),
  );
  rows.push(
    row(
      `${name}: longest oscillation`,
      all.map((o) => o.longestOscillation),
      'moves',
    ),
  );
}
const relief = 1 - sum('headgate', (o) => o.overload) / sum('no control', (o) => o.overload);
const longest = Math.max(...(outcomes.headgate ?? []).map((o) => o.longestOscillation));
report(
  'steer',
  rows,
  [
    atLeast('less overload time than no control', relief, 0.9, 'share'),
    atMost('longest oscillation', longest, 2, 'moves'),
    atMost(
      'moves, against the threshold controller',
      sum('headgate', (o) => o.movesPerBlockDay) / sum('threshold', (o) => o.movesPerBlockDay),
      1,
      '×',
    ),
    atMost('one propagation', rows[0]?.value ?? Number.NaN, 50, 'ms'),
  ],
  options,
  ['AS relationships: The CAIDA AS Relationships Dataset, 2016-11-01'],
);
