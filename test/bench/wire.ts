/**
 * What each way to carry packets costs, on one topology in one run: nothing at all, the kernel's bridge, the barest
 * redirects, minimal forwarders by AF_PACKET, AF_XDP and npm's cap, and headgate by each driver with 100,000 blocks and
 * everything tracked.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unfit } from '../wire/border.ts';
import { compiled, compiledForKernel } from '../wire/compiled.ts';
import { atLeast, atMost, type Goal, type Row, readOptions, report, row } from './report.ts';
import { contenders } from './wire/contenders.ts';
import { type Measured, measure } from './wire/measure.ts';
import { measurePublication } from './wire/publish.ts';
import type { PublicationTimes } from './wire/publish-program.ts';

const options = readOptions(process.argv.slice(2));
if (unfit) {
  process.stderr.write(`bench wire: ${unfit}\n`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

const tool = compiled('test/bench/wire/tool.c', folder, '-lbpf');
const generator = compiledForKernel('test/bench/wire/generate.bpf.c', folder);

const xsk = compiled('test/bench/wire/xsk.c', folder, '-lbpf');

const repeats = options.isQuick ? 1 : 3;
const seconds = options.isQuick ? 0.25 : 1.5;
/** Frames a second. */
const loads = options.isQuick ? [300_000] : [100_000, 300_000, 1_000_000];
/** A full Internet table, or as much of it as a quick run has time to lay out. */
const destinations = options.isQuick ? 100_000 : 1_350_000;
const notes: string[] = [];
const cap = options.isQuick ? undefined : installedCap();
const { isQuick } = options;
const setting = { folder, tool, xsk, generator, seconds, isQuick, destinations, loads, ...cap };
const all = new Map<string, Measured[]>();
for (let repeat = 0; repeat < repeats; repeat++) {
  for (const contender of contenders) {
    try {
      const measured = await measure(contender, setting);
      all.set(contender.name, [...(all.get(contender.name) ?? []), measured]);
    } catch (error) {
      if (repeat === 0)
        notes.push(`${contender.name} skipped: ${error instanceof Error ? error.message : error}`);
    }
  }
}

const publications: PublicationTimes[] = [];
for (let repeat = 0; repeat < repeats; repeat++)
  publications.push(measurePublication(destinations));

/** The npm package, built in a folder of its own: no dependency of ours. */
function installedCap(): { readonly cap?: string } {
  try {
    const install = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder];
    execFileSync('npm', [...install, 'cap'], { stdio: 'ignore', timeout: 180_000 });
    return { cap: folder };
  } catch {
    notes.push('npm cap could not be installed (it wants the registry and libpcap-dev)');
    return {};
  }
}

interface Kind {
  readonly unit: string;
  readonly scale: number;
  readonly of: (measured: Measured) => number | undefined;
}
const kinds = {
  small: { unit: 'Mpps, 66 bytes', scale: 1e-6, of: ({ small }) => small },
  full: { unit: 'Mpps, 1514 bytes', scale: 1e-6, of: ({ full }) => full },
  mixed: { unit: 'Mpps, mixed sizes', scale: 1e-6, of: ({ mixed }) => mixed },
  oneCore: { unit: 'Mpps, 66 bytes, one core', scale: 1e-6, of: ({ oneCore }) => oneCore },
  smallCpu: { unit: 'ns of the sending core, 66 bytes', scale: 1, of: ({ smallCpu }) => smallCpu },
  fullCpu: { unit: 'ns of the sending core, 1514 bytes', scale: 1, of: ({ fullCpu }) => fullCpu },
  asideCpu: { unit: 'ns of the forwarder, 66 bytes', scale: 1, of: ({ asideCpu }) => asideCpu },
  loss: { unit: '% lost flat out, 66 bytes', scale: 100, of: ({ loss }) => loss },
  tcpOn: { unit: 'Gbit/s TCP, offloads on', scale: 1e-9, of: ({ tcpOn }) => tcpOn },
  tcpOff: { unit: 'Gbit/s TCP, offloads off', scale: 1e-9, of: ({ tcpOff }) => tcpOff },
  rttP50: { unit: 'us round trip, median', scale: 1e-3, of: ({ rttP50 }) => rttP50 },
  rttP99: { unit: 'us round trip, p99', scale: 1e-3, of: ({ rttP99 }) => rttP99 },
} satisfies Record<string, Kind>;
const lossKinds = loads.map(
  (load): Kind => ({
    unit: `% lost of ${load.toLocaleString('en')} a second, 66 bytes`,
    scale: 100,
    of: ({ lossAt }) => lossAt?.get(load),
  }),
);
const rows: Row[] = [...Object.values<Kind>(kinds), ...lossKinds].flatMap(({ unit, scale, of }) =>
  contenders.flatMap(({ name }): Row[] => {
    const values = (all.get(name) ?? []).flatMap((measured) => of(measured) ?? []);
    const scaled = values.map((value) => value * scale);
    return values.length === 0 ? [] : [row(name, scaled, unit)];
  }),
);
const table = `${destinations.toLocaleString('en')} weighed destinations`;
const published = {
  look: row(
    `${table}: classes from routes`,
    publications.map(({ lookMs }) => lookMs),
    'ms',
  ),
  publish: row(
    `${table}: in force`,
    publications.map(({ publishMs }) => publishMs),
    'ms',
  ),
  readjust: row(
    `${table}: a failed link left`,
    publications.map(({ readjustMs }) => readjustMs),
    'ms',
  ),
  held: row(
    `${table}: event loop held at most`,
    publications.map(({ heldMs }) => heldMs),
    'ms',
  ),
  heldByUs: row(
    `${table}: event loop held at most, but for waiting for a processor`,
    publications.map(({ heldByUsMs }) => heldByUsMs),
    'ms',
  ),
};
rows.push(...Object.values(published));
const median = (name: string, unit: string) =>
  rows.find((each) => each.name === name && each.unit === unit)?.value ?? Number.NaN;
const ratio = (name: string, base: string, unit: string) => median(name, unit) / median(base, unit);
const [small, smallCpu, oneCore] = [kinds.small.unit, kinds.smallCpu.unit, kinds.oneCore.unit];
const [tcpOn, p50] = [kinds.tcpOn.unit, kinds.rttP50.unit];
const goals: Goal[] = [
  atLeast(
    'headgate xdp / bridge, 66 bytes, one softirq core',
    ratio('bridge', 'headgate xdp', smallCpu),
    2.5,
    'x',
  ),
  atLeast(
    'headgate xdp / bridge, 66 bytes, one forwarding core',
    ratio('headgate xdp', 'bridge', oneCore),
    1.8,
    'x',
  ),
  atLeast(
    'headgate tc / bridge, 66 bytes, one softirq core',
    ratio('bridge', 'headgate tc', smallCpu),
    0.95,
    'x',
  ),
  atLeast('headgate tc / bridge, TCP', ratio('headgate tc', 'bridge', tcpOn), 0.8, 'x'),
  atLeast(
    'headgate af_packet / minimal forwarder, 66 bytes',
    ratio('headgate af_packet', 'minimal AF_PACKET', small),
    0.85,
    'x',
  ),
  atLeast(
    'headgate af_packet / bridge, TCP',
    ratio('headgate af_packet', 'bridge', tcpOn),
    0.7,
    'x',
  ),
  atMost(
    'headgate tc over bridge, round trip',
    median('headgate tc', p50) - median('bridge', p50),
    1,
    'us',
  ),
  atMost(
    'headgate af_packet over bridge, round trip',
    median('headgate af_packet', p50) - median('bridge', p50),
    10,
    'us',
  ),
  atMost(published.publish.name, published.publish.value, 1000, 'ms'),
  atMost(published.readjust.name, published.readjust.value, 1000, 'ms'),
  atMost(published.held.name, published.held.value, 20, 'ms'),
];
report('wire', rows, goals, options, [
  `65,536 TCP sessions one way, flat out, generated in the kernel on one core; headgate has 100,000 blocks, ${destinations.toLocaleString('en')} destinations, marks every packet and tracks every head; TCP is one iperf3 stream; round trips with both ends and the forwarder on one core; in "one core" the port is served by a thread (threaded NAPI) beside all that comes after and the reader of copies, and another core sends`,
  'flat out is more than one core can measure beside forwarding: there headgate samples whole sessions, and counts and marks all',
  'xdp carries no unfinished checksums, so it has no figure with offloads on',
  ...notes,
]);
