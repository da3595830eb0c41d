/** What a wire does at its limits: a queue that is full, frames that do not fit, a ring that nobody reads, no memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { linkId, prefixText } from '../../src/core/base/units.ts';
import { Border, insideAddress, outsideAddress, unfit, until } from './border.ts';
import { compiled, compiledForKernel } from './compiled.ts';
import { manyFrames } from './frames.ts';
import { writePcap } from './pcap.ts';
import { WireCommand } from './wire-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-limits-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(240_000);

const wireBy = (driver: 'af_packet' | 'tc') =>
  ({ name: 'core', place: 'link', inside: 'in0', outside: 'out0', driver }) as const;
const tables = {
  blocks: [prefixText(`${insideAddress}/32`)],
  links: [{ link: linkId('north'), attribute: { wire: 'core' } }],
};

t.test(
  'af_packet: what the machine will not send is counted by its reason',
  { skip: unfit },
  async (t) => {
    const border = new Border('hgwl', { hasAddresses: false });
    t.teardown(() => border.close());
    const unit = await border.openUnit({ wires: [wireBy('af_packet')] });
    const play = async (frames: readonly Uint8Array[]) => {
      const path = join(folder, 'limits.pcap');
      writePcap(path, frames);
      await border.runAside('inside', 'tcpreplay', '-q', '-i', 'i0', '--pps=5000', path);
    };
    const arrived = () => border.interfaceBytes('outside', 'o0').rxPackets;
    const lost = async () => (await unit.snapshot()).wires[0]?.lost ?? {};
    /** Plays frames; how many arrived, and what was counted as lost of them. */
    const fate = async (frames: readonly Uint8Array[]) => {
      const before = { arrived: arrived(), lost: await lost() };
      await play(frames);
      const since = async () => {
        const grown = Object.entries(await lost()).map(
          ([why, n]) => [why, n - (before.lost[why] ?? 0)] as const,
        );
        return {
          arrived: arrived() - before.arrived,
          lost: new Map(grown.filter(([, n]) => n > 0)),
        };
      };
      return until('every frame has arrived or is counted as lost', since, ({ arrived, lost }) => {
        return arrived + [...lost.values()].reduce((sum, n) => sum + n, 0) === frames.length;
      });
    };

    border.run(
      'unit',
      'sh',
      '-c',
      'tc qdisc add dev out0 root tbf rate 2mbit burst 3000 limit 6000',
    );
    const queued = await fate(manyFrames(400));
    border.run('unit', 'tc', 'qdisc', 'del', 'dev', 'out0', 'root');
    t.same([...queued.lost.keys()], ['no_buffer'], 'a full queue');
    t.ok(queued.arrived > 0, 'what fits it goes on');

    // Frames of 1510 bytes to a port that takes 1414.
    border.run('unit', 'ip', 'link', 'set', 'out0', 'mtu', '1400');
    const frames = manyFrames(90);
    const long = await fate(frames);
    t.same([...long.lost], [['too_long', frames.filter(({ length }) => length > 1414).length]]);

    border.setPorts('mtu', '9000');
    const jumbo = Array.from({ length: 50 }, (_, i) => {
      const frame = Buffer.alloc(i % 2 === 0 ? 9014 : 100, i);
      frame.write('02005e005302' + '02005e005301' + '88b5', 'hex');
      return frame;
    });
    t.same(await fate(jumbo), { arrived: 50, lost: new Map() }, 'a larger MTU needs no restart');
  },
);

t.test('tc: a ring that is full costs measurements, and no packet', { skip: unfit }, async (t) => {
  const border = new Border('hgwl', { isQuiet: true });
  const command = new WireCommand(folder, 'tc');
  t.teardown(() => {
    command.run(border, 'release');
    border.close();
  });
  for (const [side, port] of [
    ['unit', 'in0'],
    ['outside', 'o0'],
  ] as const)
    border.run(side, 'ethtool', '-K', port, 'gro', 'on');
  t.equal(command.run(border, 'install').code, 0);
  const unit = await border.openUnit({ wires: [wireBy('tc')], tables }, { inMountNamespace: true });
  unit.process.kill('SIGSTOP');
  const before = border.interfaceBytes('outside', 'o0').rxPackets;
  const tool = compiled('test/bench/wire/tool.c', folder, '-lbpf');
  const generator = compiledForKernel('test/bench/wire/generate.bpf.c', folder);
  // Twice what the ring holds, however busy the machine is.
  let all = 0;
  while (all < 330_000) {
    const load = ['0.3', '66', '0', generator];
    const text = await border.runAside('inside', tool, 'generate', 'i0', ...load);
    const { sent, warm_up: warmUp } = JSON.parse(text);
    all += sent + warmUp;
  }
  unit.process.kill('SIGCONT');
  const { wires, blocks, unmeasured } = await until(
    'what the ring held is measured',
    () => unit.snapshot(),
    ({ wires }) => (wires[0]?.unit.outbound.frames ?? 0) >= all,
  );
  const dropped = border.interfaceDrops('outside', 'o0') + border.interfaceDrops('unit', 'in0');
  const arrived = border.interfaceBytes('outside', 'o0').rxPackets - before;
  t.ok(arrived + dropped >= all, `all ${all} have passed: ${arrived}`);
  t.ok((unmeasured.copy_ring_full ?? 0) > 0, 'copies were lost');
  const { coverage = 1 } = wires[0] ?? {};
  t.ok(coverage > 0.05 && coverage < 0.95, `which the coverage says: ${coverage}`);
  t.equal(
    blocks.reduce((sum, { packets }) => sum + packets, 0),
    all,
    'and blocks are counted to the packet',
  );

  // A port that is made anew has no program: the wire is down until it is installed again, not until a restart.
  const state = async () => (await unit.snapshot()).wires[0]?.state;
  border.run('unit', 'ip', 'link', 'delete', 'out0');
  await until('the port is seen gone', state, (now) => now === 'down');
  border.plug('outside');
  t.equal(command.run(border, 'install').code, 0);
  await until('the new port is taken', state, (now) => now === 'forwarding');
  border.run('inside', 'ip', 'neigh', 'del', outsideAddress, 'dev', 'i0');
  const reaches = () => border.runAside('inside', 'ping', '-c', '1', '-W', '1', outsideAddress);
  await until('packets pass the new port', reaches, (text) => text.includes(' 0% packet loss'));
});

t.test('af_packet: overload costs measurements first', { skip: unfit }, async (t) => {
  const border = new Border('hgwl', { isQuiet: true });
  t.teardown(() => border.close());
  border.run('unit', 'ethtool', '-K', 'in0', 'gro', 'on');
  const unit = await border.openUnit({ wires: [wireBy('af_packet')], tables });
  const tool = compiled('test/bench/wire/tool.c', folder, '-lbpf');
  const generator = compiledForKernel('test/bench/wire/generate.bpf.c', folder);
  const before = border.interfaceBytes('outside', 'o0').rxPackets;
  const leftOut = async () => (await unit.snapshot()).unmeasured.session_not_sampled ?? 0;
  t.equal(await leftOut(), 0);
  await until(
    'sessions are left out',
    async () => {
      await border.runAside('inside', tool, 'generate', 'i0', '0.3', '66', '0', generator);
      return leftOut();
    },
    (n) => n > 0,
    60_000,
  );
  const { wires, blocks } = await until(
    'the ring is empty',
    () => unit.snapshot(),
    ({ wires }) =>
      wires[0]?.unit.outbound.frames ===
      border.interfaceBytes('outside', 'o0').rxPackets -
        before +
        border.interfaceDrops('outside', 'o0'),
  );
  const { coverage = 1, unit: passed } = wires[0] ?? {};
  t.ok(coverage > 0 && coverage < 1, `which the coverage says: ${coverage}`);
  t.equal(
    blocks.reduce((sum, { packets }) => sum + packets, 0),
    passed?.outbound.frames,
    'and what is forwarded is counted to the packet',
  );
});

t.test('memory that is not there is said in one line', { skip: unfit }, async (t) => {
  const border = new Border('hgwl');
  t.teardown(() => border.close());
  for (const [what, options] of [
    ['of sessions', { sessionSlots: 2 ** 31 }],
    ['of blocks', { tables, blocksMax: 2 ** 31 }],
  ] as const) {
    const refused = await border.openUnit({ wires: [wireBy('af_packet')], ...options }).then(
      () => undefined,
      (error: unknown) => error,
    );
    t.match(
      refused,
      {
        code: 'driver_unfit',
        message: /^not enough memory for (wire core|the round trips of blocks): \d+ MiB/,
      },
      what,
    );
  }
  await border.openUnit({ wires: [wireBy('af_packet')] });
  t.match(
    border.run('inside', 'ping', '-c', '1', outsideAddress),
    / 0% packet loss/,
    'nothing is left behind',
  );
});
