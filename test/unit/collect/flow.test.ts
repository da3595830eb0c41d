import t from 'tap';
import {
  createFlowCollector,
  type ExporterPolicy,
  type FlowCollectorOptions,
} from '../../../src/collect/flow/index.ts';
import { sumDrops } from '../../../src/collect/flow/socket-drops.ts';
import { parsePrefix } from '../../../src/core/base/prefix.ts';
import { PrefixRanges } from '../../../src/core/base/ranges.ts';
import { linkId, prefixText } from '../../../src/core/base/units.ts';
import {
  netflow5,
  netflow9,
  set,
  sflow,
  template,
  usualFields,
  usualRecord,
} from '../../support/flow-exports.ts';

const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const north = linkId('north');
const south = linkId('south');
const exporter: ExporterPolicy = {
  address: '192.0.2.1',
  links: [
    { link: north, ifIndex: 1 },
    { link: south, ifIndex: 2 },
  ],
  metering: 'any',
  layer2Overhead: 18,
  octets: 'ip',
};

/** A collector with a clock that the test moves. */
function makeCollector(
  change: Partial<ExporterPolicy> = {},
  destinationsMax = 1000,
  watched: readonly string[] = [],
) {
  const clock = { now: 1_700_000_000_000 };
  const options: FlowCollectorOptions = {
    listen: [],
    exporters: [{ ...exporter, ...change }],
    account: {
      links: [north, south],
      networks: [prefix('198.51.100.0/22'), prefix('2001:db8::/32')],
      blocks: ['198.51.100.0/24', '198.51.101.0/24'].map(prefix),
      watched: watched.map(prefix),
      destinationLength: { ipv4: 24, ipv6: 48 },
      destinationsMax,
      recordAgeMsMax: 600_000,
    },
    now: () => clock.now,
  };
  return { clock, collector: createFlowCollector(options) };
}

const usual = set(0, template(256, usualFields));
const v9 = (sequence: number, ...records: Uint8Array[]) =>
  netflow9(sequence, [usual, set(256, ...records)]);

t.test('records are added up by block, foreign prefix and link', async (t) => {
  const { clock, collector } = makeCollector();
  collector.receive(
    v9(
      0,
      usualRecord('203.0.113.9', '198.51.100.1', 1000, 10, 1, 7),
      usualRecord('203.0.113.10', '198.51.100.2', 500, 5, 1, 7),
      usualRecord('203.0.113.9', '198.51.101.1', 300, 3, 2, 7),
      usualRecord('198.51.101.1', '203.0.113.9', 40, 1, 7, 2),
    ),
    '192.0.2.1',
  );
  clock.now += 10_000;
  const samples = await collector.samples();
  t.equal(samples.intervalMs, 10_000);
  t.match(samples.blocks, [
    {
      block: '198.51.100.0/24',
      link: north,
      direction: 'inbound',
      ipBytes: 1500,
      l2Bytes: 1770,
      packets: 15,
    },
    { block: '198.51.101.0/24', link: south, direction: 'inbound', ipBytes: 300 },
    { block: '198.51.101.0/24', link: south, direction: 'outbound', ipBytes: 40 },
  ]);
  t.match(samples.foreign, [
    {
      prefix: '203.0.113.0/24',
      link: north,
      direction: 'inbound',
      hosts: [Uint8Array.of(203, 0, 113, 9), Uint8Array.of(203, 0, 113, 10)],
    },
    { prefix: '203.0.113.0/24', link: south, direction: 'inbound', ipBytes: 300 },
    { prefix: '203.0.113.0/24', link: south, direction: 'outbound', ipBytes: 40 },
  ]);
  t.match(samples.links, [
    { link: north, direction: 'inbound', ipBytes: 1500, errorRatio: 0 },
    { link: south, direction: 'inbound', ipBytes: 300 },
    { link: south, direction: 'outbound', ipBytes: 40 },
  ]);
  t.same((await collector.samples()).links, [], 'the next interval begins anew');
});

t.test('what is left out is counted by its reason', async (t) => {
  const { collector } = makeCollector({}, 1);
  collector.receive(
    v9(
      0,
      usualRecord('198.51.100.1', '198.51.101.1', 1, 1),
      usualRecord('203.0.113.1', '203.0.113.2', 1, 1),
      usualRecord('203.0.113.1', '198.51.100.1', 1, 1, 9),
      usualRecord('203.0.113.1', '198.51.100.1', 1, 1),
      usualRecord('203.0.112.1', '198.51.100.1', 1, 1),
    ),
    '192.0.2.1',
  );
  collector.receive(v9(0), '192.0.2.66');
  collector.receive(Uint8Array.of(0, 77, 0, 0), '192.0.2.1');
  const samples = await collector.samples();
  t.match(samples.skipped, {
    internal: 1,
    foreign: 1,
    unknown_link: 1,
    destination_table_full: 1,
    unknown_exporter: 1,
  });
  t.equal(samples.exporters[0]?.refused.unknown_version, 1);
  t.equal(samples.links[0]?.records, 2, 'a full destination table loses nothing of the link');
});

t.test(
  'what our own probes sent and got counts for nobody, and tells by which link it came',
  async (t) => {
    const { collector } = makeCollector({}, 1000, ['198.51.100.9', '192.0.2.77']);
    collector.receive(
      v9(
        0,
        // Inside a block of ours, and outside all of them.
        usualRecord('203.0.113.9', '198.51.100.9', 1000, 10, 2, 7),
        usualRecord('203.0.113.9', '192.0.2.77', 1000, 4, 1, 7),
        usualRecord('192.0.2.77', '203.0.113.9', 1000, 4, 7, 1),
        usualRecord('203.0.113.9', '198.51.100.8', 300, 3, 1, 7),
      ),
      exporter.address,
    );
    const { blocks, links, arrivals, skipped } = await collector.samples();
    t.match(blocks, [{ block: '198.51.100.0/24', link: north, packets: 3 }]);
    t.match(links, [{ link: north, packets: 3 }]);
    t.same(arrivals, [
      { address: '198.51.100.9/32', link: south, packets: 10 },
      { address: '192.0.2.77/32', link: north, packets: 4 },
    ]);
    t.equal(skipped.own_probe, 3);
    t.same((await collector.samples()).arrivals, [], 'told once');
  },
);

t.test('sampling scales, and the settings overrule the exporter', async (t) => {
  const flow = { source: '203.0.113.9', destination: '198.51.100.1', ipBytes: 1000, packets: 1 };
  const announced = makeCollector();
  announced.collector.receive(netflow5(0, [flow], 100), '192.0.2.1');
  const [volume] = (await announced.collector.samples()).links;
  t.match(volume, { ipBytes: 100_000, packets: 100, records: 1 });
  t.ok(Math.abs((volume?.errorRatio ?? 0) - 1.96 * Math.sqrt(0.99)) < 1e-9, 'one packet: no idea');
  const overruled = makeCollector({ sampling: 10 });
  overruled.collector.receive(netflow5(0, [flow], 100), '192.0.2.1');
  t.equal((await overruled.collector.samples()).links[0]?.ipBytes, 10_000);
});

t.test('the stated sampling error holds', async (t) => {
  // A fixed generator: this is a check of the formula, not of luck.
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 4294967296;
  };
  const runs = 300;
  let inside = 0;
  for (let run = 0; run < runs; run++) {
    const { collector } = makeCollector();
    let truth = 0;
    for (let packet = 0; packet < 20_000; packet++) {
      const ipBytes = random() < 0.5 ? 1500 : 60;
      truth += ipBytes + 18;
      if (random() * 100 >= 1) continue;
      const sample = { source: '203.0.113.9', destination: '198.51.100.1', ipBytes, rate: 100 };
      collector.receive(sflow(packet, [sample]), '192.0.2.1');
    }
    const [volume] = (await collector.samples()).links;
    const error = Math.abs((volume?.l2Bytes ?? 0) - truth);
    if (error <= (volume?.errorRatio ?? 0) * (volume?.l2Bytes ?? 0)) inside++;
  }
  // 95 % of 300 with a spread of 1.3 %.
  t.ok(inside / runs > 0.91 && inside / runs < 0.99, `${inside} of ${runs} inside the interval`);
});

t.test('missing datagrams lower the coverage of their interval alone', async (t) => {
  const { collector } = makeCollector();
  for (const sequence of [0, 1, 4, 5]) collector.receive(v9(sequence), '192.0.2.1');
  t.equal((await collector.samples()).coverage, 4 / 6);
  collector.receive(v9(6), '192.0.2.1');
  t.equal((await collector.samples()).coverage, 1);
});

t.test('routes replace the fixed length, and interface numbers can change', async (t) => {
  // South's number is not in the settings: it comes by name from the router.
  const { collector } = makeCollector({ links: [{ link: north, ifIndex: 5 }] });
  const routes = ['203.0.0.0/16', '203.0.113.8/30'];
  const ranges = new PrefixRanges(routes.map(prefix));
  collector.setRoutes({
    match: (family, bytes, at) => ranges.match(family, bytes, at),
    prefix: (index) => prefixText(routes[index] ?? ''),
  });
  collector.setInterfaces('192.0.2.1', new Map([[south, 1]]));
  const record = (to: string) => usualRecord('198.51.100.1', to, 10, 1, 7, 1);
  collector.receive(
    v9(0, record('203.0.1.1'), record('203.0.113.9'), record('8.8.8.8')),
    '192.0.2.1',
  );
  t.match((await collector.samples()).foreign, [
    { prefix: '203.0.0.0/16', link: south },
    { prefix: '203.0.113.8/30', link: south },
    { prefix: '8.8.8.0/24', link: south },
  ]);
});

t.test('a link can be known by MAC address or VLAN', async (t) => {
  const flow = { source: '203.0.113.9', destination: '198.51.100.1', ipBytes: 60, rate: 1 };
  const links = [
    { link: north, mac: '02:00:00:00:00:07' },
    { link: south, vlan: 100 },
  ];
  const byMac = makeCollector({ links });
  byMac.collector.receive(sflow(0, [flow]), '192.0.2.1');
  t.equal((await byMac.collector.samples()).links[0]?.link, north);
  const byVlan = makeCollector({ links: links.slice(1) });
  byVlan.collector.receive(sflow(0, [{ ...flow, vlan: 100 }]), '192.0.2.1');
  t.equal((await byVlan.collector.samples()).links[0]?.link, south);
});

t.test('datagrams arrive over IPv4 and IPv6 sockets', async (t) => {
  const { createSocket } = await import('node:dgram');
  const flow = { source: '203.0.113.9', destination: '198.51.100.1', ipBytes: 60, packets: 1 };
  for (const [address, type] of [
    ['127.0.0.1', 'udp4'],
    ['::1', 'udp6'],
  ] as const) {
    const collector = createFlowCollector({
      listen: [{ address, port: 0 }],
      exporters: [{ ...exporter, address }],
      account: {
        links: [north, south],
        networks: [],
        blocks: [prefix('198.51.100.0/24')],
        destinationLength: { ipv4: 24, ipv6: 48 },
        destinationsMax: 10,
        // The datagram's own clock is years ago.
        recordAgeMsMax: Number.POSITIVE_INFINITY,
      },
    });
    await collector.start();
    const sender = createSocket(type);
    sender.send(netflow5(0, [flow]), collector.ports()[0], address);
    let records = 0;
    const deadline = Date.now() + 20_000;
    while (records === 0 && Date.now() < deadline) {
      await new Promise((resolve) => setImmediate(resolve));
      records += (await collector.samples()).links[0]?.records ?? 0;
    }
    t.equal(records, 1, address);
    sender.close();
    await collector.stop();
  }
});

t.test("the kernel's drops are read by port", async (t) => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   12: 00000000:0807 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 17
   13: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 3
   14: 0100007F:0807 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 5
`;
  t.equal(sumDrops(text, 2055), 22);
  t.equal(sumDrops(text, 53), 3);
  t.equal(sumDrops('', 53), 0);
});
