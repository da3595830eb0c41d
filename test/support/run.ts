/**
 * Runs every check of the project and prints one line for each, the output of those that failed,
 * and last `N passed, N failed, N skipped`. Usage: run.js [--long] [--once] [--only TEXT] (a part of a path or name).
 *
 * What runs in real time on a machine that others share (namespaces, routers, shaped links) gets a second try, alone
 * and after everything else; both tries are shown, and `--once` denies it.
 */
import { spawn } from 'node:child_process';
import { Parser } from 'tap-parser';
import { globSync } from './glob.ts';

interface Tally {
  passed: number;
  failed: number;
  readonly skipped: string[];
}

interface Job {
  readonly name: string;
  readonly command: readonly string[];
  /** How the output is counted: TAP points, doctest's summary, or the exit code alone. */
  readonly form: 'tap' | 'doctest' | 'exit';
}

interface Attempt {
  readonly tally: Tally;
  readonly output: string;
  /** Why it was ended, where it did not end by itself. */
  readonly why: string;
}

const isLong = process.argv.includes('--long');
/** A hung test is a failed test; the slowest suites state their own shorter deadlines. */
const jobTimeoutMs = isLong ? 1_800_000 : 420_000;

const once = process.argv.includes('--once');
const onlyAt = process.argv.indexOf('--only');
const only = onlyAt < 0 ? '' : (process.argv[onlyAt + 1] ?? '');

const floods = 'native floods whole, ten million packets';

const checks: Job[] = [
  {
    name: 'lint',
    command: ['node_modules/.bin/biome', 'check', '--error-on-warnings', '.'],
    form: 'exit',
  },
  {
    name: 'layers',
    command: ['node_modules/.bin/depcruise', '--config', '.dependency-cruiser.json', 'src'],
    form: 'exit',
  },
  {
    name: 'core is pure',
    command: ['node_modules/.bin/tsc', '-p', 'src/core/tsconfig.json'],
    form: 'exit',
  },
  {
    name: 'native unit tests (AddressSanitizer, UndefinedBehaviorSanitizer)',
    command: ['make', '-s', '-C', 'native', 'test'],
    form: 'doctest',
  },
  {
    name: floods,
    command: ['make', '-s', '-C', 'native', 'flood'],
    form: 'doctest',
  },
];
/** By their sources: what an older checkout left compiled is no test of this one. */
const testFiles = globSync('test', '.test.ts').map((path): Job => {
  const name = path.slice('test/'.length).replace(/ts$/, 'js');
  return { name, command: ['node', '--enable-source-maps', `dist/test/${name}`], form: 'tap' };
});
// Namespaces, real routers and shaped links run in real time; what judges rates or losses wants the machine to itself.
const isRealTime = (job: Job) => /^(lab|conformance|wire|package)\//.test(job.name);
const judgesNoRates =
  /^(lab\/(border|manual|reachability|units)|wire\/(kernel|networks|ports|quic|refusals|transparency))\b/;
const wantsMachine = (job: Job) =>
  /^(lab|conformance\/(probe|flows)|wire|package)\//.test(job.name) &&
  (isLong || !judgesNoRates.test(job.name));
/**
 * Judged by delays of tens of milliseconds, links of 40 Mbit/s and seconds of waiting, each with a third of one processor.
 * The longest first, so that two at a time end together.
 */
const patient = [
  'lab/loop',
  'lab/out-of-line',
  'lab/dns-steering',
  'conformance/flows/exporters',
  'conformance/probe/congestion',
  'conformance/probe/paths',
  'lab/egress',
  'lab/egress-frr',
  'lab/session-marks',
].map((name) => `${name}.test.js`);
const isPatient = (job: Job) => patient.includes(job.name);

const named = [...checks, ...testFiles].filter((job) => job.name.includes(only));
const wanted = named.filter((job) => isLong || job.name !== floods);
const total: Tally = { passed: 0, failed: 0, skipped: [] };
if (wanted.length < named.length)
  total.skipped.push(`${floods} (a build of its own: with --long; a hundredth of it ran)`);
const failures: string[] = [];
const again: Array<{ readonly job: Job; readonly firstTry: string }> = [];

// Two that compute at a time, and beside them two that wait for routers' timers most of their time.
const together = wanted.filter((job) => !wantsMachine(job));
const computing = together.filter((job) => !isRealTime(job));
const waiting = together.filter(isRealTime);
await Promise.all([runAll([waiting], 2), runAll([computing, waiting], 2)]);
await runAll([patient.flatMap((name) => wanted.filter((job) => job.name === name))], 2);
await runAll([wanted.filter((job) => wantsMachine(job) && !isPatient(job))], 1);
for (const { job } of again) settle(job, await attempt(job));

for (const { firstTry } of again)
  console.log(`\nfirst try of ${firstTry.replaceAll('\n', '\n| ')}`);
for (const failure of failures) console.log(`\n${failure}`);
if (again.length > 0)
  console.log(`\nrun a second time:\n${again.map(({ job }) => `  ${job.name}`).join('\n')}`);
if (total.skipped.length > 0)
  console.log(`\nskipped:\n${total.skipped.map((line) => `  ${line}`).join('\n')}`);
if (failures.length > 0)
  console.log(`\nfailed:\n${failures.map((f) => `  ${f.split('\n')[0]}`).join('\n')}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped.length} skipped`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** So many at a time, from the first queue while it has any, then from the next; who takes a job takes it from the queue. */
async function runAll(queues: readonly Job[][], width: number): Promise<void> {
  const next = () => queues.find((queue) => queue.length > 0)?.shift();
  const workers = Array.from({ length: width }, async () => {
    for (let job = next(); job; job = next()) await run(job);
  });
  await Promise.all(workers);
}

async function run(job: Job): Promise<void> {
  const attempted = await attempt(job);
  if (attempted.tally.failed === 0 || !isRealTime(job) || once) settle(job, attempted);
  else again.push({ job, firstTry: accountOf(job, attempted) });
}

/** Its result, now that there is no other try. */
function settle(job: Job, attempted: Attempt): void {
  const { tally } = attempted;
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped.push(...tally.skipped.map((reason) => `${job.name}: ${reason}`));
  if (tally.failed > 0) failures.push(accountOf(job, attempted));
}

function accountOf(job: Job, { output, why }: Attempt): string {
  return `${job.name}${why}\n${output.slice(-12_000)}`;
}

async function attempt(job: Job): Promise<Attempt> {
  const started = Date.now();
  const { output, code, timedOut } = await capture(job);
  const tally = count(job, output, code);
  if (timedOut) tally.failed++;
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const state = tally.failed > 0 ? 'FAILED' : 'ok';
  console.log(
    `${state.padEnd(6)} ${job.name} (${tally.passed} passed, ${tally.failed} failed, ${tally.skipped.length} skipped, ${seconds} s)`,
  );
  return { tally, output, why: timedOut ? ` (stopped after ${jobTimeoutMs / 1000} s)` : '' };
}

function capture(job: Job): Promise<{ output: string; code: number; timedOut: boolean }> {
  return new Promise((resolve) => {
    const [program, ...rest] = job.command;
    const child = spawn(program ?? '', rest, {
      env: { ...process.env, HEADGATE_LONG: isLong ? '1' : '' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    let timedOut = false;
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const timer = setTimeout(() => {
      timedOut = true;
      // The group, so that what the test started goes with it.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, jobTimeoutMs);
    child.on('error', (error) => {
      output += String(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ output, code: code ?? 1, timedOut });
    });
  });
}

function count(job: Job, output: string, code: number): Tally {
  const tally: Tally = { passed: 0, failed: 0, skipped: [] };
  if (job.form === 'tap') countTap(output, tally);
  const summary = /test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed/.exec(output);
  if (job.form === 'doctest' && summary) {
    tally.passed = Number(summary[1]);
    tally.failed = Number(summary[2]);
  }
  if (job.form === 'exit' && code === 0) tally.passed = 1;
  const ranNothing = tally.passed + tally.failed + tally.skipped.length === 0;
  if ((code !== 0 || ranNothing) && tally.failed === 0) tally.failed = 1;
  return tally;
}

/** Counts the top-level tests of a file: each is one behaviour, however many assertions it takes. */
function countTap(output: string, tally: Tally): void {
  const parser = new Parser();
  parser.on('assert', (result) => {
    if (result.skip || result.todo)
      tally.skipped.push(`${result.name} (${result.skip || result.todo})`);
    else if (result.ok) tally.passed++;
    else tally.failed++;
  });
  parser.end(output);
}
