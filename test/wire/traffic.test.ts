/** Real TCP through a wire: it works with every offload, and what is counted is what the interfaces counted. */
import t from 'tap';
import { linkId, prefixText } from '../../src/core/base/units.ts';
import type { EngineTables } from '../../src/engine/index.ts';
import { Border, insideAddress, outsideAddress, outsideAddress6, unfit, until } from './border.ts';
import { transfer } from './transfer.ts';

const north = linkId('north');
const ourBlock = prefixText('10.77.0.1/32');
const tables: EngineTables = {
  blocks: [ourBlock, prefixText('2001:db8:77::1/128')],
  links: [{ link: north, attribute: { wire: 'core' } }],
};

t.setTimeout(240_000);

for (const offloads of ['on', 'off'] as const) {
  t.test(
    `TCP both ways, IPv4 and IPv6, far ends' offloads ${offloads}`,
    { skip: unfit },
    async (t) => {
      const border = new Border('hgwr');
      t.teardown(() => border.close());
      border.setOffloads(offloads);
      const unit = await border.openUnit({ tables });
      for (const target of [outsideAddress, outsideAddress6])
        t.match(border.run('inside', 'ping', '-c', '3', '-i', '0.2', target), / 0% packet loss/);
      for (const options of [[], ['-R'], ['-6'], ['-6', '-R']]) {
        const { bytes } = await transfer(border, 20, ...options);
        // iperf3 stops reading when the sender has sent, however much is still under way.
        t.ok(bytes >= 2 ** 20, `iperf3 ${options.join(' ')} delivers`);
      }
      const { links, wires, unparsed } = await unit.snapshot();
      t.equal(links[0]?.link, north);
      t.ok((links[0]?.tcp.inbound.dataBytes ?? 0) >= 4 * 2 ** 20, 'inbound data was tracked');
      t.ok((links[0]?.tcp.outbound.dataBytes ?? 0) >= 4 * 2 ** 20, 'outbound data was tracked');
      t.ok((links[0]?.rtt.outside.samples ?? 0) > 0, 'round trips were measured');
      t.same(unparsed, {}, 'everything was understood');
      const { packets = 0, frames = 0 } = wires[0]?.unit.outbound ?? {};
      if (offloads === 'on')
        t.ok(packets > frames * 2, 'super-packets count as the packets they become');
      else t.equal(packets, frames, 'every frame is a packet');
    },
  );
}

t.test(
  'layer-2 bytes per block are the interface counters, to the byte',
  { skip: unfit },
  async (t) => {
    const border = new Border('hgwr', { isQuiet: true });
    t.teardown(() => border.close());
    border.setOffloads('off');
    const unit = await border.openUnit({ tables });
    const before = border.interfaceBytes('unit', 'out0');
    await transfer(border, 10);
    await transfer(border, 10, '-R');
    const after = await until(
      'the last packets',
      async () => ({ port: border.interfaceBytes('unit', 'out0'), counts: await unit.snapshot() }),
      ({ port, counts }) => {
        const [wire] = counts.wires;
        return (
          wire?.unit.inbound.frames === port.rxPackets - before.rxPackets &&
          wire.unit.outbound.frames === port.txPackets - before.txPackets
        );
      },
    );
    const { counts, port } = after;
    const of = (direction: string) =>
      counts.blocks.find((count) => count.block === ourBlock && count.direction === direction);
    t.equal(of('inbound')?.l2Bytes, port.rxBytes - before.rxBytes, 'inbound');
    t.equal(of('outbound')?.l2Bytes, port.txBytes - before.txBytes, 'outbound');
    t.equal(of('inbound')?.packets, port.rxPackets - before.rxPackets, 'inbound packets');
    t.equal(
      of('inbound')?.ipBytes,
      port.rxBytes - before.rxBytes - 14 * (port.rxPackets - before.rxPackets),
      'IP bytes are those without the Ethernet header',
    );
    const [wire] = counts.wires;
    t.equal(wire?.unit.inbound.bytes, port.rxBytes - before.rxBytes, 'the wire counts the same');
  },
);

t.test(
  'with super-packets the wire counts what the interfaces count, and the block what the provider bills',
  { skip: unfit },
  async (t) => {
    const border = new Border('hgwr', { isQuiet: true });
    t.teardown(() => border.close());
    const unit = await border.openUnit({ tables });
    const before = border.interfaceBytes('unit', 'out0');
    const { bytes } = await transfer(border, 50);
    const { port, counts } = await until(
      'the last packets',
      async () => ({ port: border.interfaceBytes('unit', 'out0'), counts: await unit.snapshot() }),
      ({ port, counts }) =>
        counts.wires[0]?.unit.outbound.frames === port.txPackets - before.txPackets,
    );
    const block = counts.blocks.find(
      (count) => count.block === ourBlock && count.direction === 'outbound',
    );
    const [wire] = counts.wires;
    t.equal(wire?.unit.outbound.bytes, port.txBytes - before.txBytes);
    t.ok(
      (block?.packets ?? 0) > (port.txPackets - before.txPackets) * 2,
      'segments, not super-packets',
    );
    // 1448 bytes of payload in 1514 bytes of frame: what a provider's port sees.
    t.ok((block?.l2Bytes ?? 0) >= (bytes / 1448) * 1514, 'with the headers that each segment gets');
  },
);

t.test('super-packets of more than 64 KiB (BIG TCP) arrive', { skip: unfit }, async (t) => {
  const border = new Border('hgwr');
  t.teardown(() => border.close());
  border.setPorts('gso_max_size', '500000', 'gro_max_size', '500000');
  const unit = await border.openUnit({ tables });
  const watcher = border.start(
    'unit',
    ...['tcpdump', '-i', 'in0', '-Q', 'in', '-nlc', '3', '-s', '100', 'greater 70000'],
  );
  let seen = '';
  watcher.stdout?.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  await new Promise((resolve) => watcher.stderr?.once('data', resolve));
  const { bytes } = await transfer(border, 100, '-6', '-w', '4M');
  await until(
    'the host sends such packets',
    () => seen.split('\n').length - 1,
    (lines) => lines === 3,
  );
  t.ok(bytes >= 50 * 2 ** 20, `${bytes} bytes are delivered`);
  const { wires, links, unparsed } = await unit.snapshot();
  const { retransmittedSegments = 0, dataSegments = 0 } = links[0]?.tcp.outbound ?? {};
  t.ok(retransmittedSegments < dataSegments / 20, `${retransmittedSegments} segments sent again`);
  t.same(unparsed, {});
  t.equal(wires[0]?.lost.refused, 0);
});

t.test('both border routers are told apart by their MAC addresses', { skip: unfit }, async (t) => {
  const border = new Border('hgwr');
  t.teardown(() => border.close());
  const router = border.macOf('outside', 'o0');
  const unit = await border.openUnit({
    wires: [{ name: 'core', place: 'inside', inside: 'in0', outside: 'out0', driver: 'auto' }],
    tables: {
      blocks: [ourBlock],
      links: [
        { link: north, attribute: { wire: 'core', mac: router } },
        { link: linkId('south'), attribute: { wire: 'core', mac: '02:00:00:00:00:99' } },
      ],
    },
  });
  border.run('inside', 'ping', '-c', '5', '-i', '0.2', outsideAddress);
  const { blocks } = await unit.snapshot();
  t.same(
    blocks.map(({ link, direction, packets }) => ({ link, direction, packets })),
    [
      { link: north, direction: 'inbound', packets: 5 },
      { link: north, direction: 'outbound', packets: 5 },
    ],
  );
});

t.test(
  'outbound packets to a destination are marked for its link, inbound ones are left alone',
  { skip: unfit },
  async (t) => {
    const border = new Border('hgwr');
    t.teardown(() => border.close());
    const unit = await border.openUnit({
      wires: [{ name: 'core', place: 'inside', inside: 'in0', outside: 'out0', driver: 'auto' }],
      tables: {
        blocks: [ourBlock],
        links: [
          {
            link: north,
            attribute: { wire: 'core', mac: border.macOf('outside', 'o0') },
            mark: { dscp: 10 },
          },
        ],
        destinations: [{ prefix: prefixText('10.77.0.2/32'), link: north }],
      },
    });
    const capture = (side: 'inside' | 'outside', port: string) =>
      border.runAside(
        side,
        'timeout',
        '20',
        'tcpdump',
        '-i',
        port,
        '-nvc',
        '3',
        '-Q',
        'in',
        '--immediate-mode',
        'icmp',
      );
    const seen = Promise.all([capture('outside', 'o0'), capture('inside', 'i0')]);
    // -Q sets the TOS octet: ECN bits 01 must pass. The echo comes back with what arrived.
    await border.runAside('inside', 'ping', '-c', '10', '-i', '0.3', '-Q', '0x01', outsideAddress);
    const [atOutside, atInside] = await seen;
    t.match(atOutside, /tos 0x29/, 'DSCP 10, the ECN bits as they were');
    t.match(atInside, /tos 0x29/, 'and the way back is untouched');
    const { marks, destinations } = await unit.snapshot();
    t.ok(marks.set >= 3);
    t.match(destinations, [{ prefix: '10.77.0.2/32' }]);
  },
);

t.test(
  'counters go on over a publication, a new block starts at nothing',
  { skip: unfit },
  async (t) => {
    const border = new Border('hgwr');
    t.teardown(() => border.close());
    const unit = await border.openUnit({ tables, blocksMax: 2 });
    border.run('inside', 'ping', '-c', '3', '-i', '0.2', outsideAddress);
    await unit.publish({ ...tables, blocks: [ourBlock] });
    border.run('inside', 'ping', '-c', '2', '-i', '0.2', outsideAddress);
    const count = async (block: string) =>
      (await unit.snapshot()).blocks
        .filter((each) => each.block === block && each.direction === 'inbound')
        .map(({ packets }) => packets);
    t.same(await count(ourBlock), [5]);
    // Its counters were those of the block that takes the place now.
    await unit.publish({ ...tables, blocks: [prefixText('10.77.0.0/24')] });
    await unit.publish({
      ...tables,
      blocks: [prefixText('10.77.0.0/24'), prefixText('10.77.0.0/25')],
    });
    border.run('inside', 'ping', '-c', '1', outsideAddress);
    t.same(await count('10.77.0.0/25'), [1]);
    await t.rejects(
      unit.publish({
        ...tables,
        blocks: [ourBlock, prefixText('10.1.0.0/24'), prefixText('10.2.0.0/24')],
      }),
      { code: 'bad_tables' },
      'more blocks than the wires were opened for are refused',
    );
    border.run('inside', 'ping', '-c', '1', outsideAddress);
    t.same(await count('10.77.0.0/25'), [2], 'and the old tables stay in force');
  },
);

t.test('sources of DNS queries to our servers are noticed', { skip: unfit }, async (t) => {
  const border = new Border('hgwr');
  t.teardown(() => border.close());
  const unit = await border.openUnit({ tables });
  const query = '12340100000100000000000003777777076578616d706c6503636f6d0000010001';
  border.run(
    'outside',
    process.execPath,
    '-e',
    `const s = require('dgram').createSocket('udp4'); s.send(Buffer.from('${query}', 'hex'), 53, '${insideAddress}', () => s.close())`,
  );
  const { resolvers } = await until(
    'the resolver is known',
    () => unit.snapshot(),
    (snapshot) => snapshot.resolvers.length > 0,
  );
  t.same(resolvers, [{ address: outsideAddress, queries: 1 }]);
});
