/**
 * The optimiser against HiGHS on the same problems in the same run, by processor time: both use one thread, and who else
 * uses the machine then matters little. Where HiGHS does not finish, what it proves for blocks that may be divided is the
 * reference, and the time until it was stopped counts. 100,000 blocks exceed its 2 GiB: there only the bound is asked
 * for, which is less work.
 * Usage: scripts/bench decide [--quick] [--json]
 */

import { solveWithHighs } from '../../src/cli/face/highs.ts';
import { type AssignProblem, assign } from '../../src/core/decide/assign/index.ts';
import { makeProblem } from './decide/problem.ts';
import { atLeast, atMost, type Goal, type Row, readOptions, report, row } from './report.ts';

const options = readOptions(process.argv);
/** A decision cycle, of which a decision may take a tenth. */
const cycleS = 30;

const shapes = [
  { blocks: 10_000, links: 4, isPlain: true, canFinish: true },
  { blocks: 10_000, links: 4, isPlain: false, canFinish: true },
  ...(options.isQuick
    ? []
    : [
        { blocks: 10_000, links: 16, isPlain: true, canFinish: true },
        { blocks: 10_000, links: 16, isPlain: false, canFinish: true },
        { blocks: 100_000, links: 8, isPlain: true, canFinish: false },
        { blocks: 100_000, links: 8, isPlain: false, canFinish: false },
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
for (const { blocks, links, isPlain, canFinish } of shapes) {
  const name = `${blocks} × ${links}${isPlain ? '' : ', eligibility and response'}`;
  const problem = makeProblem({ blocks, links, isPlain, seed: 1 });
  const times: number[] = [];
  let ours = assign(problem);
  for (let i = 0; i < 5; i++) {
    const started = process.cpuUsage();
    ours = assign(problem);
    times.push(cpuSince(started));
  }
  const own = row(`${name}: ours`, times, 's');
  rows.push(own);
  rows.push(
    row(`${name}: distance from our own proven bound`, [ours.value / ours.lowerBound - 1], 'share'),
  );
  const whole = canFinish ? await tryHighs(name, problem, false) : undefined;
  const highs = whole && Number.isFinite(whole.value) ? whole : await tryHighs(name, problem, true);
  const spent = whole?.seconds ?? highs?.seconds ?? Number.NaN;
  if (!highs) {
    goals.push(
      atMost(`${name}: above our own bound`, ours.value / ours.lowerBound - 1, 0.01, 'share'),
    );
    continue;
  }
  goals.push(
    atMost(`${name}: above ${highs.what}`, ours.value / highs.value - 1, 0.01, 'share'),
    atLeast(`${name}: times faster than HiGHS`, spent / own.value, 100, '×'),
  );
  if (blocks >= 100_000) goals.push(atMost(`${name}: time`, own.value, cycleS / 10, 's'));
}

/** HiGHS on whole blocks or, for a bound, on divisible ones; undefined where it gives nothing to compare with. */
async function tryHighs(name: string, problem: AssignProblem, isRelaxed: boolean) {
  const what = isRelaxed ? "HiGHS's bound, blocks divisible" : 'HiGHS';
  const started = process.cpuUsage();
  try {
    const timeLimitS = options.isQuick ? 12 : isRelaxed ? 300 : 90;
    const { status, value } = await solveWithHighs(problem, { timeLimitS, isRelaxed, gap: 1e-3 });
    const seconds = cpuSince(started);
    rows.push(row(`${name}: ${what}${status === 'Optimal' ? '' : `, ${status}`}`, [seconds], 's'));
    if (status === 'Optimal') return { what, value, seconds };
    if (Number.isFinite(value))
      rows.push(
        row(
          `${name}: HiGHS by then, above our bound`,
          [value / assign(problem).lowerBound - 1],
          'share',
        ),
      );
    return { what, value: Number.NaN, seconds };
  } catch (error) {
    notes.push(`${name}: ${what} failed (${String(error).split('\n')[0]})`);
  }
  return undefined;
}

report('decide', rows, goals, options, notes);
