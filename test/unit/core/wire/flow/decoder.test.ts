import fc from 'fast-check';
import t from 'tap';
import { ByteWriter } from '../../../../../src/core/base/bytes.ts';
import { defaultLimits, FlowDecoder } from '../../../../../src/core/wire/flow/index.ts';
import {
  decodeAll,
  field,
  ipfix,
  ipfixOptions,
  ipv4,
  netflow5,
  netflow9,
  set,
  sflow,
  template,
  usualFields,
  usualRecord,
} from '../../../../support/flow-exports.ts';

const one = usualRecord('192.0.2.1', '198.51.100.7', 1000, 3);
const two = usualRecord('192.0.2.9', '198.51.100.8', 500, 1);
const usual = template(256, usualFields);

t.test('the same flows come out of every protocol', async (t) => {
  const flow = { source: '192.0.2.1', destination: '198.51.100.7', ipBytes: 1000, packets: 1 };
  const record = usualRecord(flow.source, flow.destination, flow.ipBytes, flow.packets);
  const exports = {
    netflow5: [netflow5(0, [flow], 100)],
    netflow9: [netflow9(0, [set(0, usual), set(256, record)])],
    ipfix: [ipfix(0, [set(2, usual), set(256, record)])],
    sflow: [sflow(0, [{ ...flow, rate: 100 }])],
  };
  for (const [name, datagrams] of Object.entries(exports)) {
    const { records, decoder } = decodeAll(datagrams);
    t.match(records, [{ ...flow, input: 1, output: 2 }], name);
    t.equal(decoder.tally.records, 1, name);
  }
  t.equal(decodeAll(exports.netflow5).records[0]?.rate, 100, 'v5 header: one of 100');
  t.equal(decodeAll(exports.sflow).records[0]?.rate, 100, 'sFlow sample: one of 100');
  t.equal(decodeAll(exports.ipfix).records[0]?.rate, 0, 'not said');
});

t.test('data before its template is skipped and counted, after it decoded', async (t) => {
  const { records, decoder } = decodeAll([
    netflow9(0, [set(256, one)]),
    netflow9(1, [set(0, usual)]),
    netflow9(2, [set(256, one, two)]),
  ]);
  t.equal(records.length, 2);
  t.equal(decoder.tally.skipped.unknown_template, 1);
  t.equal(decoder.tally.lost, 0);
});

t.test('domains do not share templates', async (t) => {
  const { records, decoder } = decodeAll([
    ipfix(0, [set(2, usual)], 1),
    ipfix(0, [set(256, one)], 2),
    ipfix(0, [set(256, one)], 1),
  ]);
  t.equal(records.length, 1);
  t.equal(decoder.tally.skipped.unknown_template, 1);
});

t.test('variable lengths, enterprise fields and padding are stepped over', async (t) => {
  const fields = [field(8, 4), field(82, 65535), field(9999, 3, 35632), field(12, 4), field(1, 8)];
  const name = new TextEncoder().encode('uplink');
  const record = (long: boolean) => {
    const writer = new ByteWriter().put(ipv4('192.0.2.1'));
    if (long) writer.u8(255).u16(name.length);
    else writer.u8(name.length);
    return writer
      .put(name)
      .put(Uint8Array.of(1, 2, 3))
      .put(ipv4('198.51.100.1'))
      .u64(77n)
      .finish();
  };
  const { records, decoder } = decodeAll([
    ipfix(0, [
      set(2, template(300, fields)),
      set(300, record(false), record(true), new Uint8Array(3)),
    ]),
    ipfix(2, []),
  ]);
  t.match(records, [{ ipBytes: 77 }, { ipBytes: 77 }]);
  t.equal(decoder.tally.lost, 0, 'padding is no record');
});

t.test('sampling announced by options scales by domain and by sampler', async (t) => {
  const whole = ipfixOptions(400, [field(144, 4), field(34, 4)], 1);
  const selector = ipfixOptions(401, [field(302, 8), field(305, 4), field(306, 4)], 1);
  const withSelector = template(257, [...usualFields, field(302, 1)]);
  const { records } = decodeAll([
    ipfix(0, [set(3, whole, selector), set(2, usual, withSelector)]),
    ipfix(0, [
      set(400, new ByteWriter().u32(1).u32(1000).finish()),
      set(401, new ByteWriter().u64(5n).u32(1).u32(99).finish()),
    ]),
    ipfix(2, [set(256, one), set(257, one, Uint8Array.of(5)), set(257, one, Uint8Array.of(6))]),
  ]);
  t.same(
    records.map((record) => record.rate),
    [1000, 100, 1000],
    'domain, sampler 5, an unknown sampler falls back to the domain',
  );
});

t.test('a probability is a rate', async (t) => {
  const options = ipfixOptions(400, [field(144, 4), field(311, 8)], 1);
  const float = new Uint8Array(8);
  new DataView(float.buffer).setFloat64(0, 0.01);
  const { records } = decodeAll([
    ipfix(0, [set(3, options), set(2, usual), set(400, new Uint8Array(4), float), set(256, one)]),
  ]);
  t.ok(Math.abs((records[0]?.rate ?? 0) - 100) < 1e-6);
});

t.test('both halves of a bidirectional record', async (t) => {
  const fields = [...usualFields, field(1, 4, 29305), field(2, 4, 29305)];
  const { records } = decodeAll([
    ipfix(0, [
      set(2, template(256, fields)),
      set(256, one, new ByteWriter().u32(70).u32(2).finish()),
    ]),
  ]);
  t.match(records, [
    { source: '192.0.2.1', ipBytes: 1000, packets: 3, input: 1, output: 2 },
    { source: '198.51.100.7', ipBytes: 70, packets: 2, input: 2, output: 1 },
  ]);
});

t.test('a restart forgets templates, a gap counts, an overtaken datagram does not', async (t) => {
  const data = set(256, one);
  const gap = decodeAll([
    netflow9(10, [set(0, usual), data]),
    netflow9(13, [data]),
    netflow9(12, [data]),
    netflow9(14, [data]),
  ]);
  t.match(gap.decoder.tally, { lost: 1, reordered: 1, restarts: 0, received: 4 });
  const restart = decodeAll([
    netflow9(10, [set(0, usual), data], { uptimeMs: 9_000_000 }),
    netflow9(0, [data], { uptimeMs: 100 }),
  ]);
  t.match(restart.decoder.tally, { restarts: 1, lost: 0, records: 1 });
  t.equal(restart.decoder.tally.skipped.unknown_template, 1);
});

t.test('NetFlow v5 and IPFIX count flows in their sequence', async (t) => {
  const flow = { source: '192.0.2.1', destination: '192.0.2.2', ipBytes: 9, packets: 1 };
  t.match(decodeAll([netflow5(0, [flow, flow]), netflow5(7, [flow])]).decoder.tally, {
    lost: 5,
    received: 3,
  });
  const data = set(256, one, two);
  t.match(decodeAll([ipfix(0, [set(2, usual), data]), ipfix(6, [data])]).decoder.tally, {
    lost: 4,
    received: 4,
  });
  t.match(
    decodeAll([ipfix(4294967294, [set(2, usual), data]), ipfix(0, [data])]).decoder.tally,
    { lost: 0, restarts: 0 },
    'across the wrap',
  );
});

t.test('templates expire, change and are withdrawn', async (t) => {
  const decoder = new FlowDecoder();
  const sink = { flow: () => undefined };
  decoder.decode(ipfix(0, [set(2, usual)]), 0, sink);
  decoder.decode(ipfix(0, [set(256, one)]), defaultLimits.templateLifetimeMs + 1, sink);
  t.match(decoder.tally, { records: 0, templatesExpired: 1 });
  decoder.decode(ipfix(0, [set(2, usual)]), 0, sink);
  decoder.decode(ipfix(0, [set(2, template(256, [...usualFields].reverse()))]), 0, sink);
  t.equal(decoder.tally.templatesRedefined, 1);
  decoder.decode(ipfix(0, [set(2, template(256, []))]), 0, sink);
  decoder.decode(ipfix(0, [set(256, one)]), 0, sink);
  t.equal(decoder.tally.skipped.unknown_template, 2);
});

t.test('hostile templates cost bounded memory and are counted', async (t) => {
  const decoder = new FlowDecoder();
  const sink = { flow: () => undefined };
  for (let id = 256; id < 2256; id++) {
    decoder.decode(ipfix(0, [set(2, template(id, usualFields))], id % 7), 0, sink);
  }
  t.equal(decoder.tally.templates, defaultLimits.templates);
  t.equal(decoder.tally.skipped.template_table_full, 2000 - defaultLimits.templates);
  for (let domain = 0; domain < 1000; domain++) decoder.decode(ipfix(0, [], domain), 0, sink);
  t.equal(decoder.tally.skipped.domain_table_full, 1000 - defaultLimits.domains);
  const wide = new FlowDecoder();
  wide.decode(ipfix(0, [set(2, new ByteWriter().u16(256).u16(65535).finish())]), 0, sink);
  t.equal(wide.tally.skipped.template_too_wide, 1);
  const endless = new FlowDecoder();
  endless.decode(netflow9(0, [set(0, template(256, [field(8, 0)])), set(256, one)]), 0, sink);
  t.match(endless.tally.skipped, { template_empty: 1, unknown_template: 1 });
});

t.test(
  'sFlow reads through tags, and takes the IP length where the frame was padded',
  async (t) => {
    const flow = { source: '192.0.2.1', destination: '198.51.100.7', ipBytes: 28, rate: 512 };
    const { records } = decodeAll([sflow(0, [flow, { ...flow, vlan: 100 }])]);
    t.match(
      records,
      [flow, flow].map(({ rate, ...rest }) => ({ ...rest, rate, packets: 1 })),
    );
  },
);

t.test('any bytes give a result, and cutting a datagram never invents a record', async () => {
  const whole = [
    netflow5(0, [{ source: '192.0.2.1', destination: '192.0.2.2', ipBytes: 9, packets: 1 }]),
    netflow9(0, [set(0, usual), set(256, one, two)]),
    ipfix(0, [set(2, usual), set(256, one, two)]),
    sflow(0, [{ source: '192.0.2.1', destination: '192.0.2.2', ipBytes: 60, rate: 10 }]),
  ];
  for (const datagram of whole) {
    const expected = decodeAll([datagram]).records;
    for (let length = 0; length < datagram.length; length++) {
      const { records } = decodeAll([datagram.slice(0, length)]);
      if (records.some((record, i) => JSON.stringify(record) !== JSON.stringify(expected[i]))) {
        throw new Error(`cut to ${length} bytes: ${JSON.stringify(records)}`);
      }
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(5, 9, 10), (bytes, version) => {
      decodeAll([Uint8Array.of(0, version, ...bytes), Uint8Array.of(0, 0, 0, 5, ...bytes)]);
    }),
  );
});
