/**
 * Full tables: time until everything is in and settled, processor time and resident memory, beside other
 * implementations in one run. Usage: scripts/bench bgp [--quick] [--json]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inside, ipBatch, removeNamespaces, run } from '../../src/lab/namespaces.ts';
import { hasFeedData } from './bgp/feed.ts';
import { bird } from './bgp/receivers/bird.ts';
import { exabgp } from './bgp/receivers/exabgp.ts';
import { frr } from './bgp/receivers/frr.ts';
import { gobgp } from './bgp/receivers/gobgp.ts';
import {
  headgate,
  headgateUnit,
  largeUnit,
  type OwnReceiver,
  type OwnReport,
} from './bgp/receivers/headgate.ts';
import { openbgpd } from './bgp/receivers/openbgpd.ts';
import {
  benchSpace,
  type FeedPeer,
  type ReceiverKind,
  type RunningReceiver,
  receiverAddress,
} from './bgp/receivers/receiver.ts';
import { awaitSettled, type Settled } from './bgp/settle.ts';
import { atMost, type Goal, type Row, readOptions, report, row } from './report.ts';

interface Outcome extends Settled {
  readonly own: OwnReport | undefined;
}

const options = readOptions(process.argv);
const rows: Row[] = [];
const goals: Goal[] = [];
const notes: string[] = [
  'time: from the first route sent until all are in and the processor is quiet again; the others also choose ' +
    'between paths meanwhile, headgate when it is asked',
];
/** In this order: the quick ones in rounds side by side, so that a busy moment hits all alike, then the others. */
const groups: ReadonlyArray<readonly ReceiverKind[]> = options.isQuick
  ? [[headgate, bird], [headgateUnit], [frr], [openbgpd], [gobgp]]
  : [[headgate, bird, headgateUnit, largeUnit], [frr, openbgpd], [gobgp], [exabgp]];
if (options.isQuick)
  notes.push('ExaBGP: only in the whole run, it takes longer than all others together');
/** Nothing takes longer than this, ms; a peer that does is named as not finished. */
const patienceMs = options.isQuick ? 15_000 : 200_000;
/** When everything must be over, by `performance.now()`: what would begin later is named as left out. */
const endMs = options.isQuick ? 44_000 : Number.POSITIVE_INFINITY;
/** What settles within this time, s, is measured again: the median of `rounds`. */
const repeatBelowS = options.isQuick ? 5 : 15;
const rounds = 3;
/** Quick: a sample of the table, so that the whole bench ends within its 50 seconds. */
const limit = options.isQuick ? 400_000 : 2_000_000;
const feedPeers: readonly FeedPeer[] = [1, 2, 3, 4, 5].map((i) => ({
  address: `10.98.1.${i}`,
  asn: 65_100 + i,
}));

if (!hasFeedData())
  notes.push('skipped: the captures with the prefix table and the dump are absent');
else if (process.getuid?.() !== 0) notes.push('skipped: needs root for a network namespace');
else await measureAll();
report('bgp', rows, goals, options, notes);

async function measureAll(): Promise<void> {
  await removeNamespaces([benchSpace]);
  await run(['ip', 'netns', 'add', benchSpace]);
  let feeder: Feeder | undefined;
  try {
    await ipBatch(benchSpace, [
      'link set lo up',
      `address add ${receiverAddress}/32 dev lo`,
      ...feedPeers.map(({ address }) => `address add ${address}/32 dev lo`),
    ]);
    progress('building the table');
    feeder = await startFeeder();
    const seconds = await measure(feeder, feedPeers.slice(0, 1), groups);
    if (options.isQuick) return;
    const hopeless = (kind: ReceiverKind) =>
      (seconds.get(kind) ?? Number.POSITIVE_INFINITY) * feedPeers.length * 1000 > patienceMs;
    for (const kind of groups.flat().filter(hopeless))
      notes.push(`${kind.name}: left out with 5 feeds, one took it too long`);
    const others = groups.map((kinds) => kinds.filter((kind) => !hopeless(kind)));
    await measure(feeder, feedPeers, others);
  } finally {
    feeder?.child.kill('SIGKILL');
    await removeNamespaces([benchSpace]);
  }
}

interface Feeder {
  readonly child: ChildProcess;
  prefixes: number;
  /** When the first session of the measurement at hand began to send; 0 before. */
  startedMs: number;
}

async function startFeeder(): Promise<Feeder> {
  const script = fileURLToPath(new URL('./bgp/feeder.js', import.meta.url));
  const addresses = feedPeers.map(({ address, asn }) => `${address}=${asn}`);
  const argv = inside(benchSpace, [process.execPath, script, String(limit), ...addresses]);
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const feeder: Feeder = { child, prefixes: 0, startedMs: 0 };
  await new Promise<void>((resolve, reject) => {
    child.once('close', () => reject(new Error('the feeder ended')));
    createInterface(child.stdout).on('line', (line) => {
      // The cast: our own program prints one JSON object per line.
      const said = JSON.parse(line) as { readonly prefixes?: number; readonly startedMs?: number };
      if (said.startedMs !== undefined && feeder.startedMs === 0) feeder.startedMs = said.startedMs;
      if (said.prefixes === undefined) return;
      feeder.prefixes = said.prefixes;
      resolve();
    });
  });
  return feeder;
}

/** Every implementation with the same feeds; gives the time of each that had them all, s. */
async function measure(
  feeder: Feeder,
  feeds: readonly FeedPeer[],
  groups: ReadonlyArray<readonly ReceiverKind[]>,
): Promise<ReadonlyMap<ReceiverKind, number>> {
  const outcomes = new Map<ReceiverKind, Outcome[]>();
  for (const kinds of groups) {
    for (let round = 0; round < rounds; round++) {
      for (const kind of kinds) {
        const all = outcomes.get(kind) ?? [];
        const isRepeat = round > 0;
        if (isRepeat && !all.some(({ seconds }) => seconds < repeatBelowS)) continue;
        const outcome = await tryOne(kind, feeder, feeds, isRepeat);
        if (outcome) outcomes.set(kind, [...all, outcome]);
      }
    }
  }
  return tabulate(outcomes, feeds.length, feeder.prefixes);
}

/** Undefined, with a note, where it is absent, has no time left or does not settle in time. */
async function tryOne(
  kind: ReceiverKind,
  feeder: Feeder,
  feeds: readonly FeedPeer[],
  isRepeat: boolean,
): Promise<Outcome | undefined> {
  const leftMs = Math.min(patienceMs, endMs - performance.now());
  const note = (what: string) => {
    if (!isRepeat) notes.push(`${kind.name}: ${what}`);
  };
  if (!existsSync(kind.program)) {
    note(`skipped, ${kind.program} is not installed`);
    return undefined;
  }
  if (leftMs < 3_000) {
    note('left out, the time of the quick run is over');
    return undefined;
  }
  progress(`${kind.name} takes ${feeds.length} x ${feeder.prefixes} paths`);
  const outcome = await measureOne(kind, feeder, feeds, leftMs);
  if (!outcome) note(`${feeds.length} feed(s) not in after ${Math.round(leftMs / 1000)} s`);
  return outcome;
}

async function measureOne(
  kind: ReceiverKind,
  feeder: Feeder,
  feeds: readonly FeedPeer[],
  patienceMs: number,
): Promise<Outcome | undefined> {
  feeder.startedMs = 0;
  const receiver = kind.start(feeds);
  try {
    const settled = await awaitSettled(receiver.child.pid ?? 0, {
      wanted: feeder.prefixes * feeds.length,
      patienceMs,
      isNeverQuiet: kind.isNeverQuiet ?? false,
      count: receiver.count,
      startedMs: () => feeder.startedMs,
    });
    return settled && { ...settled, own: ownReport(receiver) };
  } finally {
    if (receiver.child.exitCode === null && receiver.child.signalCode === null) {
      const gone = once(receiver.child, 'close');
      receiver.child.kill('SIGKILL');
      await gone;
    }
    receiver.remove();
  }
}

/** The cast: only ours have `latest`. */
function ownReport(receiver: RunningReceiver): OwnReport | undefined {
  return (receiver as Partial<OwnReceiver>).latest?.();
}

function tabulate(
  outcomes: ReadonlyMap<ReceiverKind, readonly Outcome[]>,
  feeds: number,
  prefixes: number,
): ReadonlyMap<ReceiverKind, number> {
  const what = `${feeds} feed${feeds > 1 ? 's' : ''} of ${prefixes}`;
  const paths = feeds * prefixes;
  const add = (name: string, values: readonly number[], unit: string) => {
    const made = row(`${what}: ${name}`, values, unit);
    rows.push(made);
    return made.value;
  };
  const seconds = new Map<ReceiverKind, number>();
  for (const [kind, all] of outcomes) {
    const { name } = kind;
    seconds.set(
      kind,
      add(
        `${name}, time`,
        all.map((one) => one.seconds),
        's',
      ),
    );
    add(
      `${name}, processor time`,
      all.map((one) => one.cpuSeconds),
      's',
    );
    add(
      `${name}, resident`,
      all.map((one) => one.residentBytes / 2 ** 20),
      'MiB',
    );
    const grown = all.map((one) => (one.residentBytes - one.residentBefore) / paths);
    const perPath = add(`${name}, resident per path`, grown, 'bytes');
    const own = all.flatMap((one) => one.own ?? []);
    if (own.length === 0) continue;
    add(
      `${name}, table per path`,
      own.map((one) => one.tableBytes / paths),
      'bytes',
    );
    add(
      `${name}, longest wait for the event loop`,
      own.map((one) => one.blockedMs),
      'ms',
    );
    const computed = own.map((one) => one.computedMs);
    const blocked = add(`${name}, computed without a turn`, computed, 'ms');
    if (kind === headgate)
      goals.push(atMost(`${what}: ${name}, resident per path`, perPath, 150, 'bytes'));
    goals.push(
      atMost(`${what}: ${name}, computed without a turn for the event loop`, blocked, 20, 'ms'),
    );
  }
  const ours = seconds.get(headgate);
  if (ours === undefined) return seconds;
  for (const [kind, factor] of [
    [bird, 2],
    [frr, 1],
    [gobgp, 1],
  ] as const) {
    const theirs = seconds.get(kind);
    if (theirs !== undefined)
      goals.push(atMost(`${what}: time against ${kind.name}`, ours / theirs, factor, 'ratio'));
  }
  return seconds;
}

function progress(text: string): void {
  process.stderr.write(`bgp: ${text}\n`);
}
