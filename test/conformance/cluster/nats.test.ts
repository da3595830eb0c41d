/**
 * Three units over a NATS of three nodes, all on loopback:
 *
 *   west ── n1 ─┐
 *   mid  ── n2 ─┼─ JetStream, three replicas
 *   east ── n3 ─┘
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  type Cluster,
  openCluster,
  type StoredPlan,
  type UnitReport,
} from '../../../src/cluster/index.ts';
import { systemClock } from '../../../src/daemon/clock.ts';
import { passive } from '../../support/cluster.ts';

const hasNats = spawnSync('nats-server', ['--version']).status === 0;
const base = 20_000 + (process.pid % 20_000);
const leaseMs = 3000;
/** No less than the lease, as settings must have it: with less, units that say a few times per lease that they are there would come and go. */
const silentMs = leaseMs;
const names = ['west', 'mid', 'east'] as const;
// Others may be using the machine: elections and confirmations take their time, and may be lost once.
const timeout = 150_000;
t.setTimeout(2 * timeout);

interface Node {
  readonly process: ChildProcess;
  readonly port: number;
}

function startNode(index: number, folder: string): Node {
  const port = base + index * 2;
  const routes = names.map((_, i) => `nats-route://127.0.0.1:${base + i * 2 + 1}`).join(',');
  const options = [
    '-a',
    '127.0.0.1',
    '-p',
    String(port),
    '-n',
    `n${index}`,
    '-js',
    '-sd',
    join(folder, `n${index}`),
  ];
  const cluster = [
    '--cluster_name',
    'hg',
    '--cluster',
    `nats://127.0.0.1:${port + 1}`,
    '--routes',
    routes,
  ];
  return { process: spawn('nats-server', [...options, ...cluster], { stdio: 'ignore' }), port };
}

async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 30_000,
): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const accepts = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connectTcp(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

t.test(
  'three units over three nodes',
  { skip: hasNats ? false : 'nats-server is not installed', timeout },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'hgcluster-'));
    const nodes = names.map((_, index) => startNode(index, folder));
    const clusters = new Map<string, Cluster>();
    const plans = new Map<string, StoredPlan[]>();
    t.teardown(async () => {
      for (const cluster of clusters.values()) await cluster.stop();
      for (const node of nodes) node.process.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    });
    for (const node of nodes) await until(`node at ${node.port}`, () => accepts(node.port));

    const open = async (name: string, index: number) => {
      plans.set(name, []);
      const cluster = openCluster({
        network: 'lab',
        unit: name,
        units: names,
        servers: [`nats://127.0.0.1:${nodes[index]?.port}`],
        leaseMs,
        silentMs,
        holdMs: 3000,
        replicas: 3,
        clock: systemClock,
        onPlan: (plan) => plans.get(name)?.push(plan),
        onDoubt: () => {},
        onCommand: async (body) => ({ unit: name, asked: body }),
        onEvent: () => {},
      });
      clusters.set(name, cluster);
      // JetStream elects its own leader first; until then it refuses buckets, and the unit tries again.
      await until(`${name} joins`, () => cluster.isConnected(), 60_000);
    };
    for (const [index, name] of names.entries()) await open(name, index);
    const leaders = () =>
      [...clusters].filter(([, cluster]) => cluster.isLeader()).map(([name]) => name);
    const leader = () => clusters.get(leaders()[0] ?? '');

    await t.test('one of them leads', async (t) => {
      await until('a leader', () => leaders().length === 1);
      t.equal(leaders().length, 1);
    });

    await t.test('the leader hears every unit, in parts when a report is large', async (t) => {
      const large = {
        blocks: Array.from({ length: 25_000 }, (_, i) => ({ i, noise: Math.sin(i) })),
      };
      for (const cluster of clusters.values()) cluster.report(large);
      let reports: readonly UnitReport[] = [];
      await until('three reports', () => {
        reports = leader()?.reports() ?? [];
        return reports.length === 3;
      });
      await until('all are heard', () => leader()?.membership().live.length === 3);
      for (const report of reports) t.same(report.body, large);
    });

    await t.test('a plan reaches every unit whole', async (t) => {
      const body = {
        blocks: Array.from({ length: 20_000 }, (_, i) => ({
          block: `b${i}`,
          link: `l${Math.sin(i)}`,
        })),
      };
      await until(
        'the plan is published',
        async () => (await leader()?.publishPlan(body, names))?.ok === true,
      );
      const marks = () => [...clusters.values()].map((cluster) => JSON.stringify(cluster.plan()));
      await until(
        'the plan everywhere',
        () => marks()[0] !== undefined && new Set(marks()).size === 1,
      );
      for (const [name, cluster] of clusters) {
        if (!cluster.isLeader()) t.same(plans.get(name)?.at(-1)?.body, body);
      }
    });

    await t.test('a follower may not publish', async (t) => {
      const follower = [...clusters.values()].find((cluster) => !cluster.isLeader());
      t.match(await follower?.publishPlan({}, []), { ok: false, error: { code: 'superseded' } });
    });

    await t.test('any unit can ask any other', async (t) => {
      t.same(await clusters.get('west')?.ask('east', { command: 'status' }, 5000), {
        ok: true,
        value: { unit: 'east', asked: { command: 'status' } },
      });
      t.match(await clusters.get('west')?.ask('nobody', {}, 500), { ok: false });
    });

    await t.test('when the leader goes another takes over with a higher fence', async (t) => {
      await until('a leader', () => leaders().length === 1);
      const [gone] = leaders();
      const before = leader()?.plan()?.fence ?? 0;
      await clusters.get(gone ?? '')?.stop();
      clusters.delete(gone ?? '');
      await until('a new leader', () => leaders().length === 1);
      // With every cycle a plan: one whose leader loses the lease before it has told all comes to nothing.
      await until('its plan', async () => {
        await leader()?.publishPlan({ after: 'takeover' }, [...clusters.keys()]);
        return [...clusters.values()].every((cluster) => (cluster.plan()?.fence ?? 0) > before);
      });
      t.not(leaders()[0], gone);
    });

    await t.test('without a quorum nobody leads; with it back somebody does', async (t) => {
      const [, second, third] = nodes;
      // Stopped, not killed: a node that comes back has its state.
      second?.process.kill('SIGSTOP');
      third?.process.kill('SIGSTOP');
      await until('no leader', () => leaders().length === 0);
      t.equal(leaders().length, 0);
      const [one] = clusters.values();
      await until('the units say that they are on their own', () => one?.standing() !== 'led');
      second?.process.kill('SIGCONT');
      third?.process.kill('SIGCONT');
      await until('a leader again', () => leaders().length === 1, 60_000);
      t.equal(leaders().length, 1);
    });
  },
);

t.test('nothing unauthenticated is accepted outside loopback', (t) => {
  const options = {
    network: 'lab',
    unit: 'x',
    units: ['x'],
    leaseMs,
    silentMs: 1,
    holdMs: 1,
    replicas: 1,
    clock: systemClock,
    ...passive,
  };
  for (const server of ['nats://192.0.2.1:4222', 'nats://127.0.0.1.example:4222'])
    t.throws(() => openCluster({ ...options, servers: [server] }), { code: 'unauthenticated' });
  t.end();
});
