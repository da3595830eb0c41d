/**
 * Many units over a real NATS: what a cycle of the leader takes, and how many bytes a unit sends.
 * Usage: scripts/bench units [--quick] [--json]
 */
import { fork, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCluster } from '../../src/cluster/index.ts';
import { encodeMessage } from '../../src/cluster/messages.ts';
import { bitps, ms } from '../../src/core/base/units.ts';
import { decide, defaultPolicy, initialState } from '../../src/core/decide/index.ts';
import { type MergedLink, mergeReports, type UnitPart } from '../../src/core/model/merge.ts';
import { systemClock } from '../../src/daemon/clock.ts';
import type { SharedPlan, SharedReport } from '../../src/daemon/joint.ts';
import { atMost, type Goal, type Row, readOptions, report, row } from './report.ts';
import { blockName, linkName, observationOf, type Size, sharedReportOf } from './units/network.ts';

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
    onPlan: () => undefined,
    onDoubt: () => undefined,
    onCommand: async () => ({}),
    onEvent: () => undefined,
  });
  const isReady = new Promise((resolve) => followers.once('message', resolve));
  await Promise.all([isReady, until(() => cluster.isLeader())]);

  const links: MergedLink[] = names.flatMap((unit, u) =>
    Array.from({ length: size.links }, (_, link) => ({
      link: linkName(u, link),
      capacity: bitps(1e9),
      units: [unit],
      pairing: 'parallel' as const,
    })),
  );
  const blocks = Array.from({ length: size.blocks }, (_, block) => blockName(block));
  const own = sharedReportOf(0, size);
  const times = { collect: [] as number[], merge: [] as number[], publish: [] as number[] };
  for (let cycle = 0; cycle < repeats; cycle++) {
    const taken = cluster.counters().reports_taken ?? 0;
    let from = performance.now();
    cluster.report(own);
    cluster.callReports();
    await until(() => (cluster.counters().reports_taken ?? 0) >= taken + size.units - 1);
    times.collect.push(performance.now() - from);

    from = performance.now();
    const parts = cluster.reports().map(({ unit, ageMs, body }): UnitPart => {
      // A cast: what the followers of this bench sent.
      const shared = body as SharedReport;
      return { unit, ageMs, report: shared.report, hasOurBlocks: true };
    });
    const observation = mergeReports({
      at: ms(1.7e12 + cycle * 30_000),
      links,
      blocks,
      parts,
      frozen: new Map(),
      gone: new Set(),
    });
    times.merge.push(performance.now() - from);
    if (observation.links.length !== links.length) throw new Error('a unit is missing');

    from = performance.now();
    const published = await cluster.publishPlan(planOf(cycle, observation.links), names);
    if (!published.ok) throw new Error(JSON.stringify(published.error));
    times.publish.push(performance.now() - from);
  }
  const planBytes = encodeMessage(
    'u0',
    planOf(
      0,
      names.flatMap((_, unit) => observationOf(unit, size).links),
    ),
  );
  const counters = cluster.counters();
  await cluster.stop();

  const decided = decisionTimes();
  const total = times.collect.map(
    (collect, i) => collect + (times.merge[i] ?? 0) + (times.publish[i] ?? 0),
  );
  const perReport = (counters.report_bytes_taken ?? 0) / (counters.reports_taken ?? 1);
  const cycle = total.map((ms_, i) => (ms_ + (decided[i % decided.length] ?? 0)) / 1000);
  const seconds = (values: readonly number[]) => values.map((value) => value / 1000);
  const rows = [
    row(
      `report of a unit and cycle, ${size.links} links, ${size.blocks} blocks`,
      [perReport],
      'bytes',
    ),
    row('plan with its state, a cycle', [planBytes.length], 'bytes'),
    row(`${size.units} reports made, sent and decoded`, seconds(times.collect), 's'),
    row('merging them', seconds(times.merge), 's'),
    row('publishing the plan, confirmed by all', seconds(times.publish), 's'),
    row(`deciding, 20 links in all, ${size.blocks} blocks`, seconds(decided), 's'),
    row("the leader's cycle, deciding over 20 links", cycle, 's'),
  ];
  const worst = [...cycle].sort((a, b) => a - b)[cycle.length >> 1] ?? Number.NaN;
  return [
    rows,
    [atMost("the leader's cycle, deciding over 20 links", worst, 5, 's')],
    [
      `not reached: one decision over all ${links.length} links. The search of a decision looks at every link for every group of blocks; beyond some dozens of links it takes minutes.`,
    ],
  ];
}

/** A decision over as many links as one network of this size has in practice. */
function decisionTimes(): readonly number[] {
  const seen = observationOf(0, { ...size, units: 1 });
  const policy = defaultPolicy(seen.links.map(({ link }) => ({ link, capacity: bitps(40e9) })));
  // Half full: what a network looks like in nearly every cycle.
  const links = seen.links.map((link) => ({ ...link, capacity: bitps(40e9) }));
  let state = initialState();
  return Array.from({ length: repeats }, (_, cycle) => {
    const observation = { ...seen, links, at: ms(1.7e12 + cycle * 30_000) };
    const from = performance.now();
    state = decide(observation, policy, state).state;
    return performance.now() - from;
  });
}

function planOf(cycle: number, links: SharedPlan['links']): SharedPlan {
  const state = initialState();
  const blocks = Array.from({ length: size.blocks }, (_, block) => ({
    block: blockName(block),
    link: linkName(block % size.units, block % size.links),
    rung: 1 + (block % 3),
    reason: `moves ${(block * 7919) % 100_000} bit/s away from a link that is full`,
  }));
  const baselines = Object.fromEntries(
    blocks.map(({ block, link }, i) => [
      block,
      {
        changes: [ms(1.7e12 - i * 1000)],
        left: [],
        tried: { [link]: { rung: 1, moved: (i % 97) / 97, at: ms(1.7e12) } },
        dwellFactor: 1,
        baseline: { [link]: (i % 89) / 89, other: 1 - (i % 89) / 89 },
      },
    ]),
  );
  return {
    settings: 'bench',
    at: 1.7e12 + cycle * 30_000,
    state: { ...state, plan: { generation: cycle, at: ms(1.7e12), blocks }, blocks: baselines },
    inForce: 'state',
    orders: { serial: 0, isWithdrawn: false, withheld: [] },
    links,
    moves: [],
  };
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
