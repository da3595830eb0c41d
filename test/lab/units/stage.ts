/** Three units as one in the lab of `units-topology.ts`, with real traffic, and what a test may do to them. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { borderPolicy } from '../../../src/cli/lab/policy.ts';
import { openControlClient, type StatusView } from '../../../src/control/index.ts';
import {
  demandOf,
  type Lab,
  type Mode,
  openLab,
  startTraffic,
  type Traffic,
} from '../../../src/lab/index.ts';
import { closeLab } from '../../../src/lab/lab.ts';
import { run, spawnInside } from '../../../src/lab/namespaces.ts';
import { unitsShape } from '../../../src/lab/shape.ts';
import type { Site } from '../../../src/lab/topology.ts';
import { renderUnitSettings } from '../../../src/lab/units-settings.ts';
import { waitFor } from '../../support/lab.ts';
import { falseClock } from '../soak/faults.ts';
import { NatsNodes } from './nats.ts';
import { Watch } from './watch.ts';

/** Of the lab's namespaces: two runs beside one another need two. */
const prefix = process.env.HEADGATE_LAB_PREFIX ?? 'hgunits';
/** A unit that stands still takes the question and never answers. */
const patienceMs = 4000;
const logLines = 30;
const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
/** Two thirds of one link more than it holds, less than two links. */
const totalBitps = 5_000_000;
/** So little that nothing need move. */
const quietBitps = 500_000;

/** Seconds that each unit's wall clock is wrong by, where libfaketime is installed. */
const clockOffsets: Readonly<Record<string, number>> = { west: 5, mid: 0, east: -5 };
export const hasFalseClocks = existsSync(falseClock);

export class UnitsStage {
  readonly lab: Lab;
  readonly nats: NatsNodes;
  readonly watch: Watch;
  readonly #mode: Mode;
  readonly #units = new Map<string, ChildProcess>();
  readonly #stopped = new Set<string>();
  #traffic: Traffic | undefined;

  private constructor(lab: Lab, nats: NatsNodes, mode: Mode) {
    this.lab = lab;
    this.nats = nats;
    this.#mode = mode;
    this.watch = new Watch(lab, () => this.#traffic?.receipt());
  }

  /** Everything runs; nobody need lead yet. What an earlier run left is removed first. */
  static async open(mode: Mode = 'control'): Promise<UnitsStage> {
    await closeLab(prefix);
    const lab = await openLab({ shape: unitsShape, policy: borderPolicy, prefix });
    try {
      const nats = await NatsNodes.open(lab);
      const stage = new UnitsStage(lab, nats, mode);
      await Promise.all(stage.sites.map((site) => stage.#install(site)));
      for (const site of stage.sites) stage.start(site.unit);
      stage.#traffic = await startTraffic(lab);
      stage.demand('quiet');
      await stage.watch.open();
      return stage;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  get sites(): readonly Site[] {
    return this.lab.topology.sites;
  }
  get names(): readonly string[] {
    return this.sites.map(({ unit }) => unit);
  }
  /** Those that run and do not stand still. */
  get running(): readonly string[] {
    return this.names.filter((name) => this.#units.has(name) && !this.#stopped.has(name));
  }

  siteOf(unit: string): Site {
    const site = this.sites.find((entry) => entry.unit === unit);
    if (!site) throw new Error(unit);
    return site;
  }

  /** What the receivers want; each phase has other blocks that want most of it. */
  demand(phase: number | 'quiet'): void {
    const { topology } = this.lab;
    if (phase === 'quiet') {
      const quiet = { totalBitps: quietBitps, sources: [0.5, 0.5] };
      this.#traffic?.setDemand(demandOf(topology, quiet));
      return;
    }
    const all = topology.blocks.map(({ prefix: block }) => block);
    const blocks = [0, 3, 6].map((i) => all[(phase * 2 + i) % all.length] ?? '');
    const favoured = { blocks, share: 0.7 };
    this.#traffic?.setDemand(demandOf(topology, { totalBitps, favoured, sources: [0.5, 0.5] }));
  }

  start(unit: string): void {
    const { folder } = this.lab;
    const log = openSync(`${folder}/${unit}.log`, 'a');
    const offset = clockOffsets[unit] ?? 0;
    const clock = hasFalseClocks
      ? {
          LD_PRELOAD: falseClock,
          FAKETIME: `${offset < 0 ? '' : '+'}${offset}s`,
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        }
      : {};
    const argv = ['--enable-source-maps', main, 'run', '--user', 'root', '-c'];
    const child = spawnInside(
      this.lab.namespace(unit),
      [process.execPath, ...argv, this.#settingsOf(unit)],
      { stdio: ['ignore', log, log], env: { ...process.env, ...clock } },
    );
    closeSync(log);
    this.#units.set(unit, child);
    child.once('exit', () => {
      if (this.#units.get(unit) === child) this.#units.delete(unit);
    });
  }

  async end(unit: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#units.get(unit);
    if (!child) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
    this.#stopped.delete(unit);
  }

  /** SIGSTOP, and SIGCONT. */
  stand(unit: string): void {
    this.#stopped.add(unit);
    this.#units.get(unit)?.kill('SIGSTOP');
  }
  go(unit: string): void {
    this.#units.get(unit)?.kill('SIGCONT');
    this.#stopped.delete(unit);
  }

  /** Parts a unit's site, with its NATS node and its router's management, from the others; or joins it again. */
  async uplink(unit: string, is: 'up' | 'down'): Promise<void> {
    await this.lab.run('lan', ['ip', 'link', 'set', this.siteOf(unit).uplink, is]);
  }

  async ask<View>(
    unit: string,
    command: string,
    args: Readonly<Record<string, unknown>> = {},
  ): Promise<View | undefined> {
    let late: NodeJS.Timeout | undefined;
    const client = await openControlClient(`${this.lab.folder}/${unit}.sock`).catch(
      () => undefined,
    );
    if (!client) return undefined;
    try {
      const answer = await Promise.race([
        client.ask(command, args),
        new Promise<undefined>((resolve) => {
          late = setTimeout(resolve, patienceMs, undefined);
        }),
      ]);
      // A cast: each caller knows the view that it asked for.
      return answer?.ok ? (answer.value as View) : undefined;
    } catch {
      return undefined;
    } finally {
      clearTimeout(late);
      client.close();
    }
  }

  /** What Prometheus would read. */
  metrics(unit: string): Promise<string> {
    return this.lab.run(unit, ['curl', '-s', '-m', '5', 'http://127.0.0.1:9469/metrics']);
  }

  statuses(units = this.running): Promise<ReadonlyArray<StatusView | undefined>> {
    return Promise.all(units.map((unit) => this.ask<StatusView>(unit, 'status', { unit })));
  }

  /** Whom all running units name as the leader; undefined while they do not agree, or on one that does not run. */
  async leader(units = this.running): Promise<string | undefined> {
    const named = new Set((await this.statuses(units)).map((view) => view?.cluster?.leader));
    const [leader] = named;
    return named.size === 1 && leader && units.includes(leader) ? leader : undefined;
  }

  /** Whether all units follow the same plan and all border routers carry the same. */
  async isOne(units = this.names): Promise<boolean> {
    const views = await this.statuses(units);
    const plans = new Set(views.map((view) => JSON.stringify(view?.cluster?.plan ?? null)));
    const areLed = views.every(
      (view) =>
        view?.cluster?.standing === 'led' &&
        view.routers.every(({ phase }) => phase === 'established'),
    );
    return areLed && plans.size === 1 && !plans.has('null') && (await this.watch.areEqual());
  }

  /** What the units counted of their messages and requests since their start. */
  async eventCounts(): Promise<string> {
    const pages = await Promise.all(this.names.map((unit) => this.metrics(unit).catch(() => '')));
    return pages
      .map((page, i) => {
        const counts = page.matchAll(
          /^headgate_cluster_events_total\{event="(\w+)"\} ([1-9]\d*)/gm,
        );
        return `${this.names[i]}: ${[...counts].map(([, name, count]) => `${name} ${count}`).join(', ')}`;
      })
      .join('\n');
  }

  /** What a unit logged last. */
  lastLog(unit: string): string {
    const lines = readFileSync(`${this.lab.folder}/${unit}.log`, 'utf8').trimEnd().split('\n');
    return lines.slice(-logLines).join('\n');
  }

  async untilOne(what: string, deadlineMs: number): Promise<number> {
    const from = Date.now();
    await waitFor(what, deadlineMs, () => this.isOne());
    return Date.now() - from;
  }

  async close(): Promise<void> {
    this.watch.close();
    await this.#traffic?.stop();
    for (const site of this.sites) {
      this.go(site.unit);
      await this.end(site.unit, 'SIGKILL');
      await this.#wire(site, 'release').catch(() => undefined);
    }
    await this.lab.close();
  }

  #settingsOf(unit: string): string {
    return `${this.lab.folder}/${unit}.yaml`;
  }

  /** As at boot: the kernel forwards before there is a unit, and after it. */
  async #install(site: Site): Promise<void> {
    const { folder, topology } = this.lab;
    const files = { folder, ca: this.nats.ca, nkey: this.nats.nkeyOf(site.unit) };
    writeFileSync(
      this.#settingsOf(site.unit),
      renderUnitSettings(topology, site, files, this.#mode),
    );
    await this.#wire(site, 'install');
  }

  async #wire(site: Site, what: 'install' | 'release'): Promise<void> {
    const file = this.#settingsOf(site.unit);
    await run([
      ...['nsenter', `--net=/run/netns/${this.lab.namespace(site.unit)}`],
      ...[process.execPath, main, 'wire', what, '--config', file],
    ]);
  }
}
