/**
 * Whatever carries the packets of a wire, what a person and the pipeline see is the same: the live drivers beside the
 * capture file, which shares the pipeline with them and nothing else. (Frames from memory: native/test.)
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { linkId, prefixText } from '../../../src/core/base/units.ts';
import type { Driver, EngineSnapshot, EngineTables } from '../../../src/engine/index.ts';
import { startReplay } from '../../../src/engine/replay.ts';
import {
  Border,
  insideAddress,
  insideAddress6,
  outsideAddress,
  type Unit,
  unfit,
  until,
} from '../../wire/border.ts';
import { framesOfEveryKind } from '../../wire/frames.ts';
import { readPcap, writePcap } from '../../wire/pcap.ts';
import { Streams } from '../../wire/streams.ts';
import { through } from '../../wire/through.ts';
import { WireCommand } from '../../wire/wire-command.ts';
import { byDscp, byDscp6, byTag, generatedFrames } from './generated.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-drivers-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(240_000);

const seed = Number(process.env.HEADGATE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const count = process.env.HEADGATE_LONG === '1' ? 2000 : 150;

const ourBlock = prefixText(`${insideAddress}/32`);
const ourBlock6 = prefixText(`${insideAddress6}/128`);
const [north, south] = [linkId('north'), linkId('south')];

/** North is reached by the station that generated frames have, south by one that nothing comes from. */
const tablesOf = (wire: string): EngineTables => ({
  blocks: [ourBlock, ourBlock6],
  links: [
    { link: north, attribute: { wire, mac: '02:00:5e:00:53:02' }, mark: { dscp: 10 } },
    { link: south, attribute: { wire, mac: '02:00:5e:00:53:99' }, mark: { vlan: 101 } },
  ],
  destinations: [
    { prefix: prefixText(byDscp), link: north },
    { prefix: prefixText(byDscp6), link: north },
    { prefix: prefixText(byTag), link: south },
  ],
});
const generated = generatedFrames(seed, count);
const input = {
  inside: [...framesOfEveryKind.map(({ bytes }) => bytes), ...generated.outbound],
  outside: generated.inbound,
} as const;
const nameOf = (i: number) => framesOfEveryKind[i]?.kind ?? `generated frame ${i}`;

/** By block, link and direction, in one order. */
interface Cell {
  readonly block?: string | undefined;
  readonly link?: string | undefined;
  readonly direction: string;
  readonly packets: number;
  readonly ipBytes: number;
  readonly l2Bytes: number;
}
const cellsOf = (cells: readonly Cell[]): string[] =>
  cells
    .filter(({ block }) => block !== undefined)
    .map(
      ({ block, link, direction, packets, ipBytes, l2Bytes }) =>
        `${block} ${link ?? 'unknown'} ${direction}: ${packets} packets, ${ipBytes} and ${l2Bytes} bytes`,
    )
    .sort();

const tcpKeys = ['dataSegments', 'lostBeyond', 'needless', 'lostBefore', 'spurious'] as const;
type Tcp = Record<(typeof tcpKeys)[number], number>;
function sumOf(all: readonly Tcp[]): Tcp {
  const sum: Tcp = { dataSegments: 0, lostBeyond: 0, needless: 0, lostBefore: 0, spurious: 0 };
  for (const each of all) for (const key of tcpKeys) sum[key] += each[key];
  return sum;
}
const tcpOf = ({ links }: EngineSnapshot): Tcp =>
  sumOf(links.flatMap(({ tcp }) => [tcp.inbound, tcp.outbound]));

/** What the pipeline makes of the same frames from capture files. */
const expected = await (async () => {
  const sides = await Promise.all(
    (['inside', 'outside'] as const).map(async (side) => {
      const path = join(folder, `${side}.pcap`);
      const writePath = join(folder, `${side}-out.pcap`);
      writePcap(path, input[side]);
      const { counts } = await startReplay({ path, writePath, tables: tablesOf('replay') }).result;
      if (!counts) throw new Error(`${path} cannot be read`);
      return { counts, output: readPcap(writePath) };
    }),
  );
  const [inside, outside] = sides;
  if (!inside || !outside) throw new Error('both sides');
  return {
    output: { inside: inside.output, outside: outside.output },
    cells: cellsOf([...inside.counts.blocks, ...outside.counts.blocks]),
    marked: inside.counts.marked + outside.counts.marked,
    tcp: sumOf([inside.counts.tcp, outside.counts.tcp]),
  };
})();
t.comment(`HEADGATE_SEED=${seed}`);
t.ok(expected.marked > count / 8, 'the frames are worth comparing');
t.ok(expected.tcp.lostBeyond > 0, 'and some are sent again');

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
          wires: [{ name: 'core', place: 'inside', inside: 'in0', outside: 'out0', driver }],
          tables: tablesOf('core'),
        },
        { inMountNamespace: true },
      );
    let unit: Unit = await open();

    await t.test('frames pass unchanged but for marks, and are counted alike', async (t) => {
      for (const from of ['inside', 'outside'] as const) {
        const seen = await through(border, folder, from, input[from], 1000);
        const wrong = expected.output[from].findIndex(
          (bytes, i) => seen[i]?.toString('hex') !== bytes.toString('hex'),
        );
        t.equal(
          seen[wrong]?.toString('hex'),
          expected.output[from][wrong]?.toString('hex'),
          `all are as from a capture file, from ${from} ${wrong < 0 ? '' : nameOf(wrong)}`,
        );
        t.equal(seen.length, input[from].length);
      }
      const counts = await until(
        'the last packets are measured',
        () => unit.snapshot(),
        (now) =>
          cellsOf(now.blocks).join() === expected.cells.join() &&
          tcpOf(now).dataSegments >= expected.tcp.dataSegments,
      ).catch(() => unit.snapshot());
      t.same(cellsOf(counts.blocks), expected.cells, 'blocks, links and directions');
      t.equal(counts.marks.set, expected.marked, 'marks');
      t.same(tcpOf(counts), expected.tcp, 'segments');
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
          blocks
            .filter((count) => count.block === ourBlock && count.direction === direction)
            .reduce((sum, { l2Bytes }) => sum + l2Bytes, 0);
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
      t.ok(tcpOf(counts).dataSegments > 1000 + expected.tcp.dataSegments, 'sessions are tracked');
      const [rtt] = await unit.blockRtts([ourBlock]);
      t.ok(
        (rtt?.p50Us ?? 0) > 0 && (rtt?.samples ?? 0) >= 20,
        'and the round trips of their block',
      );
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

t.test('mirror counts both directions alike and sends nothing', { skip: unfit }, async (t) => {
  const border = new Border('hgwd', { isQuiet: true });
  t.teardown(() => border.close());
  const unit = await border.openUnit({
    wires: [{ name: 'core', place: 'inside', inside: 'in0', driver: 'mirror' }],
    tables: tablesOf('core'),
  });
  const before = border.interfaceBytes('inside', 'i0');
  // What a switch copies: both directions on one port.
  for (const side of ['inside', 'outside'] as const)
    await border.runAside(
      'inside',
      ...['tcpreplay', '-q', '-i', 'i0', '--pps=1000', join(folder, `${side}.pcap`)],
    );
  const { blocks, wires } = await until(
    'all packets are counted',
    () => unit.snapshot(),
    ({ blocks }) => cellsOf(blocks).join() === expected.cells.join(),
  ).catch(() => unit.snapshot());
  t.same(cellsOf(blocks), expected.cells);
  t.equal(wires[0]?.driver, 'mirror');
  t.equal(border.interfaceBytes('inside', 'i0').rxPackets, before.rxPackets, 'nothing came back');
});
