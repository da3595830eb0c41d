/** Programs that collect flows, each pinned to one core, and what they cost. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

export interface Contender {
  readonly name: string;
  readonly program: string;
  command(port: number, folder: string): readonly string[];
}

export const contenders: readonly Contender[] = [
  {
    name: 'headgate',
    program: 'node',
    command: (port) => [process.execPath, 'dist/test/bench/flows/collector.js', String(port)],
  },
  {
    name: 'nfacctd, aggregate: proto',
    program: 'nfacctd',
    command(port, folder) {
      const file = `${folder}/nfacctd.conf`;
      const lines = [
        'daemonize: false',
        'nfacctd_ip: 127.0.0.1',
        `nfacctd_port: ${port}`,
        'nfacctd_pipe_size: 8388608',
        'plugins: memory[cheap]',
        // The least that it can do with a record.
        'aggregate[cheap]: proto',
        `imt_path[cheap]: ${folder}/nfacctd.pipe`,
        'plugin_pipe_size: 67108864',
        'plugin_buffer_size: 65536',
      ];
      writeFileSync(file, `${lines.join('\n')}\n`);
      return ['nfacctd', '-f', file];
    },
  },
  {
    name: 'nfcapd',
    program: 'nfcapd',
    command: (port, folder) => [
      'nfcapd',
      '-b',
      '127.0.0.1',
      '-p',
      String(port),
      '-B',
      '8388608',
      '-w',
      folder,
    ],
  },
];

/** The core that contenders run on; the sender has the other one. */
const core = '1';

export interface Running {
  readonly child: ChildProcess;
  /** Seconds of processor time of the program and its children so far. */
  cpuS(): number;
  /** Ends it and gives its stdout. */
  end(): Promise<string>;
}

/** In a process group of its own, by which its children are found. */
export function start(contender: Contender, port: number, folder: string): Running {
  const child = spawn('taskset', ['-c', core, ...contender.command(port, folder)], {
    detached: true,
    // Only our own contender's errors are worth reading: the others log there.
    stdio: ['ignore', 'pipe', contender.program === 'node' ? 'inherit' : 'ignore'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const group = child.pid ?? -1;
  return {
    child,
    cpuS: () => groupTicks(group) / 100,
    async end() {
      const ended = once(child, 'close');
      process.kill(-group, contender.program === 'node' ? 'SIGTERM' : 'SIGINT');
      const timer = setTimeout(() => process.kill(-group, 'SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
      return output;
    },
  };
}

/** User and system time of all processes of a group, in clock ticks of 10 ms. */
function groupTicks(group: number): number {
  let ticks = 0;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const text = readFileSync(`/proc/${entry}/stat`, 'utf8');
      // Behind the name, which may hold anything: state, ppid, pgrp, ... utime and stime are 12th and 13th.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      if (Number(fields[2]) === group) ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It ended while we looked.
    }
  }
  return ticks;
}

/** Bytes waiting in the socket bound to `port`, and datagrams dropped there; undefined while it is not open. */
export function socketState(port: number): { queued: number; drops: number } | undefined {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  for (const line of readFileSync('/proc/net/udp', 'utf8').split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/);
    if (!columns[1]?.endsWith(`:${wanted}`)) continue;
    const queued = Number.parseInt(columns[4]?.split(':')[1] ?? '0', 16);
    return { queued, drops: Number(columns.at(-1)) };
  }
  return undefined;
}
