import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dnsPacket from 'dns-packet';
import t from 'tap';
import { openControlClient } from '../../../src/control/index.ts';
import { bitps, linkId, ms, prefixText } from '../../../src/core/base/units.ts';
import type { Observation } from '../../../src/core/model/observation.ts';
import { systemClock } from '../../../src/daemon/clock.ts';
import { describeNames, NameService, resolverPolicyOf } from '../../../src/daemon/names.ts';
import { startUnit } from '../../../src/daemon/start.ts';
import type { DestinationProbe, Prober, ProbeSamples } from '../../../src/probe/index.ts';
import type { ResolverWeights, Steer } from '../../../src/steer/index.ts';
import { q } from '../../support/dns.ts';
import { settingsOf, twoLinks } from '../../support/settings.ts';

const settings = settingsOf(`${twoLinks}
dns:
  listen: [198.51.100.53]
  zones:
    - name: svc.example.net
      nameservers: [{ name: ns.svc.example.net, addresses: [198.51.100.53] }]
  names:
    - name: www.svc.example.net
      ttl: 30s
      addresses: [{ link: north, address: 198.51.100.10 }, { link: south, address: 198.51.101.10 }]
`);
const dns = (() => {
  if (settings.dns) return settings.dns;
  throw new Error('the text above has a dns section');
})();

const observation = (north: number, south: number, at = 0): Observation => ({
  at: ms(at),
  intervalMs: ms(1000),
  links: ['north', 'south'].map((link) => ({
    link: linkId(link),
    isUp: true,
    capacity: bitps(100e6),
  })),
  blocks: [
    { block: '198.51.100.0/24', link: 'north', rate: north },
    { block: '198.51.101.0/24', link: 'south', rate: south },
  ].map(({ block, link, rate }) => ({
    block: prefixText(block),
    inbound: [{ link: linkId(link), rate: bitps(rate * 1e6) }],
    outbound: [],
    ageMs: ms(0),
    coverage: 1,
  })),
});

const probed = (
  prefix: string,
  link: string,
  rttMs: number | undefined,
  ageMs = 0,
): DestinationProbe => {
  const summary = {
    sent: 10,
    lost: rttMs === undefined ? 10 : 0,
    lossRatio: rttMs === undefined ? 1 : 0,
    lossLow: 0,
    lossHigh: 1,
    rttUs: rttMs === undefined ? undefined : rttMs * 1000,
    rttUsLow: undefined,
    rttUsHigh: undefined,
    jitterUs: undefined,
  };
  return {
    prefix: prefixText(prefix),
    target: 'the resolver',
    link: linkId(link),
    ageMs: ms(ageMs),
    summary,
    latest: summary,
    lostInARow: rttMs === undefined ? undefined : 0,
  };
};

/** The world: a server that is asked by two networks, and the probes' answers. */
function world(destinations: readonly DestinationProbe[]) {
  const published: ResolverWeights[] = [];
  const found: string[] = [];
  const steer: Steer = {
    port: 53,
    publish: (weights) => published.push(weights),
    withdraw: () => undefined,
    close: async () => undefined,
    snapshot: () => ({
      counts: {},
      addresses: [],
      withdrawn: {},
      resolvers: ['192.0.2.1', '203.0.113.1'].map((address) => ({
        address,
        queries: 10,
        share: 0.5,
        lastAtMs: 0,
      })),
    }),
  };
  const prober: Pick<Prober, 'setFound' | 'samples' | 'stop'> = {
    setFound: (networks) => found.push(...networks.map(({ prefix }) => prefix.bytes.join('.'))),
    // Only the destinations are read here.
    samples: () => ({ destinations }) as unknown as ProbeSamples,
    stop: async () => undefined,
  };
  return { published, found, service: new NameService({ steer, prober, settings }, dns) };
}

const weightsIn = (weights: ResolverWeights | undefined) =>
  Object.fromEntries(
    (weights?.networks ?? []).map(({ prefix, weights }) => [
      prefix.bytes.join('.'),
      Object.keys(weights).join('+'),
    ]),
  );

t.test('a round asks for probes of who asks, and answers by what they said', async (t) => {
  const { service, found, published } = world([
    probed('192.0.2.0/24', 'north', 20),
    probed('192.0.2.0/24', 'south', 90),
    probed('203.0.113.0/24', 'north', undefined),
    probed('203.0.113.0/24', 'south', 90),
  ]);
  service.turn(observation(20, 20), 'control');
  t.same(found, ['192.0.2.0', '203.0.113.0']);
  t.same(weightsIn(published[0]), { '192.0.2.0': 'north', '203.0.113.0': 'south' });
  t.match(service.explain('203.0.113.7'), /no probe from its address is answered/);
  service.turn(observation(20, 20), 'observe');
  t.same(weightsIn(published[1]), {});
});

t.test('a full provider is given to those who gain most by it', async (t) => {
  const { service, published } = world([
    probed('192.0.2.0/24', 'north', 20),
    probed('192.0.2.0/24', 'south', 30),
    probed('203.0.113.0/24', 'north', 20),
    probed('203.0.113.0/24', 'south', 200),
  ]);
  // 160 Mbit/s follow the answers; either link takes 90.
  service.turn(observation(80, 80), 'control');
  t.match(weightsIn(published[0]), { '203.0.113.0': 'north', '192.0.2.0': 'north+south' });
  const moved = published[0]?.networks.find(({ prefix }) => prefix.bytes[0] === 192);
  t.same(moved?.weights, { north: 1250, south: 8750 }, '10 of 80 Mbit/s have room by north');
});

t.test(
  'probes that are old say nothing; a provider none of whose probes returns is out',
  async (t) => {
    const old = world([probed('192.0.2.0/24', 'north', 20, 61_000)]);
    old.service.turn(observation(1, 1), 'control');
    t.same(weightsIn(old.published[0]), {});
    const gone = world([
      probed('192.0.2.0/24', 'north', undefined),
      probed('192.0.2.0/24', 'south', 50),
    ]);
    gone.service.turn(observation(1, 1), 'control');
    t.same(Object.keys(gone.published[0]?.default ?? {}), ['south']);
  },
);

t.test('the objective and rails of the blocks hold for resolvers too', async (t) => {
  const policy = resolverPolicyOf(settings, dns);
  t.equal(policy.dwellMs, 90_000, 'three TTLs');
  t.equal(policy.sharePerRound, settings.rails.sharePerRound ?? 0.1);
});

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });

t.test('a unit with dns answers names, says who asked, and explains', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hg-names-'));
  const port = await freePort();
  const own = settingsOf(`
asn: 64512
mode: observe
networks: [198.51.100.0/23]
links:
  - { name: north, asn: 65001, capacity: 100M }
  - { name: south, asn: 65002, capacity: 100M }
control: { socket: ${folder}/unit.sock }
history: { path: ${folder}/history.db }
cycle: { interval: 1s, average: 2s }
dns:
  listen: [127.0.0.1]
  port: ${port}
  zones:
    - name: svc.example.net
      nameservers: [{ name: ns.svc.example.net, addresses: [127.0.0.1] }]
  names:
    - name: www.svc.example.net
      addresses: [{ link: north, address: 198.51.100.10 }]
`);
  const log = () => undefined;
  const missing = () => {
    throw new Error('there are no wires and routers here');
  };
  const unit = await startUnit(own, {
    clock: systemClock,
    log: { debug: log, info: log, warn: log, error: log },
    openWires: missing,
    createSpeaker: missing,
    sockets: { openSocket: missing, openListener: missing },
    addressesOf: () => [],
    readSecret: () => '',
    chown: () => undefined,
    groupId: () => 0,
  });
  t.teardown(async () => {
    await unit.stop();
    rmSync(folder, { recursive: true });
  });
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.send(dnsPacket.encode({ type: 'query', ...q('www.svc.example.net') }), port, '127.0.0.1');
  const [bytes] = await once(socket, 'message');
  t.match(dnsPacket.decode(bytes).answers, [{ type: 'A', data: '198.51.100.10' }]);
  unit.turn();
  const client = await openControlClient(`${folder}/unit.sock`);
  t.teardown(() => client.close());
  // The turn's steps are done one by one while the loop goes on: the plan is the last of them.
  const deadline = performance.now() + 10_000;
  const explained = () => client.ask('explain_resolver', { address: '127.0.0.1' });
  let answer = await explained();
  while (JSON.stringify(answer).includes('no plan yet') && performance.now() < deadline)
    answer = await explained();
  t.match(answer, { ok: true, value: { text: /127\.0\.0\.1: no plan of its own/ } });
  t.match(await client.ask('resolvers', {}), {
    ok: true,
    value: [{ address: '127.0.0.1', queries: 1, share: 1 }],
  });
  t.match(await client.ask('explain_resolver', { address: 'nobody' }), { ok: false });
});

t.test(
  'what names lead to is told before a unit runs, and a zone file that is wrong by its line',
  async (t) => {
    const folder = t.testdir({
      good: 'mail 300 A 192.0.2.25\n',
      bad: 'mail 300 A 192.0.2.25\nwww 300 MX ten mail\n',
    });
    const withFile = (file: string) =>
      settingsOf(`${twoLinks}
dns:
  listen: [198.51.100.53]
  zones:
    - name: svc.example.net
      nameservers: [{ name: ns.svc.example.net, addresses: [198.51.100.53] }]
      file: ${folder}/${file}
  names:
    - name: www.svc.example.net
      addresses: [{ link: north, address: 198.51.100.10 }]
`);
    t.match(describeNames(withFile('good')), [
      'names: answered at 198.51.100.53, port 53',
      /^zone svc\.example\.net\.?: 4 names$/,
      /^www\.svc\.example\.net\.? steered: 198\.51\.100\.10 by north; kept for 30 s$/,
    ]);
    t.throws(() => describeNames(withFile('bad')), { code: 'bad_zone', message: /bad:2:/ });
    t.same(describeNames(settingsOf(twoLinks)), []);
  },
);
