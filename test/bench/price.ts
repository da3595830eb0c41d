/**
 * Cost under 95th-percentile billing, relative to the offline optimum: one series of history, one scored. Outbound,
 * where traffic moves freely many times inside a sample, and inbound, by blocks under the production rails.
 * Usage: scripts/bench price [--quick] [--json]
 */
import type { PricedLink } from '../../src/core/decide/billing/bound.ts';
import { generateDemand, samplesPerWeek } from '../../src/core/simulate/demand.ts';
import { seeded } from '../../src/core/simulate/random.ts';
import { cheapestAim, equalAim, pacedAim, runInbound } from './price/inbound.ts';
import {
  cascaraIdea,
  cheapestFirst,
  equalSplit,
  offline,
  paced,
  runOutbound,
  type Series,
} from './price/outbound.ts';
import { atLeast, atMost, type Goal, type Row, readOptions, report, row } from './report.ts';

const options = readOptions(process.argv);
const seriesCount = options.isQuick ? 2 : 25;

const prices = [1, 1.5, 2, 2.5];
const linksOf = (count: number, capacity: number, isEqual: boolean) =>
  prices.slice(0, count).map((price) => ({ capacity, price: isEqual ? 1 : price }));

/** Capacities as a share of history's peak: wide links carry a peak alone, of tight ones it takes two. */
const setups = [2, 3, 4].flatMap((count) => [
  { name: `K=${count} equal prices, wide`, links: linksOf(count, 1.6, true) },
  { name: `K=${count} prices 1 to ${prices[count - 1]}, wide`, links: linksOf(count, 1.6, false) },
  {
    name: `K=${count} prices 1 to ${prices[count - 1]}, tight`,
    links: linksOf(count, 0.75, false),
  },
]);

const makeSeries = (seed: number): Series => {
  const all = generateDemand(seeded(seed), 2 * samplesPerWeek);
  return { history: all.slice(0, samplesPerWeek), scored: all.slice(samplesPerWeek), seed };
};

const rows: Row[] = [];
const goals: Goal[] = [];
for (const [label, firstSeed] of [
  ['tuning seeds', 1],
  ['unseen seeds', 2001],
] as const) {
  const recovered: number[] = [];
  const dearer: number[] = [];
  const inbound: {
    relative: Record<string, number[]>;
    readonly recovered: number[];
    readonly dearer: number[];
  } = { relative: {}, recovered: [], dearer: [] };
  for (const setup of setups) {
    const relative: Record<string, number[]> = {
      'equal split': [],
      'cheapest first': [],
      'Cascara idea': [],
      ours: [],
    };
    inbound.relative = { 'equal split': [], 'cheapest first': [], ours: [] };
    for (let i = 0; i < seriesCount; i++) {
      const series = makeSeries(firstSeed + i);
      const peak = Math.max(...series.history);
      const links: PricedLink[] = setup.links.map(({ capacity, price }) => ({
        capacity: capacity * peak,
        price,
      }));
      const best = offline(series, links);
      const costs = {
        'equal split': runOutbound(series, links, equalSplit(links)),
        'cheapest first': runOutbound(series, links, cheapestFirst(links)),
        'Cascara idea': runOutbound(series, links, cascaraIdea(series.history, links)),
        ours: runOutbound(series, links, paced(series, links)),
      };
      for (const [name, cost] of Object.entries(costs)) relative[name]?.push(cost / best);
      const saving = costs['cheapest first'] - best;
      if (saving > 0.001 * best) recovered.push((costs['cheapest first'] - costs.ours) / saving);
      dearer.push(costs.ours / costs['cheapest first'] - 1);
      const under = {
        'equal split': runInbound(series, links, equalAim(links)),
        'cheapest first': runInbound(series, links, cheapestAim(links)),
        ours: runInbound(series, links, pacedAim(series, links)),
      };
      for (const [name, cost] of Object.entries(under)) inbound.relative[name]?.push(cost / best);
      const possible = under['cheapest first'] - best;
      if (possible > 0.001 * best)
        inbound.recovered.push((under['cheapest first'] - under.ours) / possible);
      inbound.dearer.push(under.ours / under['cheapest first'] - 1);
    }
    for (const [name, values] of Object.entries(relative))
      rows.push(row(`${label}, ${setup.name}: ${name}`, values, '× bound'));
    for (const [name, values] of Object.entries(inbound.relative))
      rows.push(row(`${label}, ${setup.name}, inbound: ${name}`, values, '× bound'));
  }
  const saved = row(`${label}: share of the offline saving recovered`, recovered, 'share');
  rows.push(
    row(
      `${label}, inbound: share of the saving without rails recovered`,
      inbound.recovered,
      'share',
    ),
    row(`${label}, inbound: dearer than cheapest first`, inbound.dearer, 'share'),
  );
  rows.push(saved, row(`${label}: dearer than cheapest first`, dearer, 'share'));
  goals.push(
    atLeast(`${label}: median share of the saving recovered`, saved.value, 0.5, 'share'),
    atMost(`${label}: dearest against cheapest first`, Math.max(...dearer), 0.01, 'share'),
    // A thousandth is the worth of one sample more or less.
    atMost(
      `${label}, inbound: dearest against cheapest first`,
      Math.max(...inbound.dearer),
      1e-3,
      'share',
    ),
  );
}
report('price', rows, goals, options);
