/**
 * Hours of real traffic through the lab's loop while faults are injected, from a printed seed. Held all the time: the
 * wires forward, nothing foreign is announced, no promise is left rejected, every fault is seen in `status` and is
 * gone from it after healing; memory and descriptors are reported with their slope.
 * Usage: soak.js [--minutes N] [--seed S]   The last line says what held; exit code 1 where something did not.
 */
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { borderPolicy } from '../../../src/cli/lab/policy.ts';
import { startUnit, type Unit } from '../../../src/cli/lab/unit.ts';
import { covers, parsePrefix } from '../../../src/core/base/prefix.ts';
import {
  createMeter,
  defaultShape,
  demandOf,
  type Lab,
  openLab,
  startTraffic,
} from '../../../src/lab/index.ts';
import { closeLab } from '../../../src/lab/lab.ts';
import { waitFor } from '../../support/lab.ts';

export interface SoakReport {
  readonly seed: number;
  readonly faults: readonly string[];
  readonly failures: readonly string[];
  /** Growth over the second half, per hour. */
  readonly rssBytesPerHour: number;
  readonly fdsPerHour: number;
}

/** A fault is there for a while and is seen in `status`, where it can be. */
interface Fault {
  readonly name: string;
  readonly begin: (stage: Stage) => Promise<void>;
  readonly end: (stage: Stage) => Promise<void>;
  /** What `status` must say of it; absent where the unit is away or goes on as if nothing was. */
  readonly seen?: RegExp;
}

interface Stage {
  readonly lab: Lab;
  unit: Unit;
  readonly settings: string;
}

const prefix = 'hgsoak';
/** Generous: a busy machine may make any of these waits long. */
const waitMs = 90_000;

const faults: readonly Fault[] = [
  {
    name: 'router session lost',
    begin: async ({ lab }) => void (await lab.birdc('br1', 'disable headgate')),
    end: async ({ lab }) => void (await lab.birdc('br1', 'enable headgate')),
    seen: /no BGP session/,
  },
  {
    name: 'interface of a wire down',
    begin: async ({ lab }) => void (await setPort(lab, 'down')),
    end: async ({ lab }) => void (await setPort(lab, 'up')),
    seen: /wire \S+: a port is down|link \S+ is down/,
  },
  {
    name: 'SIGSTOP',
    begin: async ({ unit }) => void unit.process.kill('SIGSTOP'),
    end: async ({ unit }) => void unit.process.kill('SIGCONT'),
  },
  {
    name: 'SIGKILL',
    begin: async ({ unit }) => {
      // Gone before the next one starts, or that would be taken for this one.
      const gone = once(unit.process, 'exit');
      unit.process.kill('SIGKILL');
      await gone;
    },
    end: async (stage) => {
      stage.unit = await startUnit(stage.lab, 'control', waitMs);
    },
  },
  {
    name: 'reload in a loop, every second file broken',
    begin: async ({ unit, settings }) => {
      for (let i = 0; i < 20; i++) {
        writeFileSync(unit.settingsFile, i % 2 === 0 ? settings : settings.replace('asn:', 'asm:'));
        unit.process.kill('SIGHUP');
        await unit.status();
      }
    },
    end: async ({ unit, settings }) => {
      writeFileSync(unit.settingsFile, settings);
      await unit.status();
    },
  },
  {
    name: 'flood of requests',
    begin: async ({ unit }) => {
      const asked = Array.from({ length: 500 }, () => unit.ask('nonsense').catch(() => undefined));
      await Promise.all(asked);
    },
    end: async ({ unit }) => void (await unit.status()),
  },
];

async function setPort(lab: Lab, state: 'up' | 'down'): Promise<void> {
  const port = lab.topology.wires[0]?.outside ?? '';
  await lab.run('unit', ['ip', 'link', 'set', 'dev', port, state]);
}

export async function soak(
  minutes: number,
  seed: number,
  tell: (line: string) => void,
): Promise<SoakReport> {
  const failures: string[] = [];
  const injected: string[] = [];
  const samples: { at: number; rss: number; fds: number }[] = [];
  const random = randomFrom(seed);
  const lab = await openLab({ shape: defaultShape('link'), policy: borderPolicy, prefix });
  try {
    const unit = await startUnit(lab, 'control');
    const stage: Stage = { lab, unit, settings: readFileSync(unit.settingsFile, 'utf8') };
    await lab.waitForRoutes(waitMs);
    const traffic = await startTraffic(lab);
    traffic.setDemand(demandOf(lab.topology));
    const meter = createMeter(lab, traffic);
    const flows = () =>
      waitFor('traffic flows', waitMs, async () => {
        await meter.sample();
        return (meter.last(3)?.goodputBitps ?? 0) > 5e6;
      });
    const end = Date.now() + minutes * 60_000;
    let queue: Fault[] = [];
    while (Date.now() < end) {
      if (queue.length === 0) queue = shuffled(faults, random);
      const fault = queue.shift();
      if (!fault) break;
      injected.push(fault.name);
      tell(`fault: ${fault.name}`);
      const hold = async (what: string, check: () => Promise<void>) => {
        try {
          await check();
        } catch (error) {
          failures.push(
            `${fault.name}: ${what}: ${error instanceof Error ? error.message : error}`,
          );
          tell(`FAILED ${failures.at(-1)}`);
        }
      };
      await hold('injected', () => fault.begin(stage));
      const { seen } = fault;
      if (seen) {
        await hold('seen in status', () =>
          waitFor(String(seen), waitMs, async () => {
            const { reasons } = await stage.unit.status();
            return reasons.some(({ what }) => seen.test(what));
          }),
        );
      }
      await hold('healed', () => fault.end(stage));
      await hold('traffic flows', flows);
      await hold('gone from status', () =>
        waitFor('all is well', waitMs, async () => (await stage.unit.status()).state === 'ok'),
      );
      await hold('nothing foreign is announced', () => announcesOwn(stage));
      await hold('no promise is left rejected', async () => {
        const log = readFileSync(stage.unit.logFile, 'utf8');
        const bad = /unhandled|mistake of its own|MaxListeners/i.exec(log);
        if (bad) throw new Error(`the log has "${bad[0]}"`);
      });
      samples.push({ at: Date.now(), ...sizeOf(stage.unit) });
    }
    await traffic.stop();
    const code = await stage.unit.stop();
    if (code !== 0) failures.push(`SIGTERM: exit code ${code}`);
  } finally {
    await closeLab(prefix);
  }
  const late = samples.slice(Math.floor(samples.length / 2));
  const slope = (key: 'rss' | 'fds') => slopePerHour(late.map((s) => [s.at, s[key]]));
  return {
    seed,
    faults: injected,
    failures,
    rssBytesPerHour: slope('rss'),
    fdsPerHour: slope('fds'),
  };
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

function sizeOf({ process: { pid } }: Unit): { readonly rss: number; readonly fds: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rss = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  return { rss, fds: readdirSync(`/proc/${pid}/fd`).length };
}

/** Least squares. */
function slopePerHour(points: ReadonlyArray<readonly [at: number, value: number]>): number {
  const n = points.length;
  if (n < 2) return 0;
  const mean = (pick: 0 | 1) => points.reduce((sum, point) => sum + point[pick], 0) / n;
  const [x, y] = [mean(0), mean(1)];
  const above = points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0);
  const below = points.reduce((sum, [at]) => sum + (at - x) ** 2, 0);
  return below === 0 ? 0 : (above / below) * 3_600_000;
}

/** mulberry32: small, seeded, the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled<T>(all: readonly T[], random: () => number): T[] {
  return all
    .map((value) => ({ value, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const option = (name: string, fallback: number) => {
    const at = process.argv.indexOf(name);
    return at < 0 ? fallback : Number(process.argv[at + 1]);
  };
  const seed = option('--seed', Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const report = await soak(option('--minutes', 60), seed, (line) => console.log(line));
  const { faults: injected, failures, rssBytesPerHour, fdsPerHour } = report;
  console.log(
    `memory ${(rssBytesPerHour / 1e6).toFixed(1)} MB/h, descriptors ${fdsPerHour.toFixed(1)}/h over the second half`,
  );
  console.log(`${injected.length} faults, ${failures.length} failures`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}
