/**
 * Many units over a real NATS: what a cycle of the leader takes, and how many bytes a unit sends. Each cycle the leader
 * asks all units for a report, merges them, decides over all links of all units, and publishes the plan, which each unit
 * confirms. The links are half full on average, a few of them over the threshold: there are moves to make.
 * Usage: scripts/bench units [--quick] [--json]
 */
import { fork, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCluster } from '../../src/cluster/index.ts';
import { encodeMessage } from '../../src/cluster/messages.ts';
import { ms } from '../../src/core/base/units.ts';
import { decide, defaultPolicy, initialState } from '../../src/core/decide/index.ts';
import type { DecidedMove, State } from '../../src/core/decide/state.ts';
import { type MergedLink, mergeReports, type UnitPart } from '../../src/core/model/merge.ts';
import type { Observation } from '../../src/core/model/observation.ts';
import { systemClock } from '../../src/daemon/clock.ts';
import type { SharedPlan, SharedReport } from '../../src/daemon/units/joint.ts';
import { passive } from '../support/cluster.ts';
import { atMost, type Goal, type Row, readOptions, report, row } from './report.ts';
import { blockName, linkCapacity, linkName, type Size, sharedReportOf } from './units/network.ts';

const options = readOptions(process.argv);
const repeats = options.isQuick ? 3 : 7;
const size: Size = { units: 100, links: 20, blocks: 10_000 };

if (spawnSync('nats-server', ['--version']).status !== 0) {
  report('units', [], [], options, ['skipped: nats-server is not installed']);
} else await measure();

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hgunits-'));
  const port = await freePort();
  const server = spawn('nats-server', ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', folder], {
    stdio: 'ignore',
  });
  const followers = fork(
    new URL('./units/followers.js', import.meta.url),
    [port, size.units, size.links, size.blocks].map(String),
  );
  try {
    const [rows, goals, notes] = await cyclesOver(port, followers);
    report('units', rows, goals, options, notes);
  } finally {
    followers.kill('SIGKILL');
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

async function cyclesOver(
  port: number,
  followers: ReturnType<typeof fork>,
): Promise<readonly [Row[], Goal[], string[]]> {
  const names = Array.from({ length: size.units }, (_, unit) => `u${unit}`);
  const cluster = openCluster({
    network: 'bench',
    unit: 'u0',
    units: names,
    servers: [`nats://127.0.0.1:${port}`],
    replicas: 1,
    leaseMs: 20_000,
    silentMs: 600_000,
    holdMs: 600_000,
    clock: systemClock,
    ...passive,
  });
  const isReady = new Promise((resolve) => followers.once('message', resolve));
  await Promise.all([isReady, until(() => cluster.isLeader())]);

  const links: MergedLink[] = names.flatMap((unit, u) =>
    Array.from({ length: size.links }, (_, link) => ({
      link: linkName(u, link),
      capacity: linkCapacity,
      units: [unit],
      pairing: 'parallel' as const,
    })),
  );
  const blocks = Array.from({ length: size.blocks }, (_, block) => blockName(block));
  const policy = defaultPolicy(links.map(({ link, capacity }) => ({ link, capacity })));
  const own = sharedReportOf(0, size);
  const cycles: Cycle[] = [];
  let state = initialState();
  for (let cycle = 0; cycle < repeats; cycle++) {
    const cpu = process.cpuUsage();
    const collect = await timed(async () => {
      const from = performance.now();
      cluster.report(own);
      cluster.callReports();
      // Whoever takes over has called for reports too: what was sent before the cycle is none of it.
      await until(() => {
        const reports = cluster.reports();
        const agesMax = performance.now() - from;
        return reports.length === size.units && reports.every(({ ageMs }) => ageMs <= agesMax);
      });
    });
    const merge = await timed(() => {
      const parts = cluster.reports().map(({ unit, ageMs, body }): UnitPart => {
        // A cast: what the followers of this bench sent.
        const shared = body as SharedReport;
        return { unit, ageMs, report: shared.report, hasOurBlocks: true };
      });
      return mergeReports({
        at: ms(1.7e12 + cycle * 30_000),
        links,
        blocks,
        parts,
        frozen: new Map(),
        gone: new Set(),
      });
    });
    const observation = merge.result;
    const decided = await timed(() => decide(observation, policy, state));
    state = decided.result.state;
    if (state.frozen) throw new Error(state.frozen.reasons[0]);
    const moves = decided.result.moves.filter(({ outcome }) => outcome === 'pending');
    const plan = sharedPlanOf(observation, state, moves);
    const publish = await timed(() => cluster.publishPlan(plan, names));
    if (!publish.result.ok) throw new Error(JSON.stringify(publish.result.error));
    const parts = { collect: collect.s, merge: merge.s, decide: decided.s, publish: publish.s };
    const { user, system } = process.cpuUsage(cpu);
    const planBytes = encodeMessage('u0', plan).length;
    cycles.push({ ...parts, cpu: (user + system) / 1e6, moves: moves.length, planBytes });
  }
  const counters = cluster.counters();
  await cluster.stop();
  return resultOf(cycles, (counters.report_bytes_taken ?? 0) / (counters.reports_taken ?? 1));
}

interface Cycle {
  /** Seconds. */
  readonly collect: number;
  readonly merge: number;
  readonly decide: number;
  readonly publish: number;
  /** Of all threads of the leader: what it would take alone on the machine. */
  readonly cpu: number;
  readonly moves: number;
  readonly planBytes: number;
}

function resultOf(cycles: readonly Cycle[], reportBytes: number): [Row[], Goal[], string[]] {
  const all = size.units * size.links;
  const of = (key: keyof Cycle) => cycles.map((cycle) => cycle[key]);
  const total = cycles.map((cycle) => cycle.collect + cycle.merge + cycle.decide + cycle.publish);
  const cycle = row("the leader's cycle", total, 's');
  return [
    [
      row(`report of a unit and cycle, ${size.links} links`, [reportBytes], 'bytes'),
      row('plan with its state, a cycle', of('planBytes'), 'bytes'),
      row(`${size.units} reports made, sent and decoded`, of('collect'), 's'),
      row('merging them', of('merge'), 's'),
      row(`deciding, ${all} links, ${size.blocks} blocks`, of('decide'), 's'),
      row('moves of a cycle', of('moves'), ''),
      row('publishing the plan, confirmed by all', of('publish'), 's'),
      cycle,
      row('processor time of the leader in it', of('cpu'), 's'),
    ],
    [atMost("the leader's cycle", cycle.value, 5, 's')],
    [],
  ];
}

async function timed<T>(work: () => T | Promise<T>): Promise<{ readonly result: T; s: number }> {
  const from = performance.now();
  const result = await work();
  return { result, s: (performance.now() - from) / 1000 };
}

function sharedPlanOf(
  { at, links }: Observation,
  state: State,
  moves: readonly DecidedMove[],
): SharedPlan {
  const orders = { serial: 0, isWithdrawn: false, withheld: [] };
  return { settings: 'bench', at, state, inForce: 'state', orders, links, down: [], moves };
}

function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 45_000;
  return new Promise((resolve, reject) => {
    const look = () => {
      if (condition()) resolve();
      else if (performance.now() > end) reject(new Error('not within 45 s'));
      else setTimeout(look, 2);
    };
    look();
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' ? (address?.port ?? 4222) : 4222;
      probe.close(() => resolve(port));
    });
  });
}
