/** Round trips by block, of sessions whose every round trip is known: the slow model keeps each of them. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { prefixText } from '../../src/core/base/units.ts';
import { startReplay } from '../../src/engine/replay.ts';
import { type Sent, session } from '../support/known-sessions.ts';
import { randomOf } from '../support/random.ts';
import { writePcap } from '../wire/pcap.ts';
import { capturesFolder, headgate, noCaptures, replayJson } from './captures.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-block-rtt-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'known.pcap');

/** Delays beyond the unit, microseconds, and how many sessions of how many exchanges. */
const blocks = [
  { prefix: '198.51.100.0/24', host: 'c6336405', leastUs: 8_000, mostUs: 12_000, sessions: 40 },
  { prefix: '198.51.101.0/24', host: 'c6336505', leastUs: 300, mostUs: 900_000, sessions: 40 },
  { prefix: '198.51.102.0/24', host: 'c6336605', leastUs: 90_000, mostUs: 91_000, sessions: 1 },
] as const;
const exchanges = 10;

const seed = Number(process.env.HEADGATE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const random = randomOf(seed);
const truth = new Map<string, number[]>();
const sent: Sent[] = [];
for (const [i, { prefix, host, leastUs, mostUs, sessions }] of blocks.entries()) {
  const all: number[] = [];
  for (let n = 0; n < sessions; n++) {
    const delays = Array.from({ length: exchanges }, () =>
      Math.round(leastUs * (mostUs / leastUs) ** random()),
    );
    all.push(...delays);
    sent.push(...session(host, 20_000 + n, (i + 1) * 777 + n * 1313, delays));
  }
  truth.set(
    prefix,
    all.sort((a, b) => a - b),
  );
}
sent.sort((a, b) => a.atUs - b.atUs);
writePcap(
  path,
  sent.map(({ frame }) => frame),
  (i) => sent[i]?.atUs ?? 0,
);

/** The half octave that a time lies in, as it is stated: below 256 us one, from 524,288 us on one. */
function halfOctave(us: number): readonly [least: number, end: number] {
  let [least, end] = [0, 256];
  while (us >= end && least < 524_288)
    [least, end] = [end, Number.isInteger(Math.log2(end)) ? end * 1.5 : (end / 3) * 4];
  return [least, end];
}

t.test('each block has the samples of its own sessions, and their quantiles', async (t) => {
  t.comment(`HEADGATE_SEED=${seed}`);
  const prefixes = blocks.map(({ prefix }) => prefix);
  const [report] = await replayJson(...prefixes.flatMap((prefix) => ['--block', prefix]), path);
  t.same(
    report?.block_rtt_us?.map(({ prefix, samples }) => ({ prefix, samples })),
    blocks.map(({ prefix, sessions }) => ({ prefix, samples: sessions * exchanges })),
  );
  t.equal(
    report?.rtt_outside_us?.samples,
    [...truth.values()].flat().length,
    'as many as on all links',
  );
  for (const { prefix, p50, p95, samples } of report?.block_rtt_us ?? []) {
    const known = truth.get(prefix) ?? [];
    if (samples < 20) {
      t.same([p50, p95], [null, null], `${prefix}: ${samples} samples say nothing`);
      continue;
    }
    for (const [share, said] of [
      [0.5, p50],
      [0.95, p95],
    ] as const) {
      const us = known[Math.floor(share * (known.length - 1))] ?? 0;
      const [least, end] = halfOctave(us);
      const isRight = said !== null && said >= least && said <= end;
      t.ok(isRight, `${prefix}, ${share}: ${said} where ${us} us, of ${least} to ${end}, is true`);
    }
  }
});

t.test(
  'of real captures, what the whole histogram says of the one block that there is',
  { skip: noCaptures },
  async (t) => {
    const files = readdirSync(capturesFolder).filter((name) => /^gen-.*\.pcap$/.test(name));
    const ours = ['--block', '10.1.0.0/24', '--block', '2001:db8:a::/48'];
    const reports = await replayJson(...ours, ...files.map((name) => `${capturesFolder}/${name}`));
    t.ok(reports.length >= 10, `${reports.length} captures`);
    for (const { file, block_rtt_us: blocks, rtt_outside_us: all } of reports) {
      t.equal(blocks?.length, 1, file);
      const [block] = blocks ?? [];
      t.equal(block?.samples, all?.samples, 'as many samples');
      for (const share of ['p50', 'p95'] as const) {
        // Its steps are 1/64 octave, so that it may stand on the other side of a bound.
        const [said, fine] = [block?.[share] ?? 0, all?.[share] ?? 0];
        const [least, end] = [halfOctave(fine * 0.99)[0], halfOctave(fine * 1.01)[1]];
        t.ok(said >= least && said <= end, `${share}: ${said} where it says ${fine}`);
      }
    }
  },
);

t.test('workers that share the file out tell the same together', async (t) => {
  const tables = { blocks: blocks.map(({ prefix }) => prefixText(prefix)), links: [] };
  const [one, three] = await Promise.all(
    [1, 3].map(async (workers) => (await startReplay({ path, tables, workers }).result).counts),
  );
  t.equal(one?.blockRtts.length, blocks.length);
  t.same(three?.blockRtts, one?.blockRtts);
});

t.test('a person sees a table of them', async (t) => {
  const args = blocks.flatMap(({ prefix }) => ['--block', prefix]);
  const { stdout } = await headgate('replay', ...args, path);
  t.match(stdout, /round trip to the Internet p50/);
  t.match(stdout, /198\.51\.100\.0\/24 +│ \S+ ms +│ \S+ ms +│ 400/);
  t.match(stdout, /198\.51\.102\.0\/24 +│ - +│ - +│ 10/);
});
