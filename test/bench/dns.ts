/**
 * Queries per second of the name server on one core, and its latency at half load, beside gdnsd in the
 * same run with the same zone. Usage: scripts/bench dns [--quick] [--json]
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { atLeast, atMost, type Goal, type Row, readOptions, report, row } from './report.ts';

const options = readOptions(process.argv);
const rounds = options.isQuick ? 3 : 7;
const seconds = options.isQuick ? 2 : 5;
const run = promisify(execFile);

interface Contender {
  readonly name: string;
  readonly command: (port: number) => readonly string[];
}

interface Load {
  readonly rate: number;
  readonly latencyUs: number;
  readonly lost: number;
}

const gdnsd: Contender = {
  name: 'gdnsd',
  command: (port) => {
    writeFileSync(
      join(folder, 'gdnsd/config'),
      `options => { listen => 127.0.0.1:${port}, udp_threads => 1, tcp_threads => 1,
         run_dir => ${folder}/run, state_dir => ${folder}/state }
       plugins => { weighted => { service_types => up, w => {
         north => [203.0.113.10, 50], south => [198.51.100.10, 50] } } }\n`,
    );
    return ['gdnsd', '-c', join(folder, 'gdnsd'), 'start'];
  },
};

const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-dns-'));
const running = new Set<ChildProcess>();
try {
  await bench();
} finally {
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
}

async function bench(): Promise<void> {
  writeInputs();
  const notes = [
    'server on core 0, dnsperf with one thread on core 1; steered names are DYNA weighted in gdnsd',
    'queries: 70 % A at steered names, 10 % AAAA there (NODATA), 15 % other records, 5 % NXDOMAIN; all with EDNS',
  ];
  const contenders = [headgate('native'), headgate('javascript'), gdnsd].filter(({ name }) => {
    const isThere = name !== 'gdnsd' || existsSync('/usr/sbin/gdnsd');
    if (!isThere) notes.push('skipped: gdnsd is not installed (scripts/setup bench)');
    return isThere;
  });
  if (!existsSync('/usr/bin/dnsperf')) {
    process.stderr.write('bench: dnsperf is not installed: run scripts/setup bench\n');
    process.exitCode = 1;
    return;
  }
  const rates = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  const latencies = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    // Side by side: every round has each of them once, so that a busy machine is busy for all.
    for (const contender of contenders) {
      // The slow path has no goal: once is enough where time is short.
      if (options.isQuick && round > 0 && contender.name === 'headgate javascript') continue;
      const port = await freePort();
      const stop = await start(contender, port);
      const full = await load(port, seconds, undefined);
      const half = await load(port, Math.max(1, seconds / 2), Math.floor(full.rate / 2));
      rates.get(contender.name)?.push(full.rate);
      latencies.get(contender.name)?.push(half.latencyUs);
      if (contender.name !== 'gdnsd') lost += half.lost;
      await stop();
    }
  }
  const rows: Row[] = [
    ...[...rates].map(([name, values]) => row(`${name}, queries answered`, values, '1/s')),
    ...[...latencies].map(([name, values]) =>
      row(`${name}, mean latency at half load`, values, 'us'),
    ),
  ];
  const goals: Goal[] = [atMost('queries lost at half load', lost, 0, 'queries')];
  const peers = rates.get('gdnsd');
  if (peers) {
    const ratios = peers.map((peer, i) => (rates.get('headgate native')?.[i] ?? 0) / peer);
    const ratio = row('headgate native / gdnsd', ratios, 'ratio');
    rows.push(ratio);
    goals.unshift(atLeast('rate relative to gdnsd', ratio.value, 0.5, 'ratio'));
  }
  report('dns', rows, goals, options, notes);
}

function headgate(mode: 'native' | 'javascript'): Contender {
  const server = fileURLToPath(new URL('../support/dns-server.js', import.meta.url));
  const settings = (port: number) => ({
    listen: ['127.0.0.1'],
    port,
    zones: [
      {
        name: 'svc.example.net',
        nameservers: [{ name: 'ns1.svc.example.net', addresses: ['203.0.113.53'] }],
        file: join(folder, 'zone'),
      },
    ],
    names: Array.from({ length: 20 }, (_, i) => ({
      name: `w${i}.svc.example.net`,
      addresses: [
        { link: 'north', address: '203.0.113.10' },
        { link: 'south', address: '198.51.100.10' },
      ],
    })),
    // One load generator asks everything: the limit is paid for, and never met.
    rate_limit: { responses_per_second: 1_000_000 },
  });
  return {
    name: `headgate ${mode}`,
    command: (port) => ['node', server, mode, JSON.stringify(settings(port))],
  };
}

function writeInputs(): void {
  const others = [
    '@ 60 TXT "v=example"',
    'mail 300 MX 10 mx.elsewhere.example.',
    'host 300 A 192.0.2.1',
  ];
  writeFileSync(join(folder, 'zone'), `${others.join('\n')}\n`);
  for (const name of ['gdnsd/zones', 'run', 'state'])
    mkdirSync(join(folder, name), { recursive: true });
  const steered = Array.from({ length: 20 }, (_, i) => `w${i} 30 DYNA weighted!w`);
  writeFileSync(
    join(folder, 'gdnsd/zones/svc.example.net'),
    [
      '@ 60 SOA ns1 hostmaster 1 7200 1800 604800 60',
      '@ 3600 NS ns1',
      'ns1 3600 A 203.0.113.53',
      ...others,
      ...steered,
      '',
    ].join('\n'),
  );
  const queries = Array.from({ length: 2000 }, (_, i) => {
    const kind = i % 20;
    if (kind < 14) return `w${i % 19}.svc.example.net A`;
    if (kind < 16) return `w${i % 17}.svc.example.net AAAA`;
    if (kind === 16) return 'svc.example.net TXT';
    if (kind === 17) return 'mail.svc.example.net MX';
    if (kind === 18) return 'host.svc.example.net A';
    return `no${i}.svc.example.net A`;
  });
  writeFileSync(join(folder, 'queries'), `${queries.join('\n')}\n`);
}

async function start(contender: Contender, port: number): Promise<() => Promise<void>> {
  const [program = '', ...rest] = contender.command(port);
  const child = spawn('taskset', ['-c', '0', program, ...rest], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  running.add(child);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-500);
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const deadline = Date.now() + 30_000;
  while (!(await isAnswering(port))) {
    if (Date.now() > deadline || child.exitCode !== null)
      throw new Error(`${contender.name} does not answer on port ${port}: ${said.trim()}`);
  }
  return async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await exited;
    clearTimeout(timer);
    running.delete(child);
  };
}

async function isAnswering(port: number): Promise<boolean> {
  const question = `@127.0.0.1 -p ${port} host.svc.example.net A +short +time=1 +tries=1`;
  const asked = run('dig', question.split(' ')).catch(() => ({ stdout: '' }));
  return /192\.0\.2\.1/.test((await asked).stdout);
}

async function load(port: number, forSeconds: number, rate: number | undefined): Promise<Load> {
  const limit = rate === undefined ? [] : ['-Q', String(rate)];
  const { stdout } = await run('taskset', [
    ...['-c', '1', 'dnsperf', '-s', '127.0.0.1', '-p', String(port)],
    ...['-d', join(folder, 'queries'), '-l', String(forSeconds), '-c', '16', '-T', '1'],
    // Resolvers of today send EDNS.
    ...['-e', '-q', '200', ...limit],
  ]);
  const field = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? Number.NaN);
  return {
    rate: field(/Queries per second:\s+([\d.]+)/),
    latencyUs: field(/Average Latency \(s\):\s+([\d.]+)/) * 1e6,
    lost: field(/Queries lost:\s+(\d+)/),
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
