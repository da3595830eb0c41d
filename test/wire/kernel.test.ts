/** What the kernel's programs count and mark is what the pipeline does in user space, with the process there or away. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { linkId, prefixText } from '../../src/core/base/units.ts';
import type { Driver, EngineTables } from '../../src/engine/index.ts';
import { Border, insideAddress, outsideAddress, outsideAddress6, unfit, until } from './border.ts';
import { through } from './through.ts';
import { transfer } from './transfer.ts';
import { WireCommand } from './wire-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-kernel-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(300_000);

const isLong = process.env.HEADGATE_LONG === '1';

const [north, south] = [linkId('north'), linkId('south')];
const ourBlock = prefixText(`${insideAddress}/32`);

/** A border with the driver's program installed, and a unit. */
async function installed(
  t: Test,
  driver: Driver,
  tables: (border: Border) => EngineTables,
  ...how: readonly string[]
) {
  const border = new Border('hgwk', { isQuiet: true });
  const command = new WireCommand(folder, driver);
  t.teardown(() => {
    command.run(border, 'release');
    border.close();
  });
  border.setOffloads('off');
  if (driver === 'xdp') border.fitPeers();
  const done = command.run(border, 'install', ...how);
  t.equal(done.code, 0, done.err);
  const open = () =>
    border.openUnit(
      {
        wires: [{ name: 'core', place: 'inside', inside: 'in0', outside: 'out0', driver }],
        tables: tables(border),
      },
      { inMountNamespace: true },
    );
  return { border, command, open, unit: await open() };
}

for (const driver of ['tc', 'xdp'] as const) {
  t.test(
    `${driver}: blocks, links and destinations are counted to the byte`,
    { skip: unfit },
    async (t) => {
      const { border, unit } = await installed(t, driver, (border) => ({
        blocks: [ourBlock, prefixText('10.0.0.0/8')],
        links: [
          { link: south, attribute: { wire: 'core', mac: '02:00:00:00:00:99' } },
          { link: north, attribute: { wire: 'core', mac: border.macOf('outside', 'o0') } },
        ],
        destinations: [{ prefix: prefixText(`${outsideAddress}/32`), link: north }],
      }));
      const counted = (side: 'inside' | 'outside') =>
        border.interfaceBytes(side, side === 'inside' ? 'i0' : 'o0');
      const before = { inside: counted('inside'), outside: counted('outside') };
      await transfer(border, 5);
      await transfer(border, 5, '-R');
      const { snapshot, sent } = await until(
        'the last packets',
        async () => ({
          snapshot: await unit.snapshot(),
          sent: { inside: counted('inside'), outside: counted('outside') },
        }),
        ({ snapshot, sent }) =>
          snapshot.wires[0]?.unit.outbound.frames ===
            sent.inside.txPackets - before.inside.txPackets &&
          snapshot.wires[0].unit.inbound.frames ===
            sent.outside.txPackets - before.outside.txPackets &&
          // Measuring comes behind counting.
          (snapshot.links.find((count) => count.link === north)?.tcp.inbound.dataBytes ?? 0) >
            4 * 2 ** 20,
      );
      const of = (direction: string) =>
        snapshot.blocks.filter((cell) => cell.block === ourBlock && cell.direction === direction);
      // A virtual Ethernet whose peer has XDP counts what it sends without the 14 bytes of the Ethernet header.
      const uncounted = driver === 'xdp' ? 14 : 0;
      const sentBy = (side: 'inside' | 'outside') => {
        const packets = sent[side].txPackets - before[side].txPackets;
        return {
          packets,
          l2Bytes: sent[side].txBytes - before[side].txBytes + uncounted * packets,
        };
      };
      const outbound = sentBy('inside');
      t.match(
        of('outbound'),
        [{ link: north, ...outbound, ipBytes: outbound.l2Bytes - 14 * outbound.packets }],
        'what the inside host sent, by its own interface',
      );
      t.match(of('inbound'), [{ link: north, ...sentBy('outside') }]);
      t.match(snapshot.destinations, [{ prefix: `${outsideAddress}/32`, ...outbound }]);
      t.equal(snapshot.wires[0]?.coverage, 1, 'every segment was measured too');
      const link = snapshot.links.find((count) => count.link === north);
      t.ok((link?.tcp.inbound.dataBytes ?? 0) > 2 ** 20, 'sessions are followed');
      t.ok((link?.rtt.outside.samples ?? 0) > 0, 'and timed');
    },
  );

  for (const mark of [{ dscp: 10 }, { vlan: 101 }] as const) {
    const kind = 'dscp' in mark ? 'a DSCP' : 'an 802.1q tag';
    t.test(
      `${driver}: ${kind} marks what is outbound, with the process and without`,
      { skip: unfit },
      async (t) => {
        const { border, command, open, unit } = await installed(t, driver, (border) => ({
          blocks: [ourBlock],
          links: [
            {
              link: north,
              attribute: { wire: 'core', mac: border.macOf('outside', 'o0') },
              mark,
            },
            {
              link: south,
              attribute: { wire: 'core', mac: '02:00:00:00:00:99' },
              mark: { dscp: 12 },
            },
          ],
          destinations: [{ prefix: prefixText(`${outsideAddress}/32`), link: north }],
        }));
        const expected = 'dscp' in mark ? /tos 0x29,/ : /vlan 101, .*tos 0x31,/s;
        const seen = async () => {
          const capture = border.start(
            'outside',
            'tcpdump',
            '-i',
            'o0',
            '-nevc',
            '1',
            '-Q',
            'in',
            '--immediate-mode',
            '-l',
          );
          let said = '';
          let shown = '';
          capture.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
          capture.stdout?.on('data', (chunk: Buffer) => (shown += chunk.toString()));
          await until(
            'tcpdump listens',
            () => said,
            (text) => text.includes('listening'),
          );
          // TOS 0x31: a DSCP that is reserved for the other link, and an ECN bit.
          await border.runAside(
            'inside',
            'ping',
            '-c',
            '1',
            '-W',
            '1',
            '-Q',
            '0x31',
            outsideAddress,
          );
          return until(
            'the echo request',
            () => shown,
            (text) => text.includes('ICMP echo request'),
          );
        };
        const marked = 'dscp' in mark ? expected : /vlan 101, .*tos 0x1,/s;
        t.match(await seen(), marked, 'marked, ECN untouched, what is reserved taken off');
        const { marks, wires } = await unit.snapshot();
        t.equal(marks.set, 1);
        t.equal(wires[0]?.unmarked, 0);
        if ('vlan' in mark) return;
        unit.process.kill('SIGKILL');
        t.match(await seen(), marked, 'by the last tables while the process is away');
        await until(
          'another unit takes over',
          () => open().catch(() => undefined),
          (next) => next !== undefined,
        );
        t.match(await seen(), marked, 'and when it is back');
        t.equal(command.run(border, 'release').code, 0);
      },
    );
  }
}

t.test(
  'af_packet: the kernel marks and counts what passes while the unit is silent',
  { skip: unfit },
  async (t) => {
    const tables = (border: Border): EngineTables => ({
      blocks: [ourBlock],
      links: [
        {
          link: north,
          attribute: { wire: 'core', mac: border.macOf('outside', 'o0') },
          mark: { dscp: 10 },
        },
      ],
      destinations: [{ prefix: prefixText(`${outsideAddress}/32`), link: north }],
    });
    // Long enough that only a unit that is stopped is silent, on a machine however busy.
    const { border, command, unit } = await installed(t, 'af_packet', tables, '--stale', '1000');
    border.run('inside', 'ping', '-c', '3', '-i', '0.2', outsideAddress);
    unit.process.kill('SIGSTOP');
    // What comes within the stale window is lost with the unit that has it.
    await until(
      'the kernel forwards',
      () => command.run(border, 'status', '--json').out,
      (text) => text.includes('"path": "bypass"'),
    );
    border.run('inside', 'ping', '-c', '4', '-i', '0.2', outsideAddress);
    unit.process.kill('SIGCONT');
    const { marks, blocks, wires } = await until(
      'all are counted',
      () => unit.snapshot(),
      ({ marks }) => marks.set >= 7,
    );
    t.equal(marks.set, 7);
    t.equal(wires[0]?.bypass.outbound.packets, 4, 'four of them past the unit');
    t.equal(blocks.find(({ direction }) => direction === 'outbound')?.packets, 7);
  },
);

t.test(
  'xdp and tc pass IPv6 with its traffic class marked',
  { skip: unfit || (!isLong && 'a slow one: HEADGATE_LONG=1 runs it') },
  async (t) => {
    for (const driver of ['tc', 'xdp'] as const) {
      const border = new Border('hgwk');
      const command = new WireCommand(folder, driver);
      try {
        if (driver === 'xdp') border.fitPeers();
        t.equal(command.run(border, 'install').code, 0);
        const unit = await border.openUnit(
          {
            wires: [{ name: 'core', place: 'inside', inside: 'in0', outside: 'out0', driver }],
            tables: {
              blocks: [prefixText('2001:db8:77::1/128')],
              links: [{ link: north, attribute: { wire: 'core', vlan: 7 }, mark: { dscp: 46 } }],
              destinations: [{ prefix: prefixText(`${outsideAddress6}/128`), link: north }],
            },
          },
          { inMountNamespace: true },
        );
        const reached = await until(
          'IPv6 passes',
          () =>
            border.runAside('inside', 'ping', '-c', '2', '-i', '0.2', '-W', '1', outsideAddress6),
          (text) => text.includes(' 0% packet loss'),
        );
        t.match(reached, / 0% packet loss/, driver);
        const { bytes } = await transfer(border, 5, '-6');
        const { blocks, links, marks, wires } = await until(
          'its segments are measured',
          () => unit.snapshot(),
          ({ links }) => links.some(({ tcp }) => tcp.outbound.dataBytes >= bytes),
        );
        t.equal(links.find(({ link }) => link === north)?.tcp.outbound.lostBefore, 0);
        t.equal(wires[0]?.coverage, 1);
        t.equal(wires[0]?.unmarked, 0);
        t.ok(marks.set >= 2 + bytes / 65_536, `${driver} marks IPv6`);
        t.ok(
          (blocks.find(({ direction, link }) => direction === 'outbound' && link === north)
            ?.packets ?? 0) >= 2,
        );
      } finally {
        command.run(border, 'release');
        border.close();
      }
    }
  },
);

t.test('xdp: what a tag would make too long leaves without', { skip: unfit }, async (t) => {
  const { border, unit } = await installed(t, 'xdp', (border) => ({
    blocks: [ourBlock],
    links: [
      {
        link: north,
        attribute: { wire: 'core', mac: border.macOf('outside', 'o0') },
        mark: { vlan: 101 },
      },
    ],
    destinations: [{ prefix: prefixText(`${outsideAddress}/32`), link: north }],
  }));
  // A port of MTU 1500 takes 1518 bytes: a tag's four more than MTU and header.
  border.run('inside', 'ip', 'link', 'set', 'i0', 'mtu', '1504');
  const sent = [1514, 1515, 1518].map((length) => datagram(border, length));
  const arrived = await through(border, folder, 'inside', sent, 100);
  t.same(
    arrived.map((frame) => [frame.length, frame.readUInt16BE(12)]),
    [
      [1518, 0x8100],
      [1515, 0x0800],
      [1518, 0x0800],
    ],
  );
  const { marks, wires } = await unit.snapshot();
  t.equal(marks.set, 1);
  t.equal(wires[0]?.unmarked, 2, 'and is counted');
});

t.test('xdp: a frame in several pieces counts whole', { skip: unfit }, async (t) => {
  const tables = { blocks: [ourBlock], links: [{ link: north, attribute: { wire: 'core' } }] };
  const { border, unit } = await installed(t, 'xdp', () => tables);
  border.setPorts('mtu', '9000');
  // The last two go on behind what IP says: within the first piece, and in those that follow.
  const sent = [
    datagram(border, 60),
    datagram(border, 9014),
    datagram(border, 1514, 1000),
    datagram(border, 9014, 1000),
  ];
  const arrived = await through(border, folder, 'inside', sent, 100);
  t.same(arrived, sent);
  const { blocks } = await unit.snapshot();
  const { packets, ipBytes, l2Bytes } =
    blocks.find(({ direction }) => direction === 'outbound') ?? {};
  t.same(
    { packets, ipBytes, l2Bytes },
    { packets: 4, ipBytes: 46 + 9000 + 986 + 986, l2Bytes: 60 + 9014 + 1514 + 9014 },
  );
});

/** A frame of this length from the inside host to the outside one; its network header says that it ends at `end`. */
function datagram(border: Border, length: number, end = length): Buffer {
  const frame = Buffer.alloc(length);
  frame.write(border.macOf('outside', 'o0').replaceAll(':', ''), 'hex');
  frame.write(border.macOf('inside', 'i0').replaceAll(':', ''), 6, 'hex');
  frame.write('0800' + '4500', 12, 'hex');
  frame.writeUInt16BE(end - 14, 16);
  frame.writeUInt16BE(0x4011, 22);
  frame.set([...insideAddress.split('.'), ...outsideAddress.split('.')].map(Number), 26);
  frame.writeUInt16BE(end - 34, 38);
  return frame;
}
