/**
 * The death of the process costs nothing where the kernel forwards, and no more than the stale window where user space
 * does; and nothing ever arrives twice or out of order. Default: some of the events, drawn by a seed; all with
 * HEADGATE_LONG=1, at 100,000 packets per second both ways.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { randomOf } from '../support/random.ts';
import { outsideAddress, unfit } from './border.ts';
import { Scene, staleMs, tables } from './scene.ts';
import type { Fate } from './streams.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-open-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(600_000);

const isLong = process.env.HEADGATE_LONG === '1';
const seed = Number(process.env.HEADGATE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const perSecond = isLong ? 100_000 : 10_000;
/** Of the loop's slots, what is in it dies with its owner. */
const ring = 4096;

/** HG_SENT_MARK of native/abi/gate.h: the first packet loop's; the others count on. */
const sentMark = 0x68670000;

interface Event {
  readonly name: string;
  /** Whether a unit runs when it begins, and when it has ended. */
  readonly from: 'running' | 'away';
  readonly to: 'running' | 'away';
  readonly happen: (scene: Scene) => Promise<unknown>;
}

const events: readonly Event[] = [
  { name: 'start', from: 'away', to: 'running', happen: (scene) => scene.start() },
  { name: 'SIGKILL', from: 'running', to: 'away', happen: (scene) => scene.kill('SIGKILL') },
  { name: 'SIGSTOP and SIGCONT', from: 'running', to: 'running', happen: (scene) => scene.pause() },
  { name: 'a hung packet loop', from: 'running', to: 'running', happen: (scene) => scene.hang() },
  { name: 'a crash in native code', from: 'running', to: 'away', happen: (scene) => scene.crash() },
  { name: 'exit', from: 'running', to: 'away', happen: (scene) => scene.unit.terminate() },
  {
    name: 'upgrade to a new process',
    from: 'running',
    to: 'running',
    happen: async (scene) => {
      await scene.unit.terminate();
      // As a new version does it: the program on the ports is replaced in place, then the process.
      scene.command.run(scene.border, 'install');
      await scene.start();
    },
  },
  {
    name: 'upgrade to another number of workers',
    from: 'running',
    to: 'running',
    happen: async (scene) => {
      await scene.unit.terminate();
      await scene.start(scene.driver === 'af_packet' ? 3 - scene.workers : 1);
    },
  },
  {
    name: 'reload',
    from: 'running',
    to: 'running',
    happen: async ({ unit }) => {
      for (let i = 0; i < 5; i++) await unit.publish({ ...tables, blocks: [] });
      await unit.publish(tables);
    },
  },
];

/** Some of them, in an order of their own; each seed gives the same. */
function drawn(salt: number, count: number): readonly Event[] {
  if (isLong) return events;
  const random = randomOf(seed + salt * 7919);
  return events
    .map((event) => ({ event, at: random() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, count)
    .map(({ event }) => event);
}

/** What an event may lose. The unit's own: the stale window, and what the ring held of frames that nobody else saw. */
function lostMax({ driver, workers }: Scene): number {
  return driver === 'af_packet' ? perSecond * (staleMs / 1000) + ring * workers : 0;
}

async function observe(t: Test, scene: Scene, event: Event): Promise<void> {
  const fates = await scene.streams.during(perSecond, isLong ? 4 : 1, async () => {
    await event.happen(scene);
  });
  for (const [side, fate] of Object.entries(fates) as [string, Fate][]) {
    const { sent, lost, duplicated, late, dropped } = fate;
    t.comment(
      `${scene.name}, ${event.name}, received ${side}: of ${sent} ${lost} lost (the kernel's queues dropped ${dropped}), ${duplicated} twice, ${late} late`,
    );
    t.equal(duplicated, 0, `${event.name}: nothing arrives twice (${side})`);
    t.equal(late, 0, `${event.name}: nothing arrives late (${side})`);
    const max = lostMax(scene) + dropped;
    t.ok(lost <= max, `${event.name}: ${lost} lost of at most ${max} (${side})`);
  }
}

t.comment(`HEADGATE_SEED=${seed}`);
const drivers = [
  // One packet loop or two that share the wire.
  ...(isLong ? [1, 2] : [1 + (seed % 2)]).map(
    (workers) => ({ driver: 'af_packet', workers }) as const,
  ),
  { driver: 'tc' },
  { driver: 'xdp' },
] as const;
for (const [salt, options] of drivers.entries()) {
  const { driver } = options;
  t.test(
    `streams through a wire: ${JSON.stringify(options)}`,
    { skip: unfit, timeout: 300_000 },
    async (t) => {
      const scene = new Scene({ ...options, tag: 'hgwf', folder });
      t.teardown(() => scene.close());
      const { border, command } = scene;
      if (driver === 'xdp') border.fitPeers();
      if (driver === 'af_packet')
        t.match(command.run(border, 'status', '--json').out, /"path": "none"/);
      const installed = command.run(border, 'install');
      t.equal(installed.code, 0, installed.err);
      t.match(installed.out, /the kernel forwards/);
      await scene.streams.open();
      let isRunning = false;
      for (const event of drawn(salt, driver === 'af_packet' ? 3 : 2)) {
        if (event.from === 'running' && !isRunning) await scene.start();
        if (event.from === 'away' && isRunning) await scene.unit.terminate();
        await observe(t, scene, event);
        isRunning = event.to === 'running';
        if (driver === 'af_packet' && isRunning && /SIGSTOP|hung/.test(event.name)) {
          const { wires } = await scene.unit.snapshot();
          t.ok((wires[0]?.bypass.inbound.packets ?? 0) > 0, 'what the kernel forwarded is counted');
          t.ok((wires[0]?.discarded ?? 0) > 0, 'and the unit threw its copies away');
        }
      }
      if (isRunning) t.equal(await scene.unit.terminate(), 0);
      t.match(
        border.run('inside', 'ping', '-c', '3', '-i', '0.2', outsideAddress),
        / 0% packet loss/,
        'and the kernel goes on',
      );
      if (driver === 'af_packet') {
        // A packet loop that was kept from its processor in the middle of a batch would send like this: its beat is long
        // over, and the kernel has just forwarded. Which loop stands for the ping depends on how many there were last.
        for (const port of ['in0', 'out0']) {
          const left = await Promise.all(
            [0, 1].map((loop) => scene.streams.inject(port, sentMark + loop)),
          );
          t.ok(left.includes(false), `what comes late is held back (${port})`);
          t.ok(await scene.streams.inject(port, 0), `what is not the unit's leaves (${port})`);
        }
      }
      const released = command.run(border, 'release');
      t.equal(released.code, 0, `releases ${released.err}`);
      if (driver !== 'af_packet') return;
      t.match(command.run(border, 'status').out, /nothing installed/);
      t.notMatch(
        border.run('unit', 'tc', 'qdisc', 'show', 'dev', 'in0'),
        /clsact/,
        'nothing is left on the ports',
      );
      t.notMatch(border.run('unit', 'ip', 'link', 'show', 'in0'), /PROMISC/);
      t.equal(command.run(border, 'release').code, 0, 'releasing twice is harmless');
    },
  );
}
