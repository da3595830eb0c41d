/**
 * What each way to carry packets costs, on one topology in one run: nothing at all, the kernel's bridge, the barest
 * redirects, minimal forwarders by AF_PACKET, AF_XDP and npm's cap, and headgate by each driver with 100,000 blocks and
 * everything tracked. All stand beside each other and are measured in turn, in rounds; a goal is judged by the median of
 * what its contenders reached within a round.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unfit } from '../wire/border.ts';
import { compiled, compiledForKernel } from '../wire/compiled.ts';
import { atLeast, atMost, type Goal, type Row, readOptions, report, row } from './report.ts';
import { type Contender, contenders, type Setting } from './wire/contenders.ts';
import {
  flood,
  floodOneCore,
  floodSmall,
  lossAt,
  prepareFlood,
  prepareOneCore,
  prepareRoundTrips,
  prepareTcp,
  roundTrips,
  tcp,
  units,
  withoutOffloads,
} from './wire/measure.ts';
import { measurePublication } from './wire/publish.ts';
import type { PublicationTimes } from './wire/publish-program.ts';
import { type Phase, Rounds } from './wire/rounds.ts';

const options = readOptions(process.argv.slice(2));
if (unfit) {
  process.stderr.write(`bench wire: ${unfit}\n`);
  process.exit(1);
}
const { isQuick } = options;
const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
const rounds = new Rounds();
process.once('exit', () => {
  rounds.close();
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** A full Internet table, or as much of it as a quick run has time to lay out. */
const destinations = isQuick ? 100_000 : 1_350_000;
/** Frames a second. */
const loads = isQuick ? [300_000] : [100_000, 300_000, 1_000_000];
const setting: Setting = {
  folder,
  tool: compiled('test/bench/wire/tool.c', folder, '-lbpf'),
  xsk: compiled('test/bench/wire/xsk.c', folder, '-lbpf'),
  generator: compiledForKernel('test/bench/wire/generate.bpf.c', folder),
  seconds: isQuick ? 0.3 : 0.5,
  destinations,
  ...(isQuick ? {} : installedCap()),
};

/** The npm package, built in a folder of its own: no dependency of ours. */
function installedCap(): { readonly cap?: string } {
  try {
    const install = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder];
    execFileSync('npm', [...install, 'cap'], { stdio: 'ignore', timeout: 180_000 });
    return { cap: folder };
  } catch {
    rounds.notes.push('npm cap could not be installed (it wants the registry and libpcap-dev)');
    return {};
  }
}

/** What two contenders reached within a round, put together. */
interface Comparison {
  readonly name: string;
  readonly unit: string;
  readonly a: string;
  readonly b: string;
  readonly join: (a: number, b: number) => number;
  readonly joined: 'x' | 'us';
  readonly bound: number;
}
const ratio = { join: (a: number, b: number) => a / b, joined: 'x' } as const;
/** Of costs. */
const inverse = { join: (a: number, b: number) => b / a, joined: 'x' } as const;
const difference = { join: (a: number, b: number) => a - b, joined: 'us' } as const;
const comparisons: readonly Comparison[] = [
  {
    name: 'headgate xdp / bridge, 66 bytes, one softirq core',
    ...{ unit: units.smallCpu, a: 'headgate xdp', b: 'bridge', ...inverse, bound: 2.5 },
  },
  {
    name: 'headgate xdp / bridge, 66 bytes, one forwarding core',
    ...{ unit: units.oneCoreCpu, a: 'headgate xdp', b: 'bridge', ...inverse, bound: 1.8 },
  },
  {
    name: 'headgate tc / bridge, 66 bytes, one softirq core',
    ...{ unit: units.smallCpu, a: 'headgate tc', b: 'bridge', ...inverse, bound: 0.95 },
  },
  {
    name: 'headgate tc / bridge, TCP',
    ...{ unit: units.tcpOn, a: 'headgate tc', b: 'bridge', ...ratio, bound: 0.8 },
  },
  {
    name: 'headgate af_packet / minimal forwarder, 66 bytes',
    ...{ unit: units.asideCpu, a: 'headgate af_packet', b: 'minimal AF_PACKET' },
    ...{ ...inverse, bound: 0.85 },
  },
  {
    name: 'headgate af_packet / bridge, TCP',
    ...{ unit: units.tcpOn, a: 'headgate af_packet', b: 'bridge', ...ratio, bound: 0.7 },
  },
  {
    name: 'headgate tc over bridge, round trip',
    ...{ unit: units.rttP50, a: 'headgate tc', b: 'bridge', ...difference, bound: 1 },
  },
  {
    name: 'headgate af_packet over bridge, round trip',
    ...{ unit: units.rttP50, a: 'headgate af_packet', b: 'bridge', ...difference, bound: 10 },
  },
];

/** Nothing to compare in what a figure is not judged by: in a quick run it is measured once. */
const aside = isQuick ? 1 : 3;
const judged = (...figures: readonly string[]): Pick<Phase, 'rounds' | 'judged'> => {
  const names = comparisons.flatMap(({ unit, a, b }) => (figures.includes(unit) ? [a, b] : []));
  return { rounds: 7, ...(isQuick ? { judged: names } : {}) };
};
const carriesTcp = ({ isPlain = false }: Contender): boolean => !isPlain;
const finishesChecksums = ({ isXdp = false }: Contender): boolean => isXdp;
const phases: readonly Phase[] = [
  { ...judged(units.rttP50), prepare: prepareRoundTrips, measure: roundTrips },
  {
    ...judged(units.tcpOn),
    takes: (contender) => carriesTcp(contender) && !finishesChecksums(contender),
    prepare: prepareTcp,
    measure: async (standing) => ({ [units.tcpOn]: (await tcp(standing)) / 1e9 }),
  },
  {
    rounds: aside,
    takes: isQuick ? finishesChecksums : carriesTcp,
    prepare: withoutOffloads,
    measure: async (standing) => ({ [units.tcpOff]: (await tcp(standing)) / 1e9 }),
  },
  { ...judged(units.smallCpu, units.asideCpu), prepare: prepareFlood, measure: floodSmall },
  {
    rounds: aside,
    measure: async (standing) => {
      const { rate, cpuNs } = await flood(standing, 1514);
      const cpu = standing.contender.isForwardedAside ? {} : { [units.fullCpu]: cpuNs };
      return { [units.full]: rate / 1e6, ...cpu };
    },
  },
  {
    rounds: aside,
    measure: async (standing) => ({ [units.mixed]: (await flood(standing, 0)).rate / 1e6 }),
  },
  ...loads.map((load) => ({
    rounds: aside,
    measure: async (standing: Parameters<Phase['measure']>[0]) => ({
      [lossAt(load)]: (await flood(standing, 66, load)).loss * 100,
    }),
  })),
  {
    ...judged(units.oneCoreCpu),
    takes: ({ isBare = false }) => !isBare,
    prepare: prepareOneCore,
    measure: floodOneCore,
  },
];

for (const contender of contenders) {
  if (isQuick && contender.isOfWholeRuns)
    rounds.notes.push(`${contender.name}: in whole runs only`);
  else await rounds.stand(contender, setting);
}
for (const phase of phases) await rounds.run(phase);
rounds.close();
const publications = Array.from(
  { length: aside },
  (): PublicationTimes => measurePublication(destinations),
);

const measured: Row[] = [...Object.values<string>(units), ...loads.map(lossAt)].flatMap((unit) =>
  contenders.flatMap(({ name }): Row[] => {
    const values = rounds.of(name, unit);
    return values.length === 0 ? [] : [row(name, values, unit)];
  }),
);
const table = `${destinations.toLocaleString('en')} weighed destinations`;
const published = (what: string, of: (times: PublicationTimes) => number): Row =>
  row(`${table}: ${what}`, publications.map(of), 'ms');
const inForce = published('in force', ({ publishMs }) => publishMs);
const readjusted = published('a failed link left', ({ readjustMs }) => readjustMs);
const heldByUs = published(
  'event loop held at most, but for waiting for a processor',
  ({ heldByUsMs }) => heldByUsMs,
);
const publishedRows = [
  published('classes from routes', ({ lookMs }) => lookMs),
  inForce,
  readjusted,
  published('event loop held at most', ({ heldMs }) => heldMs),
  heldByUs,
];
const compared = comparisons.map(({ name, unit, a, b, join, joined, bound }) => {
  const each = row(name, rounds.compare(unit, a, b, join), joined);
  const judge = joined === 'x' ? atLeast : atMost;
  return { each, goal: judge(name, each.value, bound, joined) };
});
const goals: Goal[] = [
  ...compared.map(({ goal }) => goal),
  atMost(inForce.name, inForce.value, 1000, 'ms'),
  atMost(readjusted.name, readjusted.value, 1000, 'ms'),
  atMost(heldByUs.name, heldByUs.value, 20, 'ms'),
];
report(
  'wire',
  [...measured, ...publishedRows, ...compared.map(({ each }) => each)],
  goals,
  options,
  [
    `65,536 TCP sessions one way, flat out, generated in the kernel on one core; headgate has 100,000 blocks, ${destinations.toLocaleString('en')} destinations, marks every packet and tracks every head; TCP is one iperf3 stream; round trips with both ends and the forwarder on one core; in "one core" the port is served by a thread (threaded NAPI) beside all that comes after and the reader of copies, and another core sends`,
    'contenders take turns, there and back, round by round: a goal is the median over the rounds of the ratio or the difference within a round, of which the table has the least and the largest',
    'where a core does all there is to do, it is judged by its processor time for a frame, which others on the machine do not change as they do what arrives in a second',
    'flat out is more than one core can measure beside forwarding: there headgate samples whole sessions, and counts and marks all',
    'two workers are compared with one on processors that also send and receive: with few of them that tells what sharing costs, not what it brings',
    'xdp carries no unfinished checksums, so it has no figure with offloads on',
    ...rounds.notes,
  ],
);
