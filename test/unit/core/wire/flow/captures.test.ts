import { readFileSync } from 'node:fs';
import t from 'tap';
import { FlowDecoder } from '../../../../../src/core/wire/flow/index.ts';
import {
  capturesFolder,
  readUdpDatagrams,
  skipWithoutCaptures,
} from '../../../../support/captures.ts';

interface ManifestEntry {
  readonly name: string;
  readonly reference: {
    readonly protocol: {
      readonly sum_octets_fields: number;
      readonly sum_packets_fields: number;
      readonly datagrams: number;
      readonly samples: number;
    };
  };
}

function reference(name: string): ManifestEntry['reference']['protocol'] {
  // The manifest is ours to trust: its shape is written in its README.
  const manifest = JSON.parse(readFileSync(`${capturesFolder}/MANIFEST.json`, 'utf8')) as {
    entries: ManifestEntry[];
  };
  const entry = manifest.entries.find((candidate) => candidate.name === name);
  if (!entry) throw new Error(`${name} is not in the manifest`);
  return entry.reference.protocol;
}

/** Frames that tshark and headgate read differently: [bytes, packets] of either, and why. */
const differences: Record<
  number,
  { tshark: readonly [number, number]; ours: readonly [number, number]; why: string }
> = {
  3: { tshark: [388, 4], ours: [638, 8], why: 'bidirectional: the reverse half (RFC 5103) too' },
  29: { tshark: [0, 0], ours: [332, 4], why: 'flow totals (85, 86), which tshark lists apart' },
  30: { tshark: [0, 0], ours: [264, 6], why: 'flow totals (85, 86), which tshark lists apart' },
  33: { tshark: [3685383960, 529620], ours: [0, 0], why: 'v5 claiming thousands of records' },
  34: { tshark: [7452936707, 8336652083], ours: [0, 0], why: 'v5 claiming thousands of records' },
  38: { tshark: [64, 2], ours: [160, 5], why: 'post counters, where the others are zero' },
  43: { tshark: [0, 0], ours: [888, 0], why: 'flow totals of a firewall' },
  58: { tshark: [142991108, 133708], ours: [0, 0], why: 'wireless stations: no two addresses' },
  68: { tshark: [1027087, 697], ours: [8729687, 6113], why: 'tshark stops at its first record' },
  73: { tshark: [0, 0], ours: [194, 2], why: 'initiator and responder counters' },
};

t.test(
  'exports of 47 real exporters add up to the reference, apart from ten explained frames',
  { skip: skipWithoutCaptures },
  async (t) => {
    const decoders = new Map<string, FlowDecoder>();
    const sum = { bytes: 0, packets: 0 };
    for (const { frame, source, payload } of readUdpDatagrams('netflow-logstash-wrapped.pcap')) {
      const decoder = decoders.get(source) ?? new FlowDecoder();
      decoders.set(source, decoder);
      const own = { bytes: 0, packets: 0 };
      const result = decoder.decode(payload, 0, {
        flow(record) {
          own.bytes += record.ipBytes;
          own.packets += record.packets;
        },
      });
      const difference = differences[frame];
      t.equal(result.ok, frame !== 33 && frame !== 34, `frame ${frame}`);
      if (difference) t.same([own.bytes, own.packets], difference.ours, difference.why);
      sum.bytes += difference?.tshark[0] ?? own.bytes;
      sum.packets += difference?.tshark[1] ?? own.packets;
    }
    const expected = reference('netflow-logstash-wrapped.pcap');
    t.equal(sum.bytes, expected.sum_octets_fields);
    t.equal(sum.packets, expected.sum_packets_fields);
    t.equal(decoders.size, 47);
  },
);

t.test('sFlow counter samples of a real switch', { skip: skipWithoutCaptures }, async (t) => {
  const name = 'tcpdump-sflow_multiple_counter_30_pdus.pcap';
  const decoder = new FlowDecoder();
  let interfaces = 0;
  let datagrams = 0;
  for (const { destinationPort, payload } of readUdpDatagrams(name)) {
    // Among them are five NetFlow v5 datagrams on the sFlow port.
    const isSflow = destinationPort === 6343 && payload[1] === 0;
    if (!isSflow) continue;
    datagrams++;
    decoder.decode(payload, 0, {
      flow: () => t.fail('there are no flow samples in this capture'),
      counters(counters) {
        interfaces++;
        t.ok(counters.ifIndex > 0);
        t.ok(counters.inBytes >= 0n);
      },
    });
  }
  const expected = reference(name);
  t.equal(datagrams, expected.datagrams);
  t.equal(decoder.tally.counterSamples, expected.samples);
  t.ok(interfaces > 0);
});

t.test(
  'a hostile sFlow datagram is refused or counted, never thrown',
  { skip: skipWithoutCaptures },
  async (t) => {
    const decoder = new FlowDecoder();
    for (const { payload } of readUdpDatagrams('malformed/tcpdump-sflow_print-segv.pcap')) {
      const result = decoder.decode(payload, 0, { flow: () => undefined });
      const skipped = Object.values(decoder.tally.skipped).reduce((a, b) => a + b, 0);
      t.ok(!result.ok || skipped > 0);
    }
  },
);
