/** The death of the process costs no more than the stale window, and nothing ever arrives twice or out of order. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Border, outsideAddress, type Unit, unfit, until } from './border.ts';
import { type Fate, Streams } from './streams.ts';
import { WireCommand } from './wire-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-open-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(240_000);

const command = new WireCommand(folder, 'af_packet');
const wire = (border: Border, ...args: readonly string[]) => command.run(border, ...args);

const staleMs = 20;
const perSecond = process.env.HEADGATE_LONG === '1' ? 50_000 : 5_000;
/** What the stale window and the moment of scheduling around it may cost; the ring's content is lost with its owner. */
const lostMax = perSecond * (staleMs / 1000) + 4096;

t.test(
  'streams through every way to die and to come back',
  { skip: unfit, timeout: 120_000 },
  async (t) => {
    const border = new Border('hgwf', { isQuiet: true });
    t.teardown(() => {
      wire(border, 'release');
      border.close();
    });
    const streams = new Streams(border, folder);
    await streams.open();

    t.match(wire(border, 'status', '--json').out, /"path": "none"/);
    const installed = wire(border, 'install');
    t.equal(installed.code, 0, installed.err);
    t.match(installed.out, /the kernel forwards/);

    const checked = (what: string, fates: Record<string, Fate>, max: number) => {
      for (const [side, { lost, duplicated, late }] of Object.entries(fates)) {
        t.comment(`${what}, received ${side}: ${lost} lost, ${duplicated} twice, ${late} late`);
        t.equal(duplicated, 0, `${what}: nothing arrives twice (${side})`);
        t.equal(late, 0, `${what}: nothing arrives late (${side})`);
        t.ok(lost <= max, `${what}: ${lost} lost of at most ${max} (${side})`);
      }
    };
    const run = async (what: string, max: number, event: () => Promise<unknown>) =>
      checked(what, await streams.during(perSecond, 1, async () => void (await event())), max);

    await run('nobody runs', 0, async () => undefined);

    let unit: Unit | undefined;
    const start = async () => {
      unit = await border.openUnit({}, { inMountNamespace: true });
      await until(
        'the unit forwards',
        () => wire(border, 'status', '--json').out,
        (text) => text.includes('"path": "unit"'),
      );
    };
    const kill = async (signal: NodeJS.Signals) => {
      unit?.process.kill(signal);
      await until(
        'the kernel forwards',
        () => wire(border, 'status', '--json').out,
        (text) => text.includes('"path": "bypass"'),
      );
    };
    await run('start', lostMax, start);
    border.run('inside', 'ping', '-c', '3', '-i', '0.2', outsideAddress);
    const taken = await unit?.snapshot();
    t.ok((taken?.wires[0]?.unit.inbound.frames ?? 0) > 0, 'the unit carries packets');
    await run('kill', lostMax, () => kill('SIGKILL'));
    await run('start again', lostMax, start);
    await run('stop and go on', lostMax, async () => {
      await kill('SIGSTOP');
      unit?.process.kill('SIGCONT');
      await until(
        'the unit forwards',
        () => wire(border, 'status', '--json').out,
        (text) => text.includes('"path": "unit"'),
      );
    });
    const { wires } = (await unit?.snapshot()) ?? {};
    t.ok((wires?.[0]?.bypass.inbound.packets ?? 0) > 0, 'what the kernel forwarded is counted');
    t.ok((wires?.[0]?.discarded ?? 0) > 0, 'and the unit threw its copies away');
    await run('end in order', lostMax, async () => t.equal(await unit?.terminate(), 0));

    t.match(
      border.run('inside', 'ping', '-c', '3', '-i', '0.2', outsideAddress),
      / 0% packet loss/,
      'and the kernel goes on',
    );
    const released = wire(border, 'release');
    t.equal(released.code, 0, `releases ${released.err}`);
    t.match(wire(border, 'status').out, /nothing installed/);
    t.notMatch(
      border.run('unit', 'tc', 'qdisc', 'show', 'dev', 'in0'),
      /clsact/,
      'nothing is left on the ports',
    );
    t.notMatch(border.run('unit', 'ip', 'link', 'show', 'in0'), /PROMISC/);
    t.equal(wire(border, 'release').code, 0, 'releasing twice is harmless');
  },
);
