/**
 * Full tables: time until everything is in, and resident memory, beside other implementations in one run.
 * Usage: scripts/bench bgp [--quick] [--json]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inside, ipBatch, removeNamespaces, run } from '../../src/lab/namespaces.ts';
import { hasFeedData } from './bgp/feed.ts';
import { benchSpace, isInstalled, type PeerReceiver, peers, residentBytes } from './bgp/peers.ts';
import { atMost, type Goal, type Row, readOptions, report, row } from './report.ts';

interface Outcome {
  readonly name: string;
  readonly seconds: number;
  readonly bytes: number;
  readonly delayMaxMs?: number;
  readonly tableBytes?: number;
}

const options = readOptions(process.argv);
const rows: Row[] = [];
const goals: Goal[] = [];
const notes: string[] = [];
/** Nothing takes longer than this, ms; a peer that does is named as not finished. */
const patienceMs = options.isQuick ? 10_000 : 300_000;

if (!hasFeedData())
  notes.push('skipped: the captures with the prefix table and the dump are absent');
else if (process.getuid?.() !== 0) notes.push('skipped: needs root for a network namespace');
else await measureAll();
report('bgp', rows, goals, options, notes);

async function measureAll(): Promise<void> {
  await removeNamespaces([benchSpace]);
  await run(['ip', 'netns', 'add', benchSpace]);
  try {
    await ipBatch(benchSpace, [
      'link set lo up',
      'address add 10.98.0.9/32 dev lo',
      ...Array.from({ length: 5 }, (_, i) => `address add 10.98.1.${i + 1}/32 dev lo`),
    ]);
    // Quick: a sample of the table, so that the whole bench ends within its 50 seconds.
    await measure(1, options.isQuick ? 60_000 : 2_000_000);
    if (!options.isQuick) await measure(5, 2_000_000);
  } finally {
    await removeNamespaces([benchSpace]);
  }
}

async function measure(feeds: number, limit: number): Promise<void> {
  const addresses = Array.from({ length: feeds }, (_, i) => `10.98.1.${i + 1}`);
  const feeders = await Promise.all(
    addresses.map((address, i) => startFeeder(address, 65_101 + i, limit)),
  );
  try {
    const wanted = feeders.reduce((total, feeder) => total + feeder.prefixes, 0);
    const ours = await measureOurs(feeders, addresses, wanted);
    const outcomes: Outcome[] = ours ? [ours] : [];
    for (const peer of peers) {
      if (!isInstalled(peer)) {
        notes.push(`${peer.name}: skipped, ${peer.program} is not installed`);
        continue;
      }
      const outcome = await measurePeer(peer, feeders, addresses, wanted);
      if (outcome) outcomes.push(outcome);
      else notes.push(`${peer.name}: ${feeds} feeds not in after ${patienceMs / 1000} s`);
    }
    tabulate(outcomes, feeds, wanted);
  } finally {
    for (const { child } of feeders) child.kill('SIGKILL');
  }
}

interface Feeder {
  readonly child: ChildProcess;
  readonly prefixes: number;
  /** When the latest session began to send. */
  startedMs: number;
}

async function startFeeder(address: string, asn: number, limit: number): Promise<Feeder> {
  const script = fileURLToPath(new URL('./bgp/feeder.js', import.meta.url));
  const child = start([process.execPath, script, address, String(asn), String(limit)]);
  const feeder = { child, prefixes: 0, startedMs: 0 };
  await new Promise<void>((resolve) => {
    onLines(child, (line) => {
      if (typeof line.prefixes === 'number') {
        feeder.prefixes = line.prefixes;
        resolve();
      }
      if (typeof line.startedMs === 'number') feeder.startedMs = line.startedMs;
    });
  });
  return feeder;
}

async function measureOurs(
  feeders: readonly Feeder[],
  addresses: readonly string[],
  wanted: number,
): Promise<Outcome | undefined> {
  progress(`headgate takes ${addresses.length} feed(s) of ${wanted} paths in all`);
  const script = fileURLToPath(new URL('./bgp/receiver.js', import.meta.url));
  const child = start([process.execPath, script, String(wanted), ...addresses]);
  let answer: Readonly<Record<string, unknown>> | undefined;
  onLines(child, (line) => {
    answer = line;
  });
  const late = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  await once(child, 'close');
  clearTimeout(late);
  if (!answer) return undefined;
  const began = Math.min(...feeders.map(({ startedMs }) => startedMs));
  return {
    name: 'headgate',
    seconds: (Number(answer.doneMs) - began) / 1000,
    bytes: Number(answer.rss),
    delayMaxMs: Number(answer.delayMaxMs),
    tableBytes: Number(answer.tableBytes),
  };
}

async function measurePeer(
  peer: PeerReceiver,
  feeders: readonly Feeder[],
  addresses: readonly string[],
  wanted: number,
): Promise<Outcome | undefined> {
  progress(`${peer.name} takes the same`);
  for (const feeder of feeders) feeder.startedMs = 0;
  const { child, count, remove } = peer.start(addresses);
  const end = Date.now() + patienceMs;
  try {
    while (Date.now() < end && child.exitCode === null) {
      const paths = await count();
      if (paths >= wanted) {
        const began = Math.min(...feeders.map(({ startedMs }) => startedMs));
        const seconds = (Date.now() - began) / 1000;
        return { name: peer.name, seconds, bytes: residentBytes(child.pid ?? 0) };
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return undefined;
  } finally {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'close');
      child.kill('SIGKILL');
      await gone;
    }
    remove();
  }
}

function tabulate(outcomes: readonly Outcome[], feeds: number, wanted: number): void {
  const what = `${feeds} feed${feeds > 1 ? 's' : ''} of ${Math.round(wanted / feeds)}`;
  for (const { name, seconds, bytes } of outcomes) {
    rows.push(row(`${name}: ${what}, time`, [seconds], 's'));
    rows.push(row(`${name}: ${what}, resident`, [bytes / 2 ** 20], 'MiB'));
  }
  const ours = outcomes.find(({ name }) => name === 'headgate');
  if (!ours) {
    notes.push(`headgate: ${what} not in after ${patienceMs / 1000} s`);
    return;
  }
  rows.push(
    row(`headgate: ${what}, longest wait for the event loop`, [ours.delayMaxMs ?? 0], 'ms'),
  );
  rows.push(
    row(`headgate: ${what}, table bytes per path`, [(ours.tableBytes ?? 0) / wanted], 'bytes'),
  );
  goals.push(
    atMost(`${what}: table bytes per path`, (ours.tableBytes ?? 0) / wanted, 150, 'bytes'),
  );
  goals.push(atMost(`${what}: longest wait for the event loop`, ours.delayMaxMs ?? 0, 20, 'ms'));
  for (const [name, factor] of [
    ['BIRD 2', 2],
    ['FRR', 1],
    ['GoBGP', 1],
  ] as const) {
    const other = outcomes.find((outcome) => outcome.name === name);
    if (other)
      goals.push(
        atMost(`${what}: time against ${name}`, ours.seconds / other.seconds, factor, 'ratio'),
      );
  }
}

function progress(text: string): void {
  process.stderr.write(`bgp: ${text}\n`);
}

function start(argv: readonly string[]): ChildProcess {
  const [program = '', ...rest] = inside(benchSpace, argv);
  return spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
}

function onLines(
  child: ChildProcess,
  see: (line: Readonly<Record<string, unknown>>) => void,
): void {
  if (!child.stdout) return;
  // The cast: our own processes print one JSON object per line.
  createInterface(child.stdout).on('line', (line) =>
    see(JSON.parse(line) as Record<string, unknown>),
  );
}
