/** `headgate replay` as a person and a script see it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { capturesFolder, headgate, noCaptures, replayJson } from './captures.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-replay-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const sample = `${capturesFolder}/gen-loss1-v4.pre.pcap`;

t.test('the JSON has every promised key', { skip: noCaptures }, async (t) => {
  const [report] = await replayJson('--frames', '--block', '10.1.0.0/24', sample);
  t.match(report, {
    file: sample,
    packets: 1992,
    frame_bytes: 1692720,
    ipv4_packets: 1992,
    ipv6_packets: 0,
    other_packets: 0,
    unparsed: {},
    tcp: {
      sessions: 8,
      data_segments: 1091,
      retransmitted_segments: 8,
      retransmitted_bytes: Number,
      lost_beyond: 8,
      lost_before: 0,
      spurious: 0,
      reordered: 0,
      duplicates: 0,
      keep_alives: 0,
    },
    rtt_us: { samples: Number, min: Number, p50: Number, p95: Number, p99: Number },
    blocks: [
      {
        prefix: '10.1.0.0/24',
        direction: 'inbound',
        link: null,
        packets: 1107,
        ip_bytes: 1617172,
        l2_bytes: 1632670,
      },
      {
        prefix: '10.1.0.0/24',
        direction: 'outbound',
        link: null,
        packets: 885,
        ip_bytes: 47660,
        l2_bytes: 60050,
      },
    ],
    resolvers: [],
    elapsed_s: Number,
    packets_per_s: Number,
  });
  t.equal(report?.retransmissions?.length, 8);
  t.same(report?.retransmissions?.[0], { frame: 876, class: 'lost_beyond' });
});

t.test(
  'a cut file is reported as far as it goes, with the byte, exit code 1',
  { skip: noCaptures },
  async (t) => {
    const cut = join(folder, 'cut.pcap');
    writeFileSync(cut, readFileSync(sample).subarray(0, 100_000));
    const { code, stdout, stderr } = await headgate('replay', '--json', cut);
    const [report] = JSON.parse(stdout);
    t.equal(code, 1);
    t.equal(report.truncated, true);
    t.match(report.error, /at byte 100000$/);
    t.ok(report.packets > 500 && report.packets < 1992);
    t.match(stderr, /^headgate: .*cut\.pcap: .*byte 100000\n$/);
  },
);

t.test('what is no capture, absent or misspelled is one line and an exit code', async (t) => {
  const text = join(folder, 'text');
  writeFileSync(text, 'not a capture at all, but long enough to look at');
  const refused = await headgate('replay', text);
  t.equal(refused.code, 1);
  t.match(
    refused.stderr,
    /^headgate: .*neither pcap nor pcapng: unknown magic number at byte 0\n$/,
  );
  const absent = await headgate('replay', join(folder, 'absent'));
  t.equal(absent.code, 1);
  t.match(absent.stderr, /No such file/);
  const misused = await headgate('replay', '--block', '10.0.0.1/24', text);
  t.equal(misused.code, 2);
  t.match(misused.stderr, /is not a prefix/);
  t.equal((await headgate('replay')).code, 2);
});

t.test('resolvers are noticed with their queries', { skip: noCaptures }, async (t) => {
  const [report] = await replayJson(`${capturesFolder}/zeek-dns-edns-ecs.pcap`);
  t.ok((report?.resolvers?.length ?? 0) > 0);
  for (const { queries } of report?.resolvers ?? []) t.ok(queries > 0);
});

t.test('written packets equal those read, but for the marks', { skip: noCaptures }, async (t) => {
  const plain = join(folder, 'plain.pcap');
  await headgate('replay', '--write', plain, sample);
  const [again] = await replayJson('--frames', plain);
  const [before] = await replayJson('--frames', sample);
  t.same(
    { ...again, file: '', elapsed_s: 0, packets_per_s: 0 },
    { ...before, file: '', elapsed_s: 0, packets_per_s: 0 },
  );

  const settings = join(folder, 'headgate.yaml');
  writeFileSync(
    settings,
    `asn: 64512
networks: [10.1.0.0/24]
wires:
  - { name: core, place: inside, inside: eth1, outside: eth2 }
links:
  - { name: north, asn: 65001, capacity: 1G, attribute: { wire: core, mac: 02:00:00:00:00:0b }, mark: { dscp: 10 }, router: br1 }
  - { name: south, asn: 65002, capacity: 1G, attribute: { wire: core, mac: 02:00:00:00:00:0c }, mark: { dscp: 12 }, router: br1 }
routers:
  - { name: br1, address: 10.0.0.1 }
`,
  );
  const marked = join(folder, 'marked.pcap');
  const written = await replayJson(
    '--settings',
    settings,
    '--destination',
    '10.2.0.0/24=south',
    '--write',
    marked,
    sample,
  );
  t.equal(written[0]?.marked_packets, 885, 'every outbound packet');
  t.match(written[0]?.blocks, [{ link: 'north', direction: 'inbound', packets: 1107 }]);

  const [original, rewritten] = [readFileSync(plain), readFileSync(marked)];
  t.equal(rewritten.length, original.length);
  let differing = 0;
  for (let at = 24; at < original.length; ) {
    const captured = original.readUInt32LE(at + 8);
    const [from, to] = [original, rewritten].map((file) =>
      file.subarray(at + 16, at + 16 + captured),
    );
    at += 16 + captured;
    if (!from || !to || from.equals(to)) continue;
    differing++;
    // Only the TOS octet and the header checksum.
    const restored = Buffer.from(to);
    from.copy(restored, 15, 15, 16);
    from.copy(restored, 24, 24, 26);
    if (!restored.equals(from) || to.readUInt8(15) >> 2 !== 12)
      t.fail(`a packet differs elsewhere`);
  }
  t.equal(differing, 885);
});

t.test('without --json there is a table for people', { skip: noCaptures }, async (t) => {
  const { stdout, code } = await headgate('replay', '--block', '10.1.0.0/24', sample);
  t.equal(code, 0);
  t.match(stdout, /retransmitted.*8 \(lost beyond 8/);
  t.match(stdout, /10\.1\.0\.0\/24.*inbound.*1,107/);
});
