import dnsPacket, { type DecodedPacket } from 'dns-packet';
import t from 'tap';
import { parsePrefix } from '../../../../../src/core/base/prefix.ts';
import { benchOf, opt, q, tableOf, www } from '../../../../support/dns.ts';

// What dns-packet leaves undeclared in its types.
const rcodeOf = (answer: DecodedPacket) => (answer as unknown as { rcode: string }).rcode;
const dataOf = (answer: DecodedPacket) =>
  (answer.answers ?? []).map((record) => (record as unknown as { data: unknown }).data);
const authorityTypes = (answer: DecodedPacket) => (answer.authorities ?? []).map((r) => r.type);
const optionsOf = (answer: DecodedPacket) =>
  (answer.additionals ?? []).flatMap(
    (r) => (r as unknown as { options?: Record<string, unknown>[] }).options ?? [],
  );
const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

t.test(
  'a steered name has one provider address, with its short TTL and the authority bit',
  async (t) => {
    const { ask } = benchOf();
    const answer = ask({ ...q('www.svc.example.net'), flags: dnsPacket.RECURSION_DESIRED });
    t.equal(answer.id, 4711);
    t.ok(answer.flag_aa);
    t.ok(answer.flag_rd, 'copied');
    t.notOk(answer.flag_ra, 'no recursion here');
    t.equal(answer.answers?.length, 1);
    t.match(answer.answers?.[0], { name: 'www.svc.example.net', type: 'A', ttl: 30 });
    t.ok(['203.0.113.10', '198.51.100.10'].includes(String(dataOf(answer)[0])));
    t.same(answer.additionals, [], 'no OPT unless asked with one');
    t.match(dataOf(ask(q('www.svc.example.net', 'AAAA')))[0], /^2001:db8:[12]::10$/);
  },
);

t.test(
  'one resolver network gets one provider, every time; weights share the networks',
  async (t) => {
    const { ask } = benchOf(tableOf({ default: { north: 7000, south: 3000 }, networks: [] }));
    let north = 0;
    const networks = 4000;
    for (let i = 0; i < networks; i++) {
      const at = (host: number) =>
        dataOf(ask(q('www.svc.example.net'), `10.${i >> 8}.${i & 255}.${host}`))[0];
      if (i < 200) t.equal(at(1), at(200), 'the same /24');
      if (at(1) === '203.0.113.10') north++;
    }
    // Five standard deviations of a fair draw: sqrt(0.7 * 0.3 / 4000) = 0.7 %.
    t.ok(Math.abs(north / networks - 0.7) < 0.037, `${north} of ${networks}`);
  },
);

t.test('the plan of the longest prefix counts, and only its networks move', async (t) => {
  const networks = (weights: Record<string, number>) => [
    { prefix: prefix('192.0.2.0/24'), weights },
  ];
  const plain = benchOf();
  const planned = benchOf(
    tableOf({
      default: { north: 5000, south: 5000 },
      networks: networks({ south: 10_000 }),
    }),
  );
  t.same(dataOf(planned.ask(q('www.svc.example.net'), '192.0.2.200')), ['198.51.100.10']);
  for (let i = 0; i < 250; i++) {
    const from = `10.1.${i}.1`;
    t.same(
      dataOf(planned.ask(q('www.svc.example.net'), from)),
      dataOf(plain.ask(q('www.svc.example.net'), from)),
    );
  }
  const gone = benchOf(
    tableOf({ default: { north: 10_000 }, networks: networks({ elsewhere: 10_000 }) }),
  );
  t.same(
    dataOf(gone.ask(q('www.svc.example.net'), '192.0.2.200')),
    ['203.0.113.10'],
    'a plan that names no provider of this name falls back to the default',
  );
});

t.test(
  'an address that its health check took out is not given; all of them out, all are',
  async (t) => {
    const one = benchOf(tableOf(undefined, [www({ north: false })]));
    for (let i = 0; i < 64; i++)
      t.same(dataOf(one.ask(q('www.svc.example.net'), `10.0.${i}.1`)), ['198.51.100.10']);
    const none = benchOf(tableOf(undefined, [www({ north: false, south: false })]));
    t.equal(dataOf(none.ask(q('www.svc.example.net'))).length, 1);
  },
);

t.test(
  'a client subnet decides instead of the resolver, and the answer says its scope',
  async (t) => {
    const { ask } = benchOf(
      tableOf({
        default: { north: 10_000 },
        networks: [{ prefix: prefix('198.18.0.0/16'), weights: { south: 10_000 } }],
      }),
    );
    const withSubnet = (ip: string, sourcePrefixLength: number) =>
      ask({
        ...q('www.svc.example.net'),
        ...opt([{ code: 'CLIENT_SUBNET', family: 1, ip, sourcePrefixLength }]),
      });
    const fine = withSubnet('198.18.5.0', 24);
    t.same(dataOf(fine), ['198.51.100.10']);
    t.match(optionsOf(fine)[0], { code: 8, sourcePrefixLength: 24, scopePrefixLength: 24 });
    t.match(optionsOf(withSubnet('198.18.5.128', 25))[0], {
      sourcePrefixLength: 25,
      scopePrefixLength: 24,
    });
    t.match(optionsOf(withSubnet('198.18.0.0', 16))[0], { scopePrefixLength: 16 });
    const shy = withSubnet('0.0.0.0', 0);
    t.same(dataOf(shy), ['203.0.113.10'], 'by the resolver');
    t.match(optionsOf(shy)[0], { sourcePrefixLength: 0, scopePrefixLength: 0 });
    const static_ = ask({
      ...q('ns1.svc.example.net'),
      ...opt([{ code: 'CLIENT_SUBNET', family: 1, ip: '198.18.5.0', sourcePrefixLength: 24 }]),
    });
    t.match(optionsOf(static_)[0], { scopePrefixLength: 0 }, 'the same for everyone');
    const off = benchOf(undefined, { clientSubnet: false });
    const ignored = off.ask({
      ...q('www.svc.example.net'),
      ...opt([{ code: 'CLIENT_SUBNET', family: 1, ip: '198.18.5.0', sourcePrefixLength: 24 }]),
    });
    t.match(optionsOf(ignored)[0], { scopePrefixLength: 0 });
  },
);

t.test('what a delegated zone must answer', async (t) => {
  const { ask } = benchOf();
  const soa = ask(q('svc.example.net', 'SOA'));
  t.match(soa.answers?.[0], { type: 'SOA', data: { serial: 2026112101, minimum: 60 } });
  t.same(dataOf(ask(q('svc.example.net', 'NS'))), ['ns1.svc.example.net', 'ns2.svc.example.net']);
  t.equal(String(dataOf(ask(q('svc.example.net', 'TXT')))[0]), 'v=example,second part');
  t.match(ask(q('mail.svc.example.net', 'MX')).answers?.[0], {
    ttl: 300,
    data: { preference: 10, exchange: 'mx.elsewhere.example' },
  });
  t.same(dataOf(ask(q('x.wild.svc.example.net', 'TXT'))).map(String), ['any'], 'wildcard');
  t.equal(ask(q('x.wild.svc.example.net', 'TXT')).answers?.[0]?.name, 'x.wild.svc.example.net');
});

t.test('negative answers carry the SOA with the TTL of RFC 2308', async (t) => {
  const { ask } = benchOf();
  for (const [qname, type, expected] of [
    ['nowhere.svc.example.net', 'A', 'NXDOMAIN'],
    ['www.svc.example.net', 'TXT', 'NOERROR'],
    ['www.svc.example.net', 'HTTPS', 'NOERROR'],
    ['www.svc.example.net', 'UNKNOWN_64', 'NOERROR'],
    ['below.www.svc.example.net', 'A', 'NXDOMAIN'],
    ['b.deep.svc.example.net', 'A', 'NOERROR'],
    ['wild.svc.example.net', 'A', 'NOERROR'],
    ['ns1.svc.example.net', 'AAAA', 'NOERROR'],
  ] as const) {
    const known = type === 'HTTPS' || type === 'UNKNOWN_64' ? 'A' : type;
    const query = dnsPacket.encode({ type: 'query', ...q(qname, known) });
    if (type === 'HTTPS') query[query.length - 3] = 65;
    if (type === 'UNKNOWN_64') query[query.length - 3] = 64;
    const answer = dnsPacket.decode(Buffer.from(benchOf().raw(query)));
    t.equal(rcodeOf(answer), expected, `${qname} ${type}`);
    t.same(authorityTypes(answer), ['SOA'], `${qname} ${type}`);
    t.match(answer.authorities?.[0], { name: 'svc.example.net', ttl: 60 });
    t.ok(answer.flag_aa);
  }
  t.same(ask(q('nowhere.svc.example.net')).answers, []);
});

t.test(
  'CNAMEs are followed inside the zone, also to a steered name, and end when they loop',
  async (t) => {
    const { ask } = benchOf();
    const chased = ask(q('alias.svc.example.net'));
    t.same(
      chased.answers?.map(({ name, type }) => [name, type]),
      [
        ['alias.svc.example.net', 'CNAME'],
        ['www.svc.example.net', 'A'],
      ],
    );
    t.same(dataOf(chased)[1], dataOf(ask(q('www.svc.example.net')))[0], 'the same choice');
    t.same(dataOf(ask(q('far.svc.example.net'))), ['host.elsewhere.example']);
    t.equal(ask(q('loop1.svc.example.net')).answers?.length, 8);
    t.same(dataOf(ask(q('alias.svc.example.net', 'CNAME'))), ['www.svc.example.net']);
  },
);

t.test('a delegation below is a referral with its glue', async (t) => {
  const { ask } = benchOf();
  for (const qname of [
    'child.svc.example.net',
    'x.y.child.svc.example.net',
    'ns.child.svc.example.net',
  ]) {
    const answer = ask(q(qname));
    t.notOk(answer.flag_aa);
    t.same(answer.answers, []);
    t.match(answer.authorities?.[0], { name: 'child.svc.example.net', type: 'NS' });
    t.match(answer.additionals?.[0], { name: 'ns.child.svc.example.net', data: '192.0.2.53' });
  }
  t.same(authorityTypes(ask(q('child.svc.example.net', 'DS'))), ['SOA'], 'the parent answers DS');
});

t.test('ANY is answered with one HINFO (RFC 8482)', async (t) => {
  const { ask } = benchOf();
  for (const qname of ['www.svc.example.net', 'svc.example.net']) {
    const answer = ask(q(qname, 'ANY'));
    t.same(
      answer.answers?.map((record) => record.type),
      ['HINFO'],
    );
  }
});

t.test('names of others, other classes, transfers and meta types are refused', async (t) => {
  const { ask } = benchOf();
  t.equal(rcodeOf(ask(q('example.com'))), 'REFUSED');
  t.equal(rcodeOf(ask(q('example.net'))), 'REFUSED');
  t.equal(rcodeOf(ask(q('xsvc.example.net'))), 'REFUSED');
  t.equal(rcodeOf(ask(q('svc.example.net', 'AXFR'), undefined, 'tcp')), 'REFUSED');
  t.equal(
    rcodeOf(ask({ questions: [{ name: 'version.bind', type: 'TXT', class: 'CH' }] })),
    'REFUSED',
  );
});

t.test('the case of the question comes back as it was', async (t) => {
  const { raw } = benchOf();
  const query = dnsPacket.encode({ type: 'query', ...q('wWw.SVC.exAMple.NeT') });
  const answer = raw(query);
  t.same(answer.subarray(12, query.length), query.subarray(12));
  t.equal(dnsPacket.decode(Buffer.from(answer)).answers?.length, 1);
});

t.test(
  'an answer too large is truncated to the question, whole over TCP or with EDNS room',
  async (t) => {
    const { ask, raw, answerer } = benchOf();
    const query = dnsPacket.encode({ type: 'query', ...q('big.svc.example.net', 'TXT') });
    const truncated = dnsPacket.decode(Buffer.from(raw(query)));
    t.ok(truncated.flag_tc);
    t.same(truncated.answers, []);
    t.ok(raw(query).length <= 512);
    t.equal(answerer.counts.truncated, 2);
    t.ok(ask({ ...q('big.svc.example.net', 'TXT'), ...opt([], 4096) }).flag_tc, 'more than 1232');
    const whole = ask(q('big.svc.example.net', 'TXT'), undefined, 'tcp');
    t.notOk(whole.flag_tc);
    t.equal(whole.answers?.length, 1);
  },
);

t.test('EDNS: our size, the DO bit copied, an unknown version answered BADVERS', async (t) => {
  const { ask } = benchOf();
  const query = opt([]);
  const record = query.additionals?.[0];
  const answer = ask({ ...q('www.svc.example.net'), ...query });
  t.match(answer.additionals?.[0], { type: 'OPT', udpPayloadSize: 1232, ednsVersion: 0 });
  const dnssec = ask({
    ...q('www.svc.example.net'),
    // Fields of the OPT record that the package's union type hides.
    additionals: [{ ...record, flags: 0x8000 } as never],
  });
  t.match(dnssec.additionals?.[0], { flag_do: true });
  const newer = ask({
    ...q('www.svc.example.net'),
    additionals: [{ ...record, ednsVersion: 1 } as never],
  });
  t.match(newer.additionals?.[0], { extendedRcode: 1, ednsVersion: 0 });
  t.same(newer.answers, []);
});
