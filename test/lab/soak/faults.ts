/** What can go wrong around a unit, each as a pair of deeds and what `status` must say between them. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { Unit } from '../../../src/cli/lab/unit.ts';
import type { Lab } from '../../../src/lab/index.ts';
import { exporterPidFile, flowPort } from '../../../src/lab/instruments.ts';
import { run, spawnInside } from '../../../src/lab/namespaces.ts';

/** Preloaded into the unit, it lets a file say how wrong the wall clock is; this machine's own is never touched. */
export const falseClock = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

export interface Stage {
  readonly lab: Lab;
  unit: Unit;
  /** The right settings, as text. */
  readonly settings: string;
  /** A small disk of its own, with all that the unit keeps. */
  readonly disk: string;
  /** Seconds that the unit's wall clock is wrong, such as `+3600`; absent where it cannot be made wrong. */
  readonly clockFile: string | undefined;
  /** The only unit of its cluster has a NATS of its own; absent where that is not installed. */
  nats: ChildProcess | undefined;
  startUnit(): Promise<Unit>;
}

export const natsAddress = '127.0.0.1:4222';

export function startNats(lab: Lab): ChildProcess {
  const [address = '', port = ''] = natsAddress.split(':');
  const argv = ['nats-server', '-a', address, '-p', port, '-js', '-sd', `${lab.folder}/nats`];
  return spawnInside(lab.namespace('unit'), argv, { stdio: 'ignore' });
}

export interface Fault {
  readonly name: string;
  readonly begin: (stage: Stage) => Promise<void>;
  readonly end: (stage: Stage) => Promise<void>;
  /** What `status` must say of it; `no answer`: that it says nothing is what a person sees. Absent: it is no fault. */
  readonly seen?: RegExp | 'no answer';
  /** Cycles that pass before anybody can know: silence is only known when something was due. */
  readonly knownAfter?: number;
  /** The wires go on carrying traffic while it is there. */
  readonly forwards: boolean;
  /** Why it cannot be tried here. */
  readonly cannot?: (stage: Stage) => string | undefined;
}

/** Deeds that go on between the beginning and the end of a fault. */
let repeating: { stop: () => Promise<void> } | undefined;

function repeat(everyMs: number, deed: () => Promise<void> | void): void {
  let isOver = false;
  const loop = (async () => {
    while (!isOver) {
      await deed();
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  repeating = {
    stop: async () => {
      isOver = true;
      await loop;
    },
  };
}

async function stopRepeating(): Promise<void> {
  await repeating?.stop();
  repeating = undefined;
}

const routerOf = ({ topology }: Lab) => topology.routers[0] ?? { name: 'br1', management: '' };

const pidIn = (file: string) => Number(readFileSync(file, 'utf8'));

const signalAll = (files: readonly string[], signal: NodeJS.Signals) => {
  for (const file of files) process.kill(pidIn(file), signal);
};

const agents = ({ folder, topology }: Lab) =>
  topology.routers.map(({ name }) => `${folder}/${name}-snmpd.pid`);

const exporters = ({ folder, topology }: Lab) =>
  topology.providers.map((provider) => exporterPidFile(folder, provider));

async function setPort(lab: Lab, state: 'up' | 'down'): Promise<void> {
  const port = lab.topology.wires[0]?.outside ?? '';
  await lab.run('unit', ['ip', 'link', 'set', 'dev', port, state]);
}

const portDown = /wire \S+: a port is down|link \S+ is down/;

/** A settings file with a mistake, an unknown key of nearly the 1024 characters that YAML allows at most. */
const broken = (settings: string, i: number, length = 1) =>
  settings.replace('asn:', `asm_${i}_${'x'.repeat(length)}: 1\nasn:`);

export const faults: readonly Fault[] = [
  {
    name: 'router session lost',
    begin: async ({ lab }) => void (await lab.birdc('br1', 'disable headgate')),
    end: async ({ lab }) => void (await lab.birdc('br1', 'enable headgate')),
    seen: /no BGP session/,
    forwards: true,
  },
  {
    name: 'router killed and started again',
    begin: async ({ lab }) => signalAll([`${lab.folder}/br1.pid`], 'SIGKILL'),
    end: async ({ lab: { folder, run: runIn } }) => {
      const base = `${folder}/br1`;
      await runIn('br1', ['bird', '-c', `${base}.conf`, '-s', `${base}.ctl`, '-P', `${base}.pid`]);
    },
    seen: /no BGP session/,
    forwards: false,
  },
  {
    name: 'interface of a wire down',
    begin: async ({ lab }) => setPort(lab, 'down'),
    end: async ({ lab }) => setPort(lab, 'up'),
    seen: portDown,
    forwards: false,
  },
  {
    name: 'link flaps',
    begin: async ({ lab }) => {
      let isUp = true;
      repeat(700, async () => {
        isUp = !isUp;
        await setPort(lab, isUp ? 'up' : 'down');
      });
    },
    end: async ({ lab }) => {
      await stopRepeating();
      await setPort(lab, 'up');
    },
    seen: portDown,
    // It is up for half of the time, and the looks must meet the other half.
    knownAfter: 4,
    forwards: false,
  },
  {
    name: 'SNMP silent',
    begin: async ({ lab }) => signalAll(agents(lab), 'SIGSTOP'),
    end: async ({ lab }) => signalAll(agents(lab), 'SIGCONT'),
    seen: /no answer by SNMP/,
    // Three polls of a second.
    knownAfter: 3,
    forwards: true,
  },
  {
    name: 'exporters silent',
    begin: async ({ lab }) => signalAll(exporters(lab), 'SIGSTOP'),
    end: async ({ lab }) => signalAll(exporters(lab), 'SIGCONT'),
    seen: /no flow records/,
    // An exporter may be silent for as long as rates are averaged over.
    knownAfter: 6,
    forwards: true,
  },
  {
    name: 'exporter sends garbage',
    begin: async ({ lab }) => {
      const script = `while head -c 400 /dev/urandom >/dev/udp/${lab.topology.unit}/${flowPort}; do sleep 0.05; done`;
      const child = spawnInside(lab.namespace(routerOf(lab).name), ['bash', '-c', script], {
        stdio: 'ignore',
      });
      repeating = {
        stop: async () => {
          const gone = once(child, 'exit');
          if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
          await gone;
        },
      };
    },
    end: stopRepeating,
    seen: /sends what cannot be read/,
    forwards: true,
  },
  {
    name: 'disk full',
    begin: async ({ disk }) => fill(`${disk}/filler`),
    end: async ({ disk }) => rmSync(`${disk}/filler`),
    seen: /history is not kept|the record of decisions is not written/,
    forwards: true,
  },
  {
    name: 'NATS gone',
    begin: async ({ nats }) => {
      if (!nats) return;
      const gone = once(nats, 'exit');
      nats.kill('SIGKILL');
      await gone;
    },
    end: async (stage) => {
      stage.nats = startNats(stage.lab);
    },
    seen: /NATS is lost/,
    forwards: true,
    cannot: ({ nats }) => (nats ? undefined : 'nats-server is not installed'),
  },
  {
    name: 'clock an hour forward, and back',
    begin: async ({ clockFile = '' }) => writeFileSync(clockFile, '+3600\n'),
    end: async ({ clockFile = '' }) => writeFileSync(clockFile, '+0\n'),
    seen: /the wall clock was set by/,
    // The false clock looks at its file once a second.
    knownAfter: 1,
    forwards: true,
    cannot: ({ clockFile }) =>
      clockFile === undefined ? 'libfaketime is not installed' : undefined,
  },
  {
    name: 'memory short',
    begin: async ({ unit }) => limitMemory(unit),
    end: async ({ unit }) => freeMemory(unit),
    seen: /memory is short/,
    forwards: true,
    cannot: () =>
      existsSync(`${memoryGroups}/cgroup.procs`) ? undefined : 'no memory cgroups (v1)',
  },
  {
    name: 'SIGSTOP',
    begin: async ({ unit }) => void unit.process.kill('SIGSTOP'),
    end: async ({ unit }) => void unit.process.kill('SIGCONT'),
    seen: 'no answer',
    forwards: true,
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
      stage.unit = await stage.startUnit();
    },
    seen: 'no answer',
    forwards: true,
  },
  {
    name: 'reload in a loop, every second file broken',
    begin: async ({ unit, settings }) => {
      for (let i = 1; i <= 21; i++) {
        writeFileSync(unit.settingsFile, i % 2 === 0 ? settings : broken(settings, i));
        unit.process.kill('SIGHUP');
        await unit.status();
      }
    },
    end: async ({ unit, settings }) => {
      writeFileSync(unit.settingsFile, settings);
      unit.process.kill('SIGHUP');
    },
    seen: /the settings on the disk are not in force/,
    forwards: true,
  },
  {
    name: 'flood of the log, whose reader hangs',
    begin: async ({ unit, settings }) => {
      unit.process.stderr?.unpipe();
      unit.process.stderr?.pause();
      let i = 0;
      repeat(1, async () => {
        writeFileSync(unit.settingsFile, broken(settings, i++, 900));
        unit.process.kill('SIGHUP');
        await unit.ask('audit');
      });
    },
    end: async ({ unit, settings }) => {
      await stopRepeating();
      unit.process.stderr?.pipe(createWriteStream(unit.logFile, { flags: 'a' }), { end: false });
      writeFileSync(unit.settingsFile, settings);
      unit.process.kill('SIGHUP');
    },
    seen: /nobody takes the log/,
    // A thousand lines are needed to fill what may wait.
    knownAfter: 40,
    forwards: true,
  },
  {
    name: 'flood of requests',
    begin: async ({ unit }) => {
      const asked = Array.from({ length: 500 }, () => unit.ask('nonsense').catch(() => undefined));
      await Promise.all(asked);
    },
    end: async ({ unit }) => void (await unit.status()),
    forwards: true,
  },
];

/** Until nothing more goes in. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  for (const size of [1 << 20, 4096, 1]) {
    const bytes = Buffer.alloc(size);
    try {
      while (writeSync(file, bytes) > 0);
    } catch {
      // Full for this size.
    }
  }
  closeSync(file);
}

const memoryGroups = '/sys/fs/cgroup/memory';
const groupOf = ({ process: { pid } }: Unit) => `${memoryGroups}/hgsoak-${pid}`;

/** A control group that is nearly used up; the unit's own view of the groups is hidden by its namespace. */
async function limitMemory(unit: Unit): Promise<void> {
  const { pid } = unit.process;
  const rss =
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  mkdirSync(groupOf(unit));
  const show = `mountpoint -q ${memoryGroups} && exit; mount -t tmpfs hgsoak /sys/fs/cgroup; mkdir -p ${memoryGroups}; mount -t cgroup -o memory hgsoak ${memoryGroups}`;
  await run(['nsenter', '-t', `${pid}`, '-m', 'sh', '-c', show]);
  writeFileSync(`${groupOf(unit)}/cgroup.procs`, `${pid}`);
  // What was there before stays with its old group: the unit is near its limit by its own count, and goes on.
  writeFileSync(`${groupOf(unit)}/memory.limit_in_bytes`, `${Math.round(rss * 1.04)}`);
}

async function freeMemory(unit: Unit): Promise<void> {
  writeFileSync(`${groupOf(unit)}/memory.limit_in_bytes`, '-1');
  writeFileSync(`${memoryGroups}/cgroup.procs`, `${unit.process.pid}`);
  // Threads leave one by one.
  for (let tries = 0; tries < 50; tries++) {
    if (readFileSync(`${groupOf(unit)}/cgroup.procs`, 'utf8') === '') break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  rmdirSync(groupOf(unit));
}

/** Groups that a crash left behind. */
export function clearGroups(): void {
  if (!existsSync(memoryGroups)) return;
  for (const name of readdirSync(memoryGroups).filter((entry) => entry.startsWith('hgsoak-'))) {
    const group = `${memoryGroups}/${name}`;
    if (readFileSync(`${group}/cgroup.procs`, 'utf8') === '') rmdirSync(group);
  }
}
