/**
 * The optimiser against HiGHS on the same problems in the same run, by processor time: both use one thread, and who else
 * uses the machine then matters little.
 * Usage: scripts/bench decide [--quick] [--json]
 */

import { solveWithHighs } from '../../src/cli/face/highs.ts';
import { assign } from '../../src/core/decide/assign/index.ts';
import { makeProblem } from './decide/problem.ts';
import { atLeast, atMost, type Goal, type Row, readOptions, report, row } from './report.ts';

const options = readOptions(process.argv);
/** A decision cycle, of which a decision may take a tenth. */
const cycleS = 30;

const shapes = [
  { blocks: 10_000, links: 4, isPlain: true, relaxed: false },
  { blocks: 10_000, links: 4, isPlain: false, relaxed: false },
  ...(options.isQuick
    ? []
    : [
        { blocks: 10_000, links: 16, isPlain: true, relaxed: false },
        { blocks: 10_000, links: 16, isPlain: false, relaxed: false },
        { blocks: 100_000, links: 8, isPlain: true, relaxed: true },
        { blocks: 100_000, links: 8, isPlain: false, relaxed: true },
      ]),
];

/** Seconds of processor time. */
function cpuSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1e6;
}

const rows: Row[] = [];
const goals: Goal[] = [];
const notes: string[] = [];
// Warm the compiler, as a running service is.
assign(makeProblem({ blocks: 2000, links: 4, isPlain: true, seed: 99 }));
assign(makeProblem({ blocks: 2000, links: 4, isPlain: false, seed: 99 }));
for (const { blocks, links, isPlain, relaxed } of shapes) {
  const name = `${blocks} × ${links}${isPlain ? '' : ', eligibility and response'}`;
  const problem = makeProblem({ blocks, links, isPlain, seed: 1 });
  const times: number[] = [];
  let ours = assign(problem);
  for (let i = 0; i < 5; i++) {
    const started = process.cpuUsage();
    ours = assign(problem);
    times.push(cpuSince(started));
  }
  rows.push(row(`${name}: ours`, times, 's'));
  rows.push(
    row(`${name}: distance from our own proven bound`, [ours.value / ours.lowerBound - 1], 'share'),
  );
  const own = rows.at(-2)?.value ?? Number.NaN;
  try {
    const started = process.cpuUsage();
    const highs = await solveWithHighs(problem, {
      timeLimitS: options.isQuick ? 20 : 300,
      isRelaxed: relaxed,
      gap: 1e-3,
    });
    const spent = cpuSince(started);
    rows.push(row(`${name}: HiGHS${relaxed ? ', blocks divisible (a bound)' : ''}`, [spent], 's'));
    if (highs.status !== 'Optimal') notes.push(`${name}: HiGHS ended ${highs.status}`);
    const reference = highs.status === 'Optimal' ? highs.value : ours.lowerBound;
    goals.push(
      atMost(
        `${name}: above ${highs.status === 'Optimal' ? 'HiGHS' : 'the proven bound'}`,
        ours.value / reference - 1,
        0.01,
        'share',
      ),
      atLeast(`${name}: times faster than HiGHS`, spent / own, 100, '×'),
    );
  } catch (error) {
    notes.push(
      `${name}: HiGHS failed (${String(error).split('\n')[0]}); compared with our own proven bound`,
    );
    goals.push(
      atMost(`${name}: above the proven bound`, ours.value / ours.lowerBound - 1, 0.01, 'share'),
    );
  }
  if (blocks >= 100_000) goals.push(atMost(`${name}: time`, own, cycleS / 10, 's'));
}
report('decide', rows, goals, options, notes);
