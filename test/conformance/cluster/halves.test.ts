/**
 * A capture of real TCP, split by direction as two units see an asymmetric session, told over a real NATS and joined by
 * the leader: the same figures as of the whole. The second unit's clock is 3.7 s ahead, and only asking says so.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type Cluster, openCluster } from '../../../src/cluster/index.ts';
import { ok } from '../../../src/core/base/result.ts';
import { linkId, prefixText } from '../../../src/core/base/units.ts';
import type { HalfReport } from '../../../src/core/model/half-report.ts';
import { systemClock } from '../../../src/daemon/clock.ts';
import { HalfSessions, monotonicUs } from '../../../src/daemon/units/half-sessions.ts';
import { startReplay } from '../../../src/engine/replay.ts';
import { capturesFolder, skipWithoutCaptures } from '../../support/captures.ts';
import { passive } from '../../support/cluster.ts';
import { waitFor } from '../../support/lab.ts';

const hasNats = spawnSync('nats-server', ['--version']).status === 0;
const skip = skipWithoutCaptures || (hasNats ? false : 'nats-server is not installed');
const port = 20_000 + ((process.pid * 7) % 20_000);
const aheadUs = 3_700_000;
const north = linkId('north');

/** Captures taken halfway between a client and a server, with ours among them. */
const cases = [
  ['gen-loss1-v4.pre.pcap', '10.1.0.1/32'],
  ['gen-loss1-v4.pre.pcap', '10.2.0.1/32'],
  ['gen-upload-dup-vlan.pre.pcap', '10.1.0.1/32'],
  ['gen-short-synloss-v4.pre.pcap', '10.2.0.1/32'],
] as const;

// Others may be using the machine, and one answer has to come within 2 ms.
const timeout = 140_000;
t.setTimeout(2 * timeout);

t.test('two halves of a capture measure what the whole does', { skip, timeout }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hghalves-'));
  const server = spawn('nats-server', ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', folder], {
    stdio: 'ignore',
  });
  const units = ['west', 'east'];
  const open = (unit: string): Cluster =>
    openCluster({
      network: 'halves',
      unit,
      units,
      servers: [`nats://127.0.0.1:${port}`],
      replicas: 1,
      leaseMs: 1000,
      silentMs: 60_000,
      holdMs: 60_000,
      clock: systemClock,
      ...passive,
      onCommand: async () => ok({ clock_us: monotonicUs() + aheadUs }),
    });
  const west = open('west');
  t.teardown(async () => {
    await west.stop();
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  await waitFor('west leads', 30_000, () => west.isLeader());
  const east = open('east');
  t.teardown(() => east.stop());
  await waitFor('east hears west', 30_000, () => east.leader() === 'west');

  for (const [name, block] of cases) {
    const path = join(capturesFolder, name);
    const tables = {
      blocks: [prefixText(block)],
      links: [{ link: north, attribute: { wire: 'replay' } }],
    };
    const whole = (await startReplay({ path, tables }).result).counts;
    if (!whole) throw new Error(`${name} cannot be read`);
    const halves = { share: 1, key: 'halves' };
    const [out, back] = await Promise.all(
      split(path, block.replace(/\/.*/, '')).map(async (bytes, i) => {
        const file = join(folder, `half${i}.pcap`);
        writeFileSync(file, bytes);
        const counts = (await startReplay({ path: file, tables, halves }).result).counts;
        return counts?.halves ?? [];
      }),
    );
    if (!out || !back) throw new Error('a half is missing');

    const leader = new HalfSessions(west, () => undefined);
    const ahead = back.map((segment) => ({ ...segment, timeUs: segment.timeUs + aheadUs }));
    const reported = new HalfSessions(east, () => undefined).report(
      { segments: ahead, lost: 0 },
      1e6,
    );
    leader.hear('west', leader.report({ segments: out, lost: 0 }, 1e6));
    const taken = west.counters().reports_taken ?? 0;
    east.report({ halves: reported });
    await waitFor('the report', 20_000, () => (west.counters().reports_taken ?? 0) > taken);
    // A cast: what was sent in this test.
    const body = west.reports().find(({ unit }) => unit === 'east')?.body as {
      halves: HalfReport;
    };
    leader.hear('east', body.halves);
    t.equal(leader.join().joined, 0, 'before it is asked the clock is not known');
    await waitFor('a quick answer', 60_000, async () => {
      await leader.askClocks();
      return leader.join().unsure === 0;
    });
    const { links } = leader.join();
    const { rttUs = [], retransmitted = 0 } = links.get(north) ?? {};
    const [median, wholeMedian] = [rttUs[rttUs.length >> 1] ?? 0, whole.rttOutsideUs.p50];
    const isNear = Math.abs(median - wholeMedian) <= Math.max(1000, 0.02 * wholeMedian);
    t.ok(isNear, `${name}, ${block}: ${median} µs, the whole ${wholeMedian} µs`);
    const { samples } = whole.rttOutsideUs;
    const isMuch = Math.abs(rttUs.length - samples) <= Math.max(2, 0.1 * samples);
    t.ok(isMuch, `${rttUs.length} round trips, the whole ${samples}`);
    const { lostBeyond, spurious } = whole.tcp;
    t.ok(retransmitted <= lostBeyond + spurious, `${retransmitted} of them retransmitted by ours`);
  }
});

/** A classic pcap of Ethernet as two: what `ours` sent, and what it was sent. */
function split(path: string, ours: string): readonly Buffer[] {
  const file = readFileSync(path);
  const parts: Buffer[][] = [[file.subarray(0, 24)], [file.subarray(0, 24)]];
  for (let at = 24; at + 16 <= file.length; ) {
    const end = at + 16 + file.readUInt32LE(at + 8);
    const record = file.subarray(at, end);
    let type = 16 + 12;
    while (record.readUInt16BE(type) === 0x8100) type += 4;
    const source = record.subarray(type + 14, type + 18).join('.');
    if (record.readUInt16BE(type) === 0x0800) parts[source === ours ? 0 : 1]?.push(record);
    at = end;
  }
  return parts.map((records) => Buffer.concat(records));
}
