import t from 'tap';
import { FlowDecoder } from '../../src/core/wire/flow/index.ts';
import { readUdpDatagrams, skipWithoutCaptures } from '../support/captures.ts';
import {
  ipfix,
  netflow5,
  netflow9,
  set,
  sflow,
  template,
  usualFields,
  usualRecord,
} from '../support/flow-exports.ts';

/** Numerical Recipes' generator: the seed that a failure prints repeats the run. */
function makeRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
}

const isLong = process.env.HEADGATE_LONG === '1';
const rounds = isLong ? 2_000_000 : 60_000;
const seed = Number(process.env.HEADGATE_SEED ?? Date.now() % 1_000_000);

const usual = template(256, usualFields);
const record = usualRecord('192.0.2.1', '198.51.100.7', 1000, 3);
const flow = { source: '192.0.2.1', destination: '192.0.2.2', ipBytes: 60, packets: 1, rate: 10 };
const corpus: Uint8Array[] = [
  netflow5(0, [flow, flow]),
  netflow9(0, [set(0, usual), set(256, record, record)]),
  ipfix(0, [set(2, usual), set(256, record, record)]),
  sflow(0, [flow, flow]),
];
if (skipWithoutCaptures === false) {
  corpus.push(...readUdpDatagrams('netflow-logstash-wrapped.pcap').map((d) => d.payload));
  corpus.push(
    ...readUdpDatagrams('tcpdump-sflow_multiple_counter_30_pdus.pcap').map((d) => d.payload),
  );
}

t.test(`mutated exports never throw, hang or read outside (seed ${seed})`, async (t) => {
  const random = makeRandom(seed);
  let decoder = new FlowDecoder();
  const started = process.memoryUsage().heapUsed;
  for (let round = 0; round < rounds; round++) {
    if (round % 5000 === 0) decoder = new FlowDecoder();
    const bytes = mutate(corpus[random(corpus.length)] ?? new Uint8Array(0), random);
    let records = 0;
    decoder.decode(bytes, round * 10, {
      flow(r) {
        records++;
        const size = r.family === 6 ? 16 : 4;
        const isInside = r.sourceAt >= 0 && r.destinationAt + size <= r.bytes.length;
        if (!isInside || !(r.ipBytes >= 0) || !(r.samplingRate >= 0)) {
          throw new Error(`seed ${seed}, round ${round}: ${JSON.stringify({ ...r, bytes: [] })}`);
        }
      },
    });
    // A record takes at least two addresses of four bytes.
    if (records > bytes.length / 4) throw new Error(`seed ${seed}, round ${round}: ${records}`);
  }
  const grownMib = (process.memoryUsage().heapUsed - started) / 2 ** 20;
  t.ok(grownMib < 256, `heap grew by ${grownMib.toFixed(0)} MiB`);
});

function mutate(original: Uint8Array, random: (below: number) => number): Uint8Array {
  const bytes = original.slice(0, random(8) === 0 ? random(original.length + 1) : undefined);
  for (let changes = random(6); changes > 0 && bytes.length > 0; changes--) {
    const at = random(bytes.length);
    const kind = random(4);
    if (kind === 0) bytes[at] = random(256);
    else if (kind === 1) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    else if (kind === 2) bytes.fill(random(2) * 255, at, at + 2);
    else bytes.copyWithin(at, random(bytes.length), random(bytes.length));
  }
  return bytes;
}
