/** Network namespaces, and programs run in them, by iproute2. Every failure is a `HeadgateError` naming the command. */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { HeadgateError } from '../core/base/error.ts';

/** Runs a program to its end and gives what it printed on stdout. */
export function run(argv: readonly string[], input?: string): Promise<string> {
  const [program = '', ...rest] = argv;
  return new Promise((resolve, reject) => {
    const child = execFile(program, rest, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const said = stderr.trim().split('\n').slice(0, 3).join('; ') || error.message;
      reject(
        new HeadgateError('command_failed', `${argv.join(' ')}: ${said}`, {
          cause: error,
        }),
      );
    });
    if (input !== undefined) child.stdin?.end(input);
  });
}

export const inside = (namespace: string, argv: readonly string[]): string[] => [
  'ip',
  'netns',
  'exec',
  namespace,
  ...argv,
];

/**
 * Starts a program inside a namespace. The caller owns the child; it is in a process group of its own, so that an
 * interrupt typed at the terminal reaches the caller alone, who ends things in order.
 */
export function spawnInside(
  namespace: string,
  argv: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  const [program = '', ...rest] = inside(namespace, argv);
  return spawn(program, rest, { ...options, detached: true });
}

/** Many `ip` commands in one process. */
export async function ipBatch(
  namespace: string | undefined,
  lines: readonly string[],
  family: 4 | 6 = 4,
): Promise<void> {
  if (lines.length === 0) return;
  const where = namespace === undefined ? [] : ['-n', namespace];
  // `ip rule` alone does not see the family from the address; the other commands ignore `-6`.
  const option = family === 6 ? ['-6'] : [];
  await run(['ip', ...option, ...where, '-batch', '-'], `${lines.join('\n')}\n`);
}

export function listNamespaces(): string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns').sort() : [];
}

/** Ends every process inside the namespaces, then removes them. What is already gone is no error. */
export async function removeNamespaces(namespaces: readonly string[]): Promise<void> {
  const present = namespaces.filter((name) => existsSync(`/run/netns/${name}`));
  const pids = await Promise.all(present.map(processesIn));
  for (const pid of pids.flat()) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
  // A namespace lives on, nameless, until its last process is gone: deleting the name is enough here.
  await Promise.all(present.map((name) => run(['ip', 'netns', 'del', name]).catch(() => '')));
}

export interface InterfaceCounters {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly txBytes: number;
  readonly txPackets: number;
}

/** The kernel's counters of every interface of a namespace, by name. Bytes include the Ethernet header, not the FCS. */
export async function readCounters(namespace: string): Promise<Map<string, InterfaceCounters>> {
  const text = await run(['ip', '-n', namespace, '-s', '-j', 'link', 'show']);
  // The shape is iproute2's JSON.
  const links = JSON.parse(text) as ReadonlyArray<{
    readonly ifname: string;
    readonly stats64: Record<'rx' | 'tx', Record<'bytes' | 'packets', number>>;
  }>;
  return new Map(
    links.map(({ ifname, stats64: { rx, tx } }) => [
      ifname,
      {
        rxBytes: rx.bytes,
        rxPackets: rx.packets,
        txBytes: tx.bytes,
        txPackets: tx.packets,
      },
    ]),
  );
}

/** Packets that the shapers of a namespace have dropped, by interface; an interface's own counters do not have them. */
export async function readShaperDrops(namespace: string): Promise<Map<string, number>> {
  const text = await run(['tc', '-n', namespace, '-s', '-j', 'qdisc', 'show']);
  // The shape is iproute2's JSON.
  const qdiscs = JSON.parse(text) as ReadonlyArray<{
    readonly kind: string;
    readonly dev: string;
    readonly drops: number;
  }>;
  return new Map(qdiscs.filter(({ kind }) => kind === 'tbf').map(({ dev, drops }) => [dev, drops]));
}

async function processesIn(namespace: string): Promise<number[]> {
  const text = await run(['ip', 'netns', 'pids', namespace]).catch(() => '');
  return text.split('\n').filter(Boolean).map(Number);
}
