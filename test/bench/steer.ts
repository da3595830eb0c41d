/**
 * Multihomed stubs all over an AS-level Internet, each through the same two days under several controllers that may
 * do the same: one to three prepends, and a more-specific on one link alone. Overload is the share of the 5-minute
 * steps in which any link is offered more than 95 % of its live capacity. Judged against no control by all of it,
 * also what nobody could have avoided; how much that is stands in rows of its own: steps in which demand exceeds
 * what all live links carry, and steps for which a search that knows demand and failures beforehand, and that no
 * rail limits, found no announcements either. Half of the stubs were drawn with seeds that were looked at while
 * deciding was tuned (1 to 100), half with seeds that were not; each half has its goals.
 * Usage: scripts/bench steer [--quick] [--json]. Needs the captures (The CAIDA AS Relationships Dataset).
 */
import { bitps } from '../../src/core/base/units.ts';
import { propagate } from '../../src/core/simulate/propagate.ts';
import { seeded } from '../../src/core/simulate/random.ts';
import { drawWorld } from '../../src/core/simulate/world.ts';
import { loadRelationships } from '../support/relationships.ts';
import { answersOf } from '../support/threads.ts';
import { atLeast, atMost, type Goal, type Row, readOptions, report, row } from './report.ts';
import type { Job, Result, StubScore } from './steer/stub.ts';

const options = readOptions(process.argv);
const stubs = options.isQuick ? 5 : 100;
const days = options.isQuick ? 1 : 2;

const rows: Row[] = [row('one propagation over the whole graph', propagationTimes(), 'ms')];
const goals: Goal[] = [atMost('one propagation', rows[0]?.value ?? Number.NaN, 50, 'ms')];

const halves = [
  { label: 'tuning seeds', firstSeed: 1 },
  { label: 'unseen seeds', firstSeed: 5001 },
];
const jobs = halves.flatMap(({ firstSeed }) =>
  Array.from({ length: stubs }, (_, i): Job => ({ seed: firstSeed + i, days })),
);
const worker = new URL('./steer/worker.js', import.meta.url);
const scores = await answersOf<Job, StubScore>(worker, jobs);
for (const [half, { label }] of halves.entries())
  judge(label, scores.slice(half * stubs, (half + 1) * stubs));
report('steer', rows, goals, options, [
  `AS relationships: The CAIDA AS Relationships Dataset, 2016-11-01; ${2 * stubs} stubs, ${days} days each`,
]);

function judge(label: string, all: readonly StubScore[]): void {
  const mean = (of: (score: StubScore) => number) =>
    all.reduce((sum, score) => sum + of(score), 0) / all.length;
  const unavoidable = [
    ['more demand than live capacity', ({ limit }: StubScore) => limit.overCapacity],
    ['no announcements found, knowing all', ({ limit }: StubScore) => limit.overload],
  ] as const;
  for (const [what, of] of unavoidable)
    rows.push({ name: `${label}, unavoidable: ${what}, mean`, value: mean(of), unit: 'share' });
  for (const name of Object.keys(all[0]?.results ?? {})) rows.push(...rowsOf(label, name, all));

  const sum = (name: string, of: (result: Result) => number) =>
    all.reduce((total, { results }) => total + (results[name] ? of(results[name]) : 0), 0);
  const relief = (name: string) =>
    1 - sum(name, (r) => r.overload) / sum('no control', (r) => r.overload);
  const moves = (name: string) => sum(name, (r) => r.movesPerBlockDay);
  const fewest = Math.min(moves('threshold, 3 prepends'), moves('threshold, more-specifics'));
  for (const name of Object.keys(all[0]?.results ?? {}))
    if (name !== 'no control')
      rows.push({
        name: `${label}, ${name}: less overload time than no control`,
        value: relief(name),
        unit: 'share',
      });
  const longest = Math.max(...all.map(({ results }) => results.headgate?.longestOscillation ?? 0));
  goals.push(
    atLeast(`${label}: less overload time than no control`, relief('headgate'), 0.9, 'share'),
    atMost(`${label}: longest oscillation`, longest, 2, 'moves'),
    atMost(
      `${label}: moves, against the threshold controller that makes fewer`,
      moves('headgate') / fewest,
      1,
      '×',
    ),
  );
}

function rowsOf(label: string, name: string, all: readonly StubScore[]): readonly Row[] {
  const own = all.flatMap(({ results }) => results[name] ?? []);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const head = `${label}, ${name}`;
  const overload = own.map((result) => result.overload);
  return [
    row(`${head}: time with a link above 95 %`, overload, 'share'),
    { name: `${head}: the same, mean`, value: mean(overload), unit: 'share' },
    {
      name: `${head}: traffic lost, mean`,
      value: mean(own.map((result) => result.lostShare)),
      unit: 'share',
    },
    row(
      `${head}: cost by the 95th percentile`,
      own.flatMap(({ cost }) => cost ?? []),
      '× bound',
    ),
    row(
      `${head}: moves`,
      own.map((result) => result.movesPerBlockDay),
      'per block and day',
    ),
    row(
      `${head}: longest oscillation`,
      own.map((result) => result.longestOscillation),
      'moves',
    ),
  ];
}

function propagationTimes(): readonly number[] {
  const topology = loadRelationships();
  return Array.from({ length: 7 }, (_, i) => {
    const shape = { links: 4, blocks: 1, sources: 1, fill: 0.5, total: bitps(1) };
    const { providers } = drawWorld(topology, seeded(i), shape);
    const started = performance.now();
    propagate(
      topology,
      providers.map((provider) => ({ provider, prepends: 0 })),
    );
    return performance.now() - started;
  });
}
