/** Whatever carries the packets of a wire, what a person and the pipeline see is the same. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { linkId, prefixText } from '../../../src/core/base/units.ts';
import type { Driver, EngineSnapshot, EngineTables } from '../../../src/engine/index.ts';
import { Border, outsideAddress, type Unit, unfit, until } from '../../wire/border.ts';
import { framesOfEveryKind } from '../../wire/frames.ts';
import { writePcap } from '../../wire/pcap.ts';
import { Streams } from '../../wire/streams.ts';
import { through } from '../../wire/through.ts';
import { WireCommand } from '../../wire/wire-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-drivers-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(240_000);

const ourBlock = prefixText('10.77.0.1/32');
const tables: EngineTables = {
  blocks: [ourBlock],
  links: [{ link: linkId('north'), attribute: { wire: 'core' } }],
};

/** What a driver asks of the interfaces beside it, and what it is excused from. */
const drivers: ReadonlyArray<{
  readonly driver: Driver;
  /** The far ends must finish their checksums and put tags into the frame, and take frames that carry no buffer. */
  readonly wantsFitPeers: boolean;
}> = [
  { driver: 'af_packet', wantsFitPeers: false },
  { driver: 'tc', wantsFitPeers: false },
  { driver: 'xdp', wantsFitPeers: true },
];

const perSecond = 5_000;

for (const { driver, wantsFitPeers } of drivers) {
  t.test(driver, { skip: unfit, timeout: 120_000 }, async (t) => {
    const command = new WireCommand(folder, driver);
    const border = new Border('hgwd', { isQuiet: true });
    t.teardown(() => {
      command.run(border, 'release');
      border.close();
    });
    if (wantsFitPeers) border.fitPeers();
    // A busy machine must not make the kernel take turns here: who carries what is compared to the byte.
    const installed = command.run(border, 'install', '--stale', '1000');
    t.equal(installed.code, 0, `installs ${installed.err}`);
    t.match(command.run(border, 'status').out, `${driver}: the kernel forwards`);

    const open = async () =>
      border.openUnit(
        {
          wires: [{ name: 'core', place: 'link', inside: 'in0', outside: 'out0', driver }],
          tables,
        },
        { inMountNamespace: true },
      );
    let unit: Unit = await open();

    await t.test('frames of every kind pass unchanged, both ways', async (t) => {
      for (const from of ['inside', 'outside'] as const) {
        const frames = framesOfEveryKind.map(({ bytes }) => bytes);
        const seen = await through(border, folder, from, frames, 200);
        for (const [i, { kind, bytes }] of framesOfEveryKind.entries())
          t.equal(seen[i]?.toString('hex'), bytes.toString('hex'), `${kind}, from ${from}`);
      }
    });

    await t.test('TCP passes, and is counted as the interfaces count it', async (t) => {
      border.setOffloads('off');
      if (wantsFitPeers) border.fitPeers();
      const before = {
        port: border.interfaceBytes('outside', 'o0'),
        counts: await unit.snapshot(),
      };
      const server = border.start('outside', 'iperf3', '-s', '-1');
      await until(
        'iperf3 listens',
        () => border.run('outside', 'ss', '-Hltn'),
        (text) => text.includes(':5201'),
      );
      const text = await border.runAside('inside', 'iperf3', '-J', '-c', outsideAddress, '-t', '1');
      server.kill('SIGKILL');
      const sent: number = JSON.parse(text).end?.sum_sent?.bytes ?? 0;
      t.ok(sent > 2 ** 20, `${sent} bytes were sent`);
      const grown = (now: EngineSnapshot, direction: 'inbound' | 'outbound') => {
        const bytes = ({ blocks }: EngineSnapshot) =>
          blocks.find((count) => count.block === ourBlock && count.direction === direction)
            ?.l2Bytes ?? 0;
        const carried = ({ wires }: EngineSnapshot) => wires[0]?.unit[direction].bytes ?? 0;
        return {
          counted: bytes(now) - bytes(before.counts),
          carried: carried(now) - carried(before.counts),
        };
      };
      const { counts, port } = await until(
        'the block has what the wire carried, and the wire what the interface received',
        async () => ({
          port: border.interfaceBytes('outside', 'o0'),
          counts: await unit.snapshot(),
        }),
        ({ port, counts }) => {
          const out = grown(counts, 'outbound');
          const back = grown(counts, 'inbound');
          // A veth's counters miss what comes and goes by XDP.
          const isSame = driver === 'xdp' || out.carried === port.rxBytes - before.port.rxBytes;
          return isSame && out.counted === out.carried && back.counted === back.carried;
        },
      );
      t.ok(
        port.rxPackets > 0,
        'layer-2 bytes of the block are those of the interface, to the byte',
      );
      t.equal(counts.unmeasured.copy_ring_full, 0, 'no copy was missed');
      t.equal(counts.wires[0]?.driver, driver);
      t.ok((counts.links[0]?.tcp.outbound.dataSegments ?? 0) > 1000, 'sessions are tracked');
    });

    const skip = driver === 'af_packet' && 'test/wire/fail-open does it at more length';
    await t.test('streams through SIGKILL, restart and SIGTERM', { skip }, async (t) => {
      const streams = new Streams(border, folder);
      await streams.open();
      const events = {
        kill: async () => void unit.process.kill('SIGKILL'),
        start: async () => {
          unit = await open();
        },
        end: async () => void (await unit.terminate()),
      };
      for (const [what, event] of Object.entries(events)) {
        const fates = await streams.during(perSecond, 1, event);
        for (const [side, { lost, duplicated, late }] of Object.entries(fates)) {
          t.comment(
            `${driver} ${what}, received ${side}: ${lost} lost, ${duplicated} twice, ${late} late`,
          );
          t.equal(lost, 0, `${what}: nothing lost (${side})`);
          t.equal(duplicated, 0, `${what}: nothing twice (${side})`);
          t.equal(late, 0, `${what}: nothing late (${side})`);
        }
      }
    });

    t.equal(command.run(border, 'release').code, 0);
    t.notMatch(border.run('unit', 'ip', 'link', 'show'), /xdp|PROMISC/, 'nothing is left');
  });
}

t.test('mirror counts both directions and sends nothing', { skip: unfit }, async (t) => {
  const border = new Border('hgwd', { isQuiet: true });
  t.teardown(() => border.close());
  const unit = await border.openUnit({
    wires: [{ name: 'core', place: 'link', inside: 'in0', driver: 'mirror' }],
    tables,
  });
  const before = border.interfaceBytes('inside', 'i0');
  // What a switch copies: both directions on one port. UDP between our block and outside.
  const outbound =
    framesOfEveryKind.find(({ kind }) => kind === 'IPv4 UDP of full size')?.bytes ??
    Buffer.alloc(0);
  const inbound = Buffer.from(outbound);
  outbound.copy(inbound, 26, 30, 34);
  outbound.copy(inbound, 30, 26, 30);

  writePcap(join(folder, 'mirrored.pcap'), [outbound, inbound, inbound]);
  await border.runAside(
    'inside',
    'tcpreplay',
    '-q',
    '-i',
    'i0',
    '--pps=200',
    join(folder, 'mirrored.pcap'),
  );
  const { blocks, wires } = await until(
    'three packets are seen',
    () => unit.snapshot(),
    ({ wires }) => wires[0]?.unit.inbound.frames === 3,
  );
  t.same(
    blocks.map(({ direction, packets, l2Bytes }) => ({ direction, packets, l2Bytes })),
    [
      { direction: 'inbound', packets: 2, l2Bytes: 2 * 1514 },
      { direction: 'outbound', packets: 1, l2Bytes: 1514 },
    ],
  );
  t.equal(wires[0]?.driver, 'mirror');
  t.equal(border.interfaceBytes('inside', 'i0').rxPackets, before.rxPackets, 'nothing came back');
});
