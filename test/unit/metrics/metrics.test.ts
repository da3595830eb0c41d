import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { openClusterOver } from '../../../src/cluster/index.ts';
import { whole } from '../../../src/core/base/slices.ts';
import { asn, bitps, linkId, ms, routerId } from '../../../src/core/base/units.ts';
import { initialState } from '../../../src/core/decide/index.ts';
import { systemClock } from '../../../src/daemon/clock.ts';
import { policyOf } from '../../../src/daemon/configure.ts';
import { readings, type Scrape } from '../../../src/daemon/face/families.ts';
import { Loop } from '../../../src/daemon/loop.ts';
import { observe } from '../../../src/daemon/measure/observe.ts';
import { Joint } from '../../../src/daemon/units/joint.ts';
import { makeRegistry, openMetricsListener } from '../../../src/metrics/index.ts';
import { passive } from '../../support/cluster.ts';
import { settingsOf, threeUnits, twoLinks } from '../../support/settings.ts';
import { snapshotOf } from '../../support/snapshot.ts';

/** One of several units whose NATS never answers. */
const joint = new Joint({
  cluster: openClusterOver(
    {
      network: 'test',
      unit: 'west',
      units: ['west', 'east'],
      leaseMs: 5000,
      silentMs: 15_000,
      holdMs: 600_000,
      clock: systemClock,
      ...passive,
    },
    () => new Promise(() => undefined),
  ),
  settings: settingsOf(threeUnits),
  clock: systemClock,
  log: {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  },
});
t.teardown(() => joint.cluster.stop());

const settings = settingsOf(twoLinks);
const buckets = [
  { boundUs: 1000, count: 3 },
  { boundUs: 10_000, count: 5 },
];
const earlier = snapshotOf(0, { inbound: { '198.51.100.0/24 north': 0 } });
const later = snapshotOf(2000, {
  inbound: { '198.51.100.0/24 north': 25_000_000, '198.51.100.0/24 -': 7 },
  segments: 1000,
  lostBefore: 10,
  rttUs: buckets,
  quic: {
    sessions: 40,
    spinning: 4,
    packetsRefused: 1,
    samples: 90,
    rttUsP5: 6000,
    rttUsP25: 7000,
  },
});

/** A unit of which everything that can be counted was counted once. */
function scrape(): Scrape {
  const loop = new Loop({
    mode: 'control',
    policy: policyOf(settings),
    initial: { state: initialState(), isWithdrawn: false },
    act: () => undefined,
    onCycle: () => undefined,
    onMoves: () => undefined,
  });
  const counted = (value: number) =>
    ({ value: bitps(value), ageMs: ms(0), coverage: 1, source: 'snmp' }) as const;
  whole(
    loop.turn(
      observe({
        at: 1e12,
        settings,
        wire: { earlier, later, ageMs: 0 },
        samples: new Map([
          [linkId('north'), { inbound: counted(80e6), outbound: counted(0), asHops: counted(3) }],
        ]),
      }),
    ),
  );
  return {
    snapshot: {
      ...later,
      unparsed: { bad_length: 2 },
      unmeasured: { table_full: 1 },
      wires: later.wires.map((w) => ({ ...w, lost: { too_big: 1 } })),
    },
    blockRtts: {
      overMs: 120_000,
      of: (block) =>
        block === '198.51.100.0/24' ? { samples: 90, p50Us: 20_000, p95Us: 50_000 } : undefined,
    },
    sessions: [
      {
        router: routerId('br1'),
        address: '10.0.0.1',
        asn: asn(64512),
        phase: 'established',
        phaseMs: 1,
        capabilities: [],
        isSettled: true,
        pathsReceived: 12,
        prefixesAnnounced: 2,
        egress: { phase: 'established', detours: 1, counters: {} },
        counters: { 'messages_in.update': 3 },
      },
    ],
    loop,
    groups: new Map(),
    conditions: 1,
    moves: new Map([
      ['done none', 2],
      ['postponed dwell', 3],
    ]),
    cycleSeconds: { sum: 0.5, count: 2, last: 0.1 },
    failures: new Map([['engine', 1]]),
    requests: new Map([
      ['status:done', 4],
      ['too_long', 1],
    ]),
    recordLost: 0,
    logLost: 3,
    auditLost: 1,
    outbound: {
      decided: [
        {
          router: routerId('br1'),
          adviseOnly: undefined,
          destinations: [{ destination: '203.0.113.0/24', rate: bitps(8e6), routes: [] }],
          plan: {
            overrides: [
              {
                destination: '203.0.113.0/24',
                link: linkId('south'),
                from: linkId('north'),
                nextHop: '192.0.2.5',
                since: ms(0),
                because: 'overload',
                text: '',
              },
            ],
            added: [],
            removed: [],
            disproved: [],
            projection: [
              {
                link: linkId('north'),
                capacity: bitps(100e6),
                plain: bitps(120e6),
                planned: bitps(80e6),
              },
            ],
            unplaced: [{ link: linkId('south'), excess: bitps(8e6), text: '' }],
          },
        },
      ],
    },
    configured: new Map([['br2 rolled_back', 2]]),
    sourceLosses: [{ source: 'snmp', reason: 'timeout', count: 2 }],
    joint,
    names: {
      counts: { answered: 5 },
      resolvers: 2,
      addresses: [
        {
          name: 'www.',
          link: 'north',
          address: '203.0.113.10',
          isHealthy: false,
          reason: 'timeout',
        },
      ],
      providers: [{ link: linkId('north'), outReason: 'its link is down', share: 0.25 }],
    },
    probes: {
      sent: 7,
      links: [
        {
          link: linkId('north'),
          lossRatio: { ...counted(0.5), source: 'probe' },
          sent: 20,
          lossNow: { ratio: 0, sent: 3 },
          rttUs: { ...counted(20_000), source: 'probe' },
          delayGrowthUs: undefined,
        },
      ],
      checks: [{ link: linkId('north'), family: 4, source: '203.0.113.1', state: 'wrong_link' }],
    },
    history: { bytes: 4096, lost: new Map([['cycle SQLITE_FULL', 1]]) },
  };
}

/** One line of the exposition, without regard to the order of labels. */
const lineOf = (text: string, name: string, labels: readonly string[]): string | undefined =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)));

t.test('values are those of the moment of the scrape', async (t) => {
  const text = await makeRegistry(readings, scrape).metrics();
  const value = (name: string, ...labels: string[]) =>
    lineOf(text, name, labels)?.split(' ').at(-1);
  t.equal(value('headgate_link_bytes_total', 'link="north"', 'direction="inbound"'), '25000000');
  t.equal(value('headgate_link_bytes_total', 'link="unknown"', 'direction="inbound"'), '7');
  t.equal(
    value('headgate_block_bytes_total', 'block="198.51.100.0/24"', 'link="north"'),
    '25000000',
  );
  t.equal(
    value(
      'headgate_tcp_retransmitted_segments_total',
      'link="north"',
      'side="before"',
      'direction="inbound"',
    ),
    '10',
  );
  const block = 'block="198.51.100.0/24"';
  t.equal(value('headgate_block_rtt_seconds', block, 'percentile="50"'), '0.02');
  t.equal(value('headgate_block_rtt_seconds', block, 'percentile="95"'), '0.05');
  t.equal(value('headgate_dns_provider_usable', 'link="north"'), '0');
  t.equal(value('headgate_dns_planned_ratio', 'link="north"'), '0.25');
  t.equal(value('headgate_dns_address_healthy', 'address="203.0.113.10"'), '0');
  t.equal(value('headgate_probe_rtt_seconds', 'link="north"'), '0.02');
  t.equal(value('headgate_probe_source_holds', 'state="wrong_link"'), '0');
  t.equal(value('headgate_outbound_projected_load_ratio', 'link="north"', 'plan="without"'), '1.2');
  t.equal(value('headgate_outbound_detours', 'from="north"', 'to="south"'), '1');
  t.equal(value('headgate_outbound_detoured_bytes_per_second', 'router="br1"'), '1000000');
  t.equal(value('headgate_outbound_unplaced_bytes_per_second', 'link="south"'), '1000000');
  t.equal(value('headgate_router_changes_total', 'result="rolled_back"'), '2');
  t.equal(value('headgate_link_as_hops', 'link="north"'), '3');
  t.equal(value('headgate_bgp_session_state', 'router="br1"'), '6');
  t.equal(value('headgate_moves_total', 'result="postponed"', 'rail="dwell"'), '3');
  t.equal(value('headgate_link_load_ratio', 'link="north"', 'direction="inbound"'), '1');
  const north = ['link="north"', 'direction="inbound"'];
  t.equal(value('headgate_link_disagreement_ratio', ...north, 'one="wire"', 'other="snmp"'), '0.2');
  t.equal(Number(value('headgate_link_congestion_ratio', ...north)) > 0.5, true);
  const rtt = (le: string) =>
    value('headgate_rtt_seconds_bucket', 'link="north"', 'side="outside"', `le="${le}"`);
  t.same([rtt('0.001'), rtt('0.01'), rtt('+Inf')], ['3', '8', '8'], 'buckets are cumulative');
  t.equal(value('headgate_rtt_seconds_count', 'link="north"', 'side="outside"'), '8');
});

t.test('every sample has the labels that its family documents', async (t) => {
  const source = scrape();
  for (const reading of readings) {
    for (const sample of reading.read(source)) {
      t.same(Object.keys(sample.labels).sort(), [...reading.labels].sort(), reading.name);
    }
    t.match(reading.name, /^headgate_[a-z0-9_]+$/);
    t.equal(reading.name.endsWith('_total'), reading.type === 'counter', reading.name);
  }
  t.equal(new Set(readings.map((reading) => reading.name)).size, readings.length);
});

t.test('every family is filled by a unit that has seen everything', async (t) => {
  const source = scrape();
  const empty = readings.filter((reading) => reading.read(source).length === 0);
  // Steered blocks need a plan that steers, which this one observation does not lead to.
  t.same(
    empty.map((reading) => reading.name),
    [],
  );
});

t.test('above 1000 blocks the metrics are by group', (t) => {
  const cells = Array.from(
    { length: 1001 },
    (_, i) => [`10.${i >> 8}.${i & 255}.0/24 north`, 10] as const,
  );
  const groups = new Map(cells.slice(0, 600).map(([key]) => [key.split(' ')[0] ?? '', 'web']));
  const family = readings.find((reading) => reading.name === 'headgate_block_bytes_total');
  const samples =
    family?.type === 'counter'
      ? family.read({
          ...scrape(),
          groups,
          snapshot: snapshotOf(1, { inbound: Object.fromEntries(cells) }),
        })
      : [];
  t.same(samples, [
    { labels: { block: 'web', link: 'north', direction: 'inbound' }, value: 6000 },
    { labels: { block: 'no group', link: 'north', direction: 'inbound' }, value: 4010 },
  ]);
  t.end();
});

const promtool = spawnSync('promtool', ['--version']).status === 0;
t.test(
  'Prometheus’s own linter has nothing to say',
  { skip: promtool ? false : 'promtool is not installed' },
  async (t) => {
    const registry = makeRegistry(readings, scrape);
    const listener = await openMetricsListener({ address: '127.0.0.1', port: 0 }, registry);
    const response = await fetch(`http://127.0.0.1:${listener.port}/metrics`);
    t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const check = (input: string) =>
      spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
    const verdict = check(text);
    t.equal(verdict.stdout + verdict.stderr, '');
    t.equal(verdict.status, 0);
    const bad = check(text.replaceAll('headgate_link_bytes_total', 'headgate_link_bytes'));
    t.not(bad.status, 0, 'and it can find fault');
    t.equal((await fetch(`http://127.0.0.1:${listener.port}/`)).status, 404);
    t.equal(
      (await fetch(`http://127.0.0.1:${listener.port}/metrics`, { method: 'POST' })).status,
      405,
    );
    await listener.close();
  },
);

t.test('a port in use is told with what to do', async (t) => {
  const registry = makeRegistry(readings, scrape);
  const first = await openMetricsListener({ address: '127.0.0.1', port: 0 }, registry);
  await t.rejects(openMetricsListener({ address: '127.0.0.1', port: first.port }, registry), {
    code: 'listen_failed',
    message: /set metrics.listen/,
  });
  await first.close();
});

t.test('the table in the README is the code', (t) => {
  const readme = readFileSync('src/metrics/README.md', 'utf8');
  const rows = readme.split('\n').flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    return cells[1]?.startsWith('`headgate_') ? [cells.slice(1, 5)] : [];
  });
  t.same(
    rows,
    readings.map(({ name, type, labels, help }) => [`\`${name}\``, type, labels.join(', '), help]),
  );
  t.end();
});
