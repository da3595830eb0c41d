/**
 * Hours of real traffic through the lab's loop while faults are injected, from a printed seed. Held all the time: the
 * wires forward, nothing foreign is announced, no promise is left rejected, every fault is seen in `status` within two
 * cycles of being knowable and is gone from it after healing; memory and descriptors are reported with their slope.
 * Usage: soak.js [--minutes N] [--seed S] [--only NAME]   The last line says what held; exit code 1 where something did not.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parse, stringify } from 'yaml';
import { borderPolicy } from '../../../src/cli/lab/policy.ts';
import { startUnit, type Unit } from '../../../src/cli/lab/unit.ts';
import type { StatusView } from '../../../src/control/index.ts';
import { covers, parsePrefix } from '../../../src/core/base/prefix.ts';
import { seeded } from '../../../src/core/simulate/random.ts';
import {
  createMeter,
  defaultShape,
  demandOf,
  type Lab,
  openLab,
  renderSettings,
  startTraffic,
  type Topology,
} from '../../../src/lab/index.ts';
import { community, flowPort } from '../../../src/lab/instruments.ts';
import { closeLab, startInstruments } from '../../../src/lab/lab.ts';
import { run } from '../../../src/lab/namespaces.ts';
import { waitFor } from '../../support/lab.ts';
import {
  clearGroups,
  type Fault,
  falseClock,
  faults,
  natsAddress,
  type Stage,
  startNats,
} from './faults.ts';
import { growthMax, type Size, slopePerHour } from './slope.ts';

export interface SoakReport {
  readonly seed: number;
  readonly faults: readonly string[];
  readonly failures: readonly string[];
  /** Cycles from a fault to its complaint in `status`, the most of each fault. */
  readonly seenAfter: ReadonlyMap<string, number>;
  readonly rssBytesPerHour: number;
  readonly fdsPerHour: number;
}

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  /** A part of the names of the faults to inject; all unless given. */
  readonly only?: string;
  readonly tell: (line: string) => void;
}

const prefix = 'hgsoak';
/** Generous: a busy machine may make any of these waits long. */
const waitMs = 90_000;
/** A fault is to be seen within two cycles; a look between two of them, and a machine that is busy, may add some. */
const cyclesMax = 2;
const cyclesGrace = 4;
const sizeEveryMs = 5000;
/** Descriptors that a process may have more than at the end of its first minute: sessions and requests come and go. */
const fdsGrowthMax = 40;

/** Ends after so many minutes, but not before every fault was injected once. */
export async function soak({ minutes, seed, only = '', tell }: SoakOptions): Promise<SoakReport> {
  const failures: string[] = [];
  const injected: string[] = [];
  const seenAfter = new Map<string, number>();
  const sizes: Size[] = [];
  const random = seeded(seed);
  await takeDown();
  const lab = await openLab({ shape: defaultShape('link'), policy: borderPolicy, prefix });
  let sizing: NodeJS.Timeout | undefined;
  try {
    const stage = await setStage(lab);
    sizing = setInterval(() => sizes.push(...sizeOf(stage.unit)), sizeEveryMs);
    await lab.waitForRoutes(waitMs);
    const traffic = await startTraffic(lab);
    traffic.setDemand(demandOf(lab.topology));
    const meter = createMeter(lab, traffic);
    // What came before the look began is not counted.
    const flows = async () => {
      let from = await meter.sample();
      await waitFor('traffic flows', waitMs, async () => {
        if (Date.now() - from.at < 1500) return false;
        const to = await meter.sample();
        const { goodputBitps } = meter.between(from, to);
        from = to;
        return goodputBitps > 5e6;
      });
    };
    const isWell = () =>
      waitFor('all is well', waitMs, async () => (await statusOf(stage))?.state === 'ok').catch(
        async (error) => {
          const reasons = (await statusOf(stage))?.reasons.map(({ what }) => what).join('; ');
          throw new Error(`${error.message}: ${reasons ?? 'no answer'}`);
        },
      );
    const hold = async (fault: string, what: string, check: () => Promise<void>) => {
      try {
        await check();
      } catch (error) {
        failures.push(`${fault}: ${what}: ${error instanceof Error ? error.message : error}`);
        tell(`FAILED ${failures.at(-1)}`);
      }
    };
    await flows();
    // Every source has been heard by then, or is missed.
    await waitFor(
      'the first cycles',
      waitMs,
      async () => ((await statusOf(stage))?.cycles ?? 0) > 12,
    );
    await isWell();
    const possible = faults.filter((fault) => {
      const why = fault.cannot?.(stage);
      if (why !== undefined) tell(`left out: ${fault.name}: ${why}`);
      return why === undefined && fault.name.includes(only);
    });
    const end = Date.now() + minutes * 60_000;
    let queue = shuffled(possible, random);
    for (let rounds = 0; rounds === 0 || Date.now() < end; ) {
      const fault = queue.shift();
      if (!fault) {
        rounds++;
        queue = shuffled(possible, random);
        continue;
      }
      const { name, seen } = fault;
      injected.push(name);
      const from = Date.now();
      let cycles: number | undefined;
      const cyclesBefore = (await statusOf(stage))?.cycles ?? 0;
      await hold(name, 'injected', () => fault.begin(stage));
      if (seen) {
        await hold(name, 'seen in status', async () => {
          cycles = await cyclesUntilSeen(stage, seen, cyclesBefore);
          seenAfter.set(name, Math.max(seenAfter.get(name) ?? 0, cycles));
          const most = cyclesMax + cyclesGrace + (fault.knownAfter ?? 0);
          if (cycles > most) throw new Error(`only after ${cycles} cycles, ${most} at most`);
        });
      }
      if (fault.forwards) await hold(name, 'the wires forward meanwhile', flows);
      await hold(name, 'healed', () => fault.end(stage));
      await hold(name, 'traffic flows', flows);
      await hold(name, 'gone from status', isWell);
      await hold(name, 'nothing foreign is announced', () => announcesOwn(stage));
      await hold(name, 'no promise is left rejected', async () => {
        const log = readFileSync(stage.unit.logFile, 'utf8');
        const bad = /unhandled|mistake of its own|MaxListeners/i.exec(log);
        if (bad) throw new Error(`the log has "${bad[0]}"`);
      });
      const took = ((Date.now() - from) / 1000).toFixed(0);
      tell(`${name}: seen after ${cycles ?? 0} cycles, over within ${took} s`);
    }
    await traffic.stop();
    const code = await stage.unit.stop();
    if (code !== 0) failures.push(`SIGTERM: exit code ${code}`);
  } finally {
    clearInterval(sizing);
    await takeDown();
  }
  const more = growthMax(sizes, 'fds');
  if (more > fdsGrowthMax) failures.push(`a process had ${more} descriptors more at its end`);
  return {
    seed,
    faults: injected,
    failures,
    seenAfter,
    rssBytesPerHour: slopePerHour(sizes, 'rss'),
    fdsPerHour: slopePerHour(sizes, 'fds'),
  };
}

/** A unit that measures by wires, SNMP and flow exports at once, on a small disk, with a clock that can be made wrong. */
async function setStage(lab: Lab): Promise<Stage> {
  const disk = `${lab.folder}/disk`;
  mkdirSync(disk);
  await run(['mount', '-t', 'tmpfs', '-o', 'size=48M', 'hgsoak', disk]);
  await startInstruments(lab);
  const clockFile = existsSync(falseClock) ? `${lab.folder}/clock` : undefined;
  if (clockFile !== undefined) writeFileSync(clockFile, '+0\n');
  const env: Readonly<Record<string, string>> =
    clockFile === undefined
      ? {}
      : {
          LD_PRELOAD: falseClock,
          FAKETIME_TIMESTAMP_FILE: clockFile,
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
          FAKETIME_CACHE_DURATION: '1',
        };
  const hasNats = spawnSync('nats-server', ['--version']).status === 0;
  const nats = hasNats ? startNats(lab) : undefined;
  const edit = (text: string) => editSettings(text, lab.topology, disk, hasNats);
  // At boot, as on a real machine: the kernel forwards while the unit does not.
  const wires = `${lab.folder}/wires.yaml`;
  writeFileSync(wires, edit(renderSettings(lab.topology, lab.folder, 'control')));
  await wire(lab.namespace('unit'), 'install', wires);
  const start = () => startUnit(lab, 'control', waitMs, { edit, env });
  const unit = await start();
  const settings = readFileSync(unit.settingsFile, 'utf8');
  return { lab, unit, settings, disk, clockFile, nats, startUnit: start };
}

function editSettings(text: string, topology: Topology, disk: string, hasNats: boolean): string {
  const settings = parse(text);
  const { unit, routers } = topology;
  for (const link of settings.links) link.interface = link.name;
  for (const router of settings.routers) {
    router.snmp = { version: '2c', community, interval: '1s', timeout: '500ms' };
  }
  settings.flows = {
    listen: [`${unit}:${flowPort}`],
    exporters: routers.map(({ name, management }) => ({
      address: management,
      router: name,
      layer2_overhead: 14,
    })),
  };
  // Exports and counters come in by the second, and differ from the wires when the load changes.
  settings.cycle.average = '6s';
  settings.rails = { ...settings.rails, settle: '10s', contradiction: '90%' };
  settings.history = { path: `${disk}/history.db`, max_size: '16M' };
  if (hasNats) {
    const unit = 'soak';
    for (const owned of [...settings.wires, ...settings.routers]) owned.unit = unit;
    settings.cluster = {
      ...{ network: unit, unit, units: [{ name: unit }], servers: [`nats://${natsAddress}`] },
      ...{ lease: '1s', silent: '3s', hold: '20s' },
    };
    // A unit that is cut off must not keep its plan for longer than routers do, nor than the rails hold.
    for (const router of settings.routers)
      router.bgp = { ...router.bgp, hold_time: '20s', graceful_restart: '20s' };
    settings.rails.hold = '5m';
  }
  settings.record = { path: `${disk}/record.jsonl`, max_size: '8M' };
  return stringify(settings);
}

/** In this mount namespace, where what is pinned lasts. */
async function wire(namespace: string, what: 'install' | 'release', file: string): Promise<void> {
  const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
  const command = [process.execPath, main, 'wire', what, '--config', file];
  await run(['nsenter', `--net=/run/netns/${namespace}`, ...command]);
}

/** Undefined while the unit is away or does not answer. */
async function statusOf({ unit }: Stage): Promise<StatusView | undefined> {
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, 3000, undefined));
  return Promise.race([unit.status().catch(() => undefined), late]);
}

async function cyclesUntilSeen(
  stage: Stage,
  seen: NonNullable<Fault['seen']>,
  before: number,
): Promise<number> {
  let cycles = 0;
  await waitFor(String(seen), waitMs, async () => {
    const status = await statusOf(stage);
    if (seen === 'no answer') return status === undefined;
    cycles = Math.max(0, (status?.cycles ?? 0) - before);
    return status?.reasons.some(({ what }) => seen.test(what)) ?? false;
  });
  return cycles;
}

/** Whatever an earlier run has left behind, too. */
async function takeDown(): Promise<void> {
  const folder = `/run/headgate-lab/${prefix}`;
  await wire(`${prefix}-unit`, 'release', `${folder}/wires.yaml`).catch(() => undefined);
  await closeLab(prefix).catch(() => undefined);
  await run(['umount', '-l', `${folder}/disk`]).catch(() => undefined);
  await closeLab(prefix);
  clearGroups();
}

async function announcesOwn({ lab }: Stage): Promise<void> {
  const own = lab.topology.networks.flatMap((text) => {
    const parsed = parsePrefix(text);
    return parsed.ok ? [parsed.value] : [];
  });
  const table = await lab.birdc('br1', 'show route protocol headgate');
  for (const [text] of table.matchAll(/^[0-9a-f.:]+\/\d+/gm)) {
    const prefix = parsePrefix(text);
    if (!prefix.ok || !own.some((network) => covers(network, prefix.value))) {
      throw new Error(`${text} is none of ours`);
    }
  }
}

function sizeOf({ process: { pid = 0 } }: Unit): Size[] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const rss = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
    return [{ pid, at: Date.now(), rss, fds: readdirSync(`/proc/${pid}/fd`).length }];
  } catch {
    // Killed, and the next one is not there yet.
    return [];
  }
}

/** The last lines of a run. */
export function describe(report: SoakReport): string {
  const { faults: injected, failures, seenAfter, rssBytesPerHour, fdsPerHour } = report;
  const seen = [...seenAfter].map(([name, cycles]) => `${name} ${cycles}`).join(', ');
  return [
    `cycles until seen: ${seen}`,
    `memory ${(rssBytesPerHour / 1e6).toFixed(1)} MB/h, descriptors ${fdsPerHour.toFixed(1)}/h after each process's first minute`,
    `${injected.length} faults, ${failures.length} failures`,
  ].join('\n');
}

function shuffled<T>(all: readonly T[], random: () => number): T[] {
  return all
    .map((value) => ({ value, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const option = (name: string) => {
    const at = process.argv.indexOf(name);
    return at < 0 ? undefined : process.argv[at + 1];
  };
  const seed = Number(option('--seed') ?? Math.floor(Math.random() * 2 ** 31));
  const only = option('--only');
  console.log(`seed ${seed}`);
  const report = await soak({
    minutes: Number(option('--minutes') ?? 60),
    seed,
    ...(only === undefined ? {} : { only }),
    tell: (line) => console.log(line),
  });
  console.log(describe(report));
  process.exitCode = report.failures.length > 0 ? 1 : 0;
}
