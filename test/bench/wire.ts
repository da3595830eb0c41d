/**
 * What each way to carry packets costs, on one topology in one run: nothing at all, the kernel's bridge, the barest
 * redirects, a minimal AF_PACKET forwarder, and headgate by each driver with 100,000 blocks and everything tracked.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unfit } from '../wire/border.ts';
import { compiled, compiledForKernel } from '../wire/compiled.ts';
import { atLeast, atMost, type Goal, type Row, readOptions, report, row } from './report.ts';
import { contenders, type Measured, measure } from './wire/contenders.ts';

const options = readOptions(process.argv.slice(2));
if (unfit) {
  process.stderr.write(`bench wire: ${unfit}\n`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

const tool = compiled('test/bench/wire/tool.c', folder, '-lbpf');
const generator = compiledForKernel('test/bench/wire/generate.bpf.c', folder);

const repeats = options.isQuick ? 1 : 3;
const seconds = options.isQuick ? 0.4 : 2;
/** A full Internet table, or as much of it as a quick run has time to lay out. */
const destinations = options.isQuick ? 100_000 : 1_350_000;
const notes: string[] = [];
const all = new Map<string, Measured[]>();
for (let repeat = 0; repeat < repeats; repeat++) {
  for (const contender of contenders) {
    try {
      const measured = await measure(contender, { folder, tool, generator, seconds, destinations });
      all.set(contender.name, [...(all.get(contender.name) ?? []), measured]);
    } catch (error) {
      notes.push(`${contender.name} skipped: ${error instanceof Error ? error.message : error}`);
    }
  }
}

const kinds = [
  ['small', 'Mpps, 66 bytes', 1e-6],
  ['full', 'Mpps, 1514 bytes', 1e-6],
  ['smallCpu', 'ns of the sending core, 66 bytes', 1],
  ['fullCpu', 'ns of the sending core, 1514 bytes', 1],
  ['loss', '% lost, 66 bytes', 100],
  ['tcpOn', 'Gbit/s TCP, offloads on', 1e-9],
  ['tcpOff', 'Gbit/s TCP, offloads off', 1e-9],
  ['rttP50', 'us round trip, median', 1e-3],
  ['rttP99', 'us round trip, p99', 1e-3],
] as const;
const rows: Row[] = kinds.flatMap(([key, unit, scale]) =>
  contenders.flatMap(({ name }): Row[] => {
    const values = (all.get(name) ?? []).flatMap((measured) => measured[key] ?? []);
    return values.length === 0
      ? []
      : [
          row(
            name,
            values.map((value) => value * scale),
            unit,
          ),
        ];
  }),
);
const median = (name: string, unit: string) =>
  rows.find((each) => each.name === name && each.unit === unit)?.value ?? Number.NaN;
const ratio = (name: string, base: string, unit: string) => median(name, unit) / median(base, unit);
const unitOf = (wanted: (typeof kinds)[number][0]) =>
  kinds.find(([key]) => key === wanted)?.[1] ?? '';
const [small, smallCpu, tcpOn, p50] = [
  unitOf('small'),
  unitOf('smallCpu'),
  unitOf('tcpOn'),
  unitOf('rttP50'),
];
const goals: Goal[] = [
  atLeast(
    'headgate xdp / bridge, 66 bytes, one softirq core',
    ratio('bridge', 'headgate xdp', smallCpu),
    2.5,
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
];
report('wire', rows, goals, options, [
  `65,536 TCP sessions one way, flat out, generated in the kernel on one core; headgate has 100,000 blocks, ${destinations.toLocaleString('en')} destinations, marks every packet and tracks every head; TCP is one iperf3 stream; round trips with both ends and the forwarder on one core`,
  'xdp carries no unfinished checksums, so it has no figure with offloads on',
  ...notes,
]);
