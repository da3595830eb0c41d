/**
 * Packets per second of the pipeline on one core, with everything on, beside the limits of the machine, a
 * plain C path and its peers, in one run over one generated capture. Usage: scripts/bench packets [--quick] [--json]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atLeast, atMost, type Goal, type Row, readOptions, report, row } from './report.ts';

const options = readOptions(process.argv);
const root = fileURLToPath(new URL('../../..', import.meta.url));
const sources = join(root, 'test/bench/packets');
const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-packets-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const seed = 1;
const packets = options.isQuick ? 1_000_000 : 5_000_000;
const sessions = options.isQuick ? 50_000 : 200_000;
const repeats = options.isQuick ? 3 : 5;
/** Times that two contenders run in turn: how fast the machine is changes within minutes, their ratio does not. */
const pairs = options.isQuick ? 5 : 15;

interface Truth {
  readonly packets: number;
  readonly retransmitted: number;
}
interface Timed {
  /** CPU nanoseconds per packet of each repeat. */
  readonly ns: readonly number[];
  readonly retransmitted: number;
  readonly wall_s?: number;
}
interface Peer {
  readonly name: string;
  readonly program: string;
  readonly command: (file: string) => readonly string[];
}

const rows: Row[] = [];
const goals: Goal[] = [];
const notes: string[] = [];

build();
const workers = 2;
const small = generate('small.pcap', packets, sessions, 32, workers);
const parts = {
  sum: timed('plain', small.file, 'sum'),
  touch: timed('plain', small.file, 'touch'),
};
const { plain, unit, ratio } = timedInTurn(small.file);
rows.push(
  row('read records, sum lengths', parts.sum.ns, 'ns/packet'),
  row('parse, touch one random line', parts.touch.ns, 'ns/packet'),
  row('plain C full path', plain.ns, 'ns/packet'),
  row('headgate, everything on', unit.ns, 'ns/packet'),
);
const unitNs = median(unit.ns);
goals.push(
  atMost('CPU time over the plain C path', ratio, 1.25, 'times'),
  atMost(
    'retransmissions missed or invented',
    Math.abs(unit.retransmitted - small.truth.retransmitted),
    0,
    'segments',
  ),
);

measureShapes();
measureWorkers();
measureTables();
measurePeers();
measureWholeProcess();
if (!options.isQuick) countInstructions();
report('packets', rows, goals, options, notes);

function build(): void {
  const compile = (compiler: string, ...args: readonly string[]) =>
    execFileSync(compiler, args, { cwd: sources, stdio: ['ignore', 'ignore', 'inherit'] });
  compile('g++', '-std=c++20', '-O3', 'generate.cc', '-o', join(folder, 'generate'));
  compile('gcc', '-O3', '-march=native', 'plain.c', '-o', join(folder, 'plain'));
  compile('gcc', '-O3', 'plain.c', '-o', join(folder, 'plain-any'));
  const native = join(root, 'native');
  const core = readdirSync(join(native, 'core')).filter((file) => file.endsWith('.cc'));
  compile(
    'g++',
    ...['-std=c++20', '-O3', '-fno-exceptions', '-fno-rtti', `-I${native}`, 'unit.cc'],
    ...core.map((file) => `${native}/core/${file}`),
    ...[`${native}/drivers/pcap_file.cc`, `${native}/runtime/memory.cc`, '-lz'],
    ...['-o', join(folder, 'unit')],
  );
}

function generate(
  name: string,
  count: number,
  concurrent: number,
  payload: number,
  parts = 1,
): { readonly file: string; readonly truth: Truth } {
  const file = join(folder, name);
  const args = [file, count, concurrent, payload, seed, parts].map(String);
  const truth: Truth = JSON.parse(
    execFileSync(join(folder, 'generate'), args, { encoding: 'utf8' }),
  );
  return { file, truth };
}

/** The plain path and ours, one pass of each at a time; `ratio` is the median of theirs. */
function timedInTurn(file: string): {
  readonly plain: Timed;
  readonly unit: Timed;
  readonly ratio: number;
} {
  const plains: Timed[] = [];
  const units: Timed[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    plains.push(timed('plain', file, 'full', 1));
    units.push(timed('unit', file, '1', 1));
  }
  const ratios = units.map((unit, pair) => median(unit.ns) / median(plains[pair]?.ns ?? []));
  const whole = (each: readonly Timed[]): Timed => ({
    ns: each.flatMap((one) => one.ns),
    retransmitted: each[0]?.retransmitted ?? Number.NaN,
  });
  return { plain: whole(plains), unit: whole(units), ratio: median(ratios) };
}

function timed(program: 'plain' | 'unit', file: string, mode = '1', passes = repeats): Timed {
  const args = program === 'plain' ? [file, mode, String(passes)] : [file, String(passes), mode];
  return JSON.parse(execFileSync(join(folder, program), args, { encoding: 'utf8' }));
}

/** The same work with large packets, with few sessions and with very many. */
function measureShapes(): void {
  const shapes = [
    ['1500-byte packets', options.isQuick ? 100_000 : 1_000_000, sessions, 1448],
    ['2,000 sessions', packets, 2_000, 32],
    ['1,000,000 sessions', packets, options.isQuick ? 250_000 : 1_000_000, 32],
  ] as const;
  const ns: number[] = [];
  for (const [name, count, concurrent, payload] of shapes) {
    const { file, truth } = generate('shape.pcap', count, concurrent, payload);
    const { plain, unit: measured } = timedInTurn(file);
    rows.push(row(`headgate, ${name}`, measured.ns, 'ns/packet'));
    rows.push(row(`plain C, ${name}`, plain.ns, 'ns/packet'));
    ns.push(median(measured.ns));
    if (measured.retransmitted !== truth.retransmitted)
      notes.push(
        `${name}: ${measured.retransmitted} retransmissions, truth ${truth.retransmitted}`,
      );
    rmSync(file);
  }
  goals.push(atMost('1 million sessions over 2,000', (ns[2] ?? 0) / (ns[1] ?? 1), 3, 'times'));
}

/** Offline, so that nothing but the pipeline is shared out: each worker reads the file of its sessions. */
function measureWorkers(): void {
  const one = timed('unit', small.file, '1').wall_s ?? 0;
  const shared = timed('unit', small.file, String(workers));
  rows.push(
    row(`${workers} workers: wall time of 1 over theirs`, [one / (shared.wall_s ?? 1)], 'times'),
  );
  if (shared.retransmitted !== small.truth.retransmitted)
    notes.push(
      `${workers} workers: ${shared.retransmitted} retransmissions, truth ${small.truth.retransmitted}`,
    );
}

/** What a publication costs the thread that publishes; packet threads only see another pointer. */
function measureTables(): void {
  const { ms, bytes } = JSON.parse(
    execFileSync(join(folder, 'unit'), ['tables'], { encoding: 'utf8' }),
  ) as { readonly ms: readonly number[]; readonly bytes: number }; // what unit.cc prints
  rows.push(row('full Internet table built and swapped in', ms, 'ms'));
  rows.push(row('full Internet table, memory', [bytes / 2 ** 20], 'MiB'));
  goals.push(atMost('full Internet table published', median(ms) / 1000, 1, 's'));
}

function measurePeers(): void {
  const peers: readonly Peer[] = [
    {
      name: 'argus',
      program: 'argus',
      command: (file) => ['argus', '-X', '-r', file, '-w', '/dev/null'],
    },
    {
      name: 'softflowd',
      program: 'softflowd',
      command: (file) => [
        'softflowd',
        '-d',
        '-r',
        file,
        '-m',
        '2000000',
        '-n',
        '127.0.0.1:9',
        '-v',
        '9',
      ],
    },
    { name: 'tcptrace', program: 'tcptrace', command: (file) => ['tcptrace', '-n', file] },
    {
      name: 'ndpiReader',
      program: 'ndpiReader',
      command: (file) => ['ndpiReader', '-i', file, '-q'],
    },
    {
      name: 'tshark',
      program: 'tshark',
      command: (file) => [
        'tshark',
        '-r',
        file,
        '-q',
        '-z',
        'io,stat,0,tcp.analysis.retransmission',
      ],
    },
  ];
  const bounds: Readonly<Record<string, number>> = { argus: 12, tcptrace: 30, tshark: 100 };
  // Slower peers get a part: their time per packet only grows with the number of sessions they hold.
  const part = generate('part.pcap', options.isQuick ? 50_000 : 500_000, sessions, 32);
  for (const { name, program, command } of peers) {
    if (!isInstalled(program)) {
      notes.push(`skipped: ${name} is not installed`);
      continue;
    }
    const ns = (cpuSeconds(command(part.file)) * 1e9) / part.truth.packets;
    rows.push(row(name, [ns], 'ns/packet'));
    const bound = bounds[name];
    if (bound !== undefined)
      goals.push(atLeast(`faster than ${name}`, ns / unitNs, bound, 'times'));
  }
  measurePackages(part);
}

/** The npm packages that hand JavaScript one object per packet: installed for this run only, since we need none. */
function measurePackages(part: { readonly file: string; readonly truth: Truth }): void {
  for (const name of ['pcap', 'cap']) {
    if (options.isQuick) {
      notes.push(`skipped: npm ${name}, whose build takes longer than a quick run`);
      continue;
    }
    try {
      const install = [
        'install',
        '--no-audit',
        '--no-fund',
        '--loglevel=error',
        '--prefix',
        folder,
      ];
      execFileSync('npm', [...install, name], { stdio: 'ignore', timeout: 180_000 });
    } catch {
      notes.push(`skipped: npm ${name} does not install (it wants the registry and libpcap-dev)`);
      continue;
    }
    const program = join(root, 'dist/test/bench/packets/npm-peer.js');
    const command = ['node', program, name, part.file, folder];
    const found = Number(execFileSync('node', command.slice(1), { encoding: 'utf8' }));
    if (found !== part.truth.retransmitted)
      notes.push(`npm ${name}: ${found} retransmissions, truth ${part.truth.retransmitted}`);
    rows.push(row(`npm ${name}`, [(cpuSeconds(command) * 1e9) / part.truth.packets], 'ns/packet'));
  }
}

/** From start to JSON, beside tcpdump that only reads and writes. */
function measureWholeProcess(): void {
  const ownCommand = ['node', join(root, 'dist/src/cli/main.js'), 'replay', '--json', small.file];
  const otherCommand = ['tcpdump', '-r', small.file, '-w', '/dev/null'];
  const hasOther = isInstalled('tcpdump');
  const own: Spent[] = [];
  const other: Spent[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    own.push(spent(ownCommand));
    if (hasOther) other.push(spent(otherCommand));
  }
  const rowOf = (name: string, times: readonly Spent[]) => {
    const perPacket = (of: 'wall' | 'cpu') => times.map((time) => (time[of] * 1e9) / packets);
    rows.push(row(`${name}, wall`, perPacket('wall'), 'ns/packet'));
    rows.push(row(`${name}, CPU`, perPacket('cpu'), 'ns/packet'));
  };
  rowOf('headgate replay --json', own);
  if (!hasOther) {
    notes.push('skipped: tcpdump is not installed');
    return;
  }
  rowOf('tcpdump -r FILE -w /dev/null', other);
  const ratios = own.map((time, pair) => time.wall / (other[pair]?.wall ?? Number.NaN));
  goals.push(atMost('whole process over tcpdump', median(ratios), 1, 'times'));
}

/** Instructions repeat where times do not: the difference of three passes and one, over two passes. */
function countInstructions(): void {
  if (!isInstalled('valgrind')) {
    notes.push('skipped: valgrind is not installed');
    return;
  }
  const { file, truth } = generate('instructions.pcap', 100_000, 10_000, 32);
  const count = (...command: readonly string[]): number => {
    const { stderr } = spawnSync(
      'valgrind',
      ['--tool=callgrind', `--callgrind-out-file=${folder}/callgrind.out`, ...command],
      { encoding: 'utf8' },
    );
    return Number(/Collected : (\d+)/.exec(stderr)?.[1]);
  };
  const perPacket = (command: (passes: string) => readonly string[]): number =>
    (count(...command('3')) - count(...command('1'))) / 2 / truth.packets;
  const unitProgram = join(folder, 'unit');
  rows.push(
    row(
      'headgate, instructions with table set-up',
      [perPacket((passes) => [unitProgram, file, passes, '1'])],
      'instructions/packet',
    ),
    // As for any x86-64, since valgrind does not know all instructions of this machine.
    row(
      'plain C, instructions with table set-up',
      [perPacket((passes) => [join(folder, 'plain-any'), file, 'full', passes])],
      'instructions/packet',
    ),
  );
}

function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

function cpuSeconds(command: readonly string[]): number {
  return spent(command).cpu;
}

/** Seconds that a command took, start to end. */
interface Spent {
  readonly wall: number;
  readonly cpu: number;
}

function spent(command: readonly string[]): Spent {
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null 2>&1';
  const { stderr } = spawnSync('bash', ['-c', script, 'bash', ...command], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, LC_ALL: 'C' },
  });
  const [wall = Number.NaN, user = Number.NaN, system = Number.NaN] = stderr
    .trim()
    .split(/\s+/)
    .map(Number);
  return { wall, cpu: user + system };
}

function median(values: readonly number[]): number {
  return row('', values, '').value;
}
