/**
 * The death of the process costs nothing where the kernel forwards, and no more than the stale window where user space
 * does; and nothing ever arrives twice or out of order. Default: some of the events, drawn by a seed; all with
 * HEADGATE_LONG=1, at 100,000 packets per second both ways.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { linkId, prefixText } from '../../src/core/base/units.ts';
import type { Driver } from '../../src/engine/index.ts';
import { Border, insideAddress, outsideAddress, type Unit, unfit, until } from './border.ts';
import { type Fate, Streams } from './streams.ts';
import { WireCommand } from './wire-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-open-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(600_000);

const isLong = process.env.HEADGATE_LONG === '1';
const seed = Number(process.env.HEADGATE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const staleMs = 20;
const perSecond = isLong ? 100_000 : 10_000;
/** Of the loop's slots, what is in it dies with its owner. */
const ring = 4096;

const wireOf = (driver: Driver) =>
  ({ name: 'core', place: 'link', inside: 'in0', outside: 'out0', driver }) as const;
const tables = {
  blocks: [prefixText(`${insideAddress}/32`)],
  links: [{ link: linkId('north'), attribute: { wire: 'core' } }],
};

/** A wire that is installed, streams through it, and a unit that comes and goes. */
class Scene {
  readonly border: Border;
  readonly streams: Streams;
  readonly command: WireCommand;
  readonly #driver: Driver;
  #unit: Unit | undefined;

  constructor(driver: Driver) {
    this.#driver = driver;
    this.border = new Border('hgwf', { isQuiet: true });
    this.command = new WireCommand(folder, driver);
    this.streams = new Streams(this.border, folder);
  }

  get unit(): Unit {
    if (!this.#unit) throw new Error('no unit runs');
    return this.#unit;
  }

  async start(): Promise<void> {
    this.#unit = await this.border.openUnit(
      { wires: [wireOf(this.#driver)], tables },
      { inMountNamespace: true },
    );
  }

  /** The unit goes without a word. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const { process } = this.unit;
    process.kill(signal);
    await this.#ended();
  }

  async #ended(): Promise<void> {
    const { process } = this.unit;
    await until(
      'the unit ends',
      () => process.exitCode ?? process.signalCode,
      (end) => end !== null,
    );
  }

  async pause(): Promise<void> {
    const { process } = this.unit;
    process.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 10 * staleMs));
    process.kill('SIGCONT');
    await this.unit.snapshot();
  }

  async hang(): Promise<void> {
    await this.streams.freeze(this.unit.process, this.#packetLoop(), 10 * staleMs);
    await this.unit.snapshot();
  }

  async crash(): Promise<void> {
    await this.streams.crash(this.#pid(), this.#packetLoop());
    await this.#ended();
  }

  #pid(): number {
    const { pid } = this.unit.process;
    if (pid === undefined) throw new Error('the unit has no process');
    return pid;
  }

  #packetLoop(): number {
    const threads = `/proc/${this.#pid()}/task`;
    const loop = readdirSync(threads).find(
      (tid) => readFileSync(`${threads}/${tid}/comm`, 'utf8').trim() === 'wire core',
    );
    if (loop === undefined) throw new Error('the unit has no packet loop');
    return Number(loop);
  }

  close(): void {
    this.command.run(this.border, 'release');
    this.border.close();
  }
}

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
  let state = (seed + salt * 7919) % 2_147_483_647 || 1;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  return events
    .map((event) => ({ event, at: random() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, count)
    .map(({ event }) => event);
}

/** What an event may lose. The unit's own: the stale window, and what the ring held of frames that nobody else saw. */
function lostMax(driver: Driver): number {
  return driver === 'af_packet' ? perSecond * (staleMs / 1000) + ring : 0;
}

async function observe(t: Test, scene: Scene, driver: Driver, event: Event): Promise<void> {
  const fates = await scene.streams.during(perSecond, isLong ? 4 : 1, async () => {
    await event.happen(scene);
  });
  for (const [side, fate] of Object.entries(fates) as [string, Fate][]) {
    const { sent, lost, duplicated, late, dropped } = fate;
    t.comment(
      `${driver}, ${event.name}, received ${side}: of ${sent} ${lost} lost (the kernel's queues dropped ${dropped}), ${duplicated} twice, ${late} late`,
    );
    t.equal(duplicated, 0, `${event.name}: nothing arrives twice (${side})`);
    t.equal(late, 0, `${event.name}: nothing arrives late (${side})`);
    const max = lostMax(driver) + dropped;
    t.ok(lost <= max, `${event.name}: ${lost} lost of at most ${max} (${side})`);
  }
}

t.comment(`HEADGATE_SEED=${seed}`);
for (const [salt, driver] of (['af_packet', 'tc', 'xdp'] as const).entries()) {
  t.test(`streams through a wire by ${driver}`, { skip: unfit, timeout: 300_000 }, async (t) => {
    const scene = new Scene(driver);
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
      await observe(t, scene, driver, event);
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
  });
}
