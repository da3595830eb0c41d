/**
 * Cost under 95th-percentile billing, relative to the offline optimum: one series of history, one scored. Outbound,
 * where traffic moves freely many times inside a sample, and inbound, by blocks under the production rails, where ours
 * is cheapest-first (price/inbound.ts says why). Takes some ten minutes on two processors.
 * Usage: scripts/bench price [--quick] [--json]
 */
import { answersOf } from '../support/threads.ts';
import type { Job, Score, Scores, Setup } from './price/score.ts';
import { atLeast, atMost, type Goal, type Row, readOptions, report, row } from './report.ts';

const options = readOptions(process.argv);
const series = options.isQuick ? 2 : 25;

const prices = [1, 1.5, 2, 2.5];
const linksOf = (count: number, capacity: number, isEqual: boolean) =>
  prices.slice(0, count).map((price) => ({ capacity, price: isEqual ? 1 : price }));

/** Wide links carry a peak of history alone, of tight ones it takes two. */
const setups = [2, 3, 4].flatMap((count): Setup[] => [
  { name: `K=${count} equal prices, wide`, links: linksOf(count, 1.6, true) },
  { name: `K=${count} prices 1 to ${prices[count - 1]}, wide`, links: linksOf(count, 1.6, false) },
  {
    name: `K=${count} prices 1 to ${prices[count - 1]}, tight`,
    links: linksOf(count, 0.75, false),
  },
]);

const labels = [
  { label: 'tuning seeds', firstSeed: 1 },
  { label: 'unseen seeds', firstSeed: 3001 },
];
const jobs = labels.flatMap(({ firstSeed }) =>
  setups.map((setup): Job => ({ setup, firstSeed, series })),
);
const scores = await answersOf<Job, Scores>(new URL('./price/worker.js', import.meta.url), jobs);

const rows: Row[] = [];
const goals: Goal[] = [];
for (const { label, firstSeed } of labels) {
  const own = jobs.flatMap((job, i) => {
    const found = scores[i];
    return job.firstSeed === firstSeed && found ? [{ name: job.setup.name, ...found }] : [];
  });
  for (const { name, outbound, inbound } of own) {
    rows.push(...relativeRows(`${label}, ${name}`, outbound));
    rows.push(...relativeRows(`${label}, ${name}, inbound`, inbound));
  }
  const outbound = own.map((entry) => entry.outbound);
  const inbound = own.map((entry) => entry.inbound);
  const saved = savings(label, outbound);
  rows.push(...savings(`${label}, inbound`, inbound), ...saved);
  goals.push(
    atLeast(`${label}: median share of the saving recovered`, saved[0].value, 0.5, 'share'),
    atMost(`${label}: dearest against cheapest first`, dearest(outbound), 0.01, 'share'),
    atMost(`${label}, inbound: dearest against cheapest first`, dearest(inbound), 0, 'share'),
  );
}
report('price', rows, goals, options);

function relativeRows(name: string, { relative }: Score): Row[] {
  return Object.entries(relative).map(([policy, values]) =>
    row(`${name}: ${policy}`, values, '× bound'),
  );
}

function savings(label: string, all: readonly Score[]): [Row, Row] {
  const recovered = all.flatMap((score) => score.recovered);
  return [
    row(`${label}: share of the offline saving recovered`, recovered, 'share'),
    row(
      `${label}: dearer than cheapest first`,
      all.flatMap((score) => score.dearer),
      'share',
    ),
  ];
}

function dearest(all: readonly Score[]): number {
  return Math.max(...all.flatMap((score) => score.dearer));
}
