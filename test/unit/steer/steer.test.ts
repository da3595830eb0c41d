import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import dnsPacket, { type DecodedPacket } from 'dns-packet';
import t, { type Test } from 'tap';
import { dns } from '../../../src/core/settings/dns.ts';
import { type Steer, type SteerOptions, startSteer } from '../../../src/steer/index.ts';
import { q } from '../../support/dns.ts';

const zones = [
  {
    name: 'svc.example.net',
    nameservers: [{ name: 'ns1.svc.example.net', addresses: ['127.0.0.1', '::1'] }],
  },
];
const addresses = [
  { link: 'north', address: '127.0.0.10' },
  { link: 'south', address: '127.0.0.11' },
];

function settingsOf(extra: object = {}, check?: object) {
  return {
    ...dns.parse({
      listen: ['127.0.0.1', '::1'],
      zones,
      names: [{ name: 'www.svc.example.net', addresses, ...(check && { check }) }],
      ...extra,
    }),
    // Settings want a real port; the tests any free one.
    port: 0,
  };
}

const weights = { default: { north: 10_000 }, networks: [] };

async function started(t: Test, options: Partial<SteerOptions> = {}): Promise<Steer> {
  const steer = await startSteer({ settings: settingsOf(), weights, serial: 1, ...options });
  t.teardown(() => steer.close());
  return steer;
}

const encode = (qname = 'www.svc.example.net', type = 'A') =>
  dnsPacket.encode({ type: 'query', ...q(qname, type) });

function askUdp(
  port: number,
  query: Buffer = encode(),
  host = '127.0.0.1',
): Promise<DecodedPacket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', reject);
    // A connected socket takes answers only from the address that was asked.
    socket.connect(port, host, () => socket.send(query));
    socket.once('message', (bytes) => {
      socket.close();
      resolve(dnsPacket.decode(bytes));
    });
  });
}

const first = (answer: DecodedPacket) =>
  (answer.answers?.[0] as unknown as { data?: unknown } | undefined)?.data; // a union without a common `data`

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

t.test('UDP over IPv4 and IPv6, and who asked', async (t) => {
  const steer = await started(t);
  t.equal(first(await askUdp(steer.port)), '127.0.0.10');
  t.equal(first(await askUdp(steer.port, encode('ns1.svc.example.net', 'AAAA'), '::1')), '::1');
  await askUdp(steer.port);
  const { resolvers, counts } = steer.snapshot();
  t.same(
    resolvers.map(({ address, queries }) => [address, queries]),
    [
      ['127.0.0.1', 2],
      ['::1', 1],
    ],
  );
  t.match(counts, { steered: 2, answered: 1 });
});

t.test('TCP: several queries in pieces on one connection, answered in order', async (t) => {
  const steer = await started(t);
  const socket = connect(steer.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  const queries = Buffer.concat(
    ['www.svc.example.net', 'ns1.svc.example.net', 'nowhere.svc.example.net'].map((qname) =>
      dnsPacket.streamEncode({ type: 'query', ...q(qname) }),
    ),
  );
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.setNoDelay(true);
  for (const octet of queries) socket.write(Buffer.of(octet));
  const messages = () => {
    const bytes = Buffer.concat(received);
    const found: DecodedPacket[] = [];
    for (let at = 0; at + 2 <= bytes.length && at + 2 + bytes.readUInt16BE(at) <= bytes.length; ) {
      found.push(dnsPacket.decode(bytes.subarray(at + 2, at + 2 + bytes.readUInt16BE(at))));
      at += 2 + bytes.readUInt16BE(at);
    }
    return found;
  };
  await until('three answers', () => messages().length === 3);
  t.same(
    messages().map((message) => message.questions?.[0]?.name),
    ['www.svc.example.net', 'ns1.svc.example.net', 'nowhere.svc.example.net'],
  );
});

t.test('TCP: what is no query ends the connection', async (t) => {
  const steer = await started(t);
  const socket = connect(steer.port, '127.0.0.1', () => socket.write(Buffer.of(0, 3, 1, 2, 3)));
  await new Promise((resolve) => socket.once('close', resolve));
  t.match(steer.snapshot().counts, { ignored_too_short: 1, accepted: 1 });
});

t.test('a new plan and a withdrawn provider change the next answer', async (t) => {
  const steer = await started(t);
  steer.publish({ default: { south: 10_000 }, networks: [] });
  t.equal(first(await askUdp(steer.port)), '127.0.0.11');
  steer.withdraw('south', 'its prefix is not seen announced');
  t.equal(first(await askUdp(steer.port)), '127.0.0.10');
  t.same(steer.snapshot().withdrawn, { south: 'its prefix is not seen announced' });
  steer.withdraw('south', undefined);
  t.equal(first(await askUdp(steer.port)), '127.0.0.11');
});

t.test('an HTTP check takes a failing address out and brings it back', async (t) => {
  let status = 200;
  const hosts: (string | undefined)[] = [];
  const http = createServer((request, response) => {
    hosts.push(request.headers.host);
    response.writeHead(request.socket.localAddress === '127.0.0.10' ? status : 200).end();
  });
  await new Promise<void>((resolve) => http.listen(0, '0.0.0.0', resolve));
  t.teardown(() => http.close());
  // A listening TCP server has an AddressInfo, never a path.
  const { port } = http.address() as AddressInfo;
  const check = { kind: 'http', port, interval: '50ms', timeout: '5s' };
  const steer = await started(t, { settings: settingsOf({}, check) });
  const answer = async () => first(await askUdp(steer.port));
  await until('checked', () => steer.snapshot().addresses.every(({ reason }) => reason === 'ok'));
  t.equal(await answer(), '127.0.0.10');
  t.equal(hosts[0], 'www.svc.example.net');
  status = 500;
  await until('taken out', async () => (await answer()) === '127.0.0.11');
  t.match(steer.snapshot().addresses[0], { isHealthy: false, reason: 'status 500' });
  status = 204;
  await until('brought back', async () => (await answer()) === '127.0.0.10');
});

t.test('a TCP check: nobody listens there', async (t) => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  // As above.
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const check = { kind: 'tcp', port, interval: '50ms', timeout: '5s', fall: 3 };
  const steer = await started(t, { settings: settingsOf({}, check) });
  await until('both fail', () => steer.snapshot().addresses.every(({ isHealthy }) => !isHealthy));
  t.match(steer.snapshot().addresses[0], { reason: 'ECONNREFUSED' });
  t.equal(first(await askUdp(steer.port)), '127.0.0.10', 'all out: all are given');
});

t.test(
  'an address that is not ours, a port in use and a bad zone are said in one line',
  async (t) => {
    const steer = await started(t);
    const at = (extra: object, port = 0) =>
      startSteer({ settings: { ...settingsOf(extra), port }, weights, serial: 1 });
    await t.rejects(at({ listen: ['192.0.2.1'] }), {
      code: 'listen_failed',
      message: /192.0.2.1 .*no interface has that address/,
    });
    await t.rejects(at({ listen: ['127.0.0.1'] }, steer.port), {
      message: /another program has that port/,
    });
    const file = `${t.testdir({ zone: '$TTL 60\nwww A 192.0.2.1\n' })}/zone`;
    await t.rejects(at({ zones: [{ ...zones[0], file }] }), {
      code: 'bad_zone',
      message: /www.*is steered/,
    });
    const broken = `${t.testdir({ zone: '$TTL 60\nx A 192.0.2\n' })}/zone`;
    await t.rejects(at({ zones: [{ ...zones[0], file: broken }] }), {
      message: /zone:2:5: expected IPv4 address/,
    });
  },
);
