import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import t from 'tap';
import { type Prefix, parsePrefix } from '../../src/core/base/prefix.ts';
import { answerNatively } from '../../src/engine/dns.ts';
import { address, benchOf, name, opt, policy, q, tableOf, www } from '../support/dns.ts';

const numRuns = process.env.HEADGATE_LONG === '1' ? 500_000 : 20_000;
const nowMs = 1_800_000_000_000;

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

const api = {
  name: name('api.svc.example.net.'),
  ttl: 45,
  addresses: [
    { provider: 'west', address: address('192.0.2.99'), isUsable: true },
    { provider: 'west', address: address('192.0.2.98'), isUsable: true },
    { provider: 'north', address: address('203.0.113.99'), isUsable: true },
  ],
};
const table = tableOf(
  {
    default: { north: 5000, south: 3000, west: 2000 },
    networks: [
      { prefix: prefix('10.0.0.0/8'), weights: { south: 10_000 } },
      { prefix: prefix('10.64.0.0/10'), weights: { north: 1, west: 9_999 } },
      { prefix: prefix('10.64.1.0/24'), weights: { nobody: 10_000 } },
      { prefix: prefix('10.64.2.128/25'), weights: { north: 10_000 } },
      { prefix: prefix('2001:db8::/32'), weights: { north: 3333, south: 6667 } },
      { prefix: prefix('2001:db8:0:100::/56'), weights: { south: 10_000 } },
    ],
  },
  [www({ north: false }), api],
);

const label = fc.constantFrom(
  ...[
    'www',
    'WwW',
    'api',
    'alias',
    'big',
    'x.wild',
    'wild',
    'a.b.deep',
    'b.deep',
    'deep',
    'y.child',
  ],
  ...['child', 'nowhere', 'x.y.nowhere', 'below.www', 'mail', 'ns2', 'loop1', '*.wild'],
);
const type = fc.constantFrom('A', 'AAAA', 'TXT', 'ANY', 'NS', 'SOA', 'MX', 'CNAME', 'DS', 'AXFR');
const v4 = fc.oneof(
  fc.ipV4(),
  fc.tuple(fc.nat(255), fc.nat(3), fc.nat(255)).map(([b, c, d]) => `10.${b}.${c}.${d}`),
);
const v6 = fc.oneof(
  fc.ipV6(),
  fc.nat(0xffff).map((n) => `2001:db8:0:${n.toString(16)}::1`),
);
const resolver = fc.oneof(v4, v6);
const subnet = fc.oneof(
  fc.tuple(fc.constant(1), v4, fc.integer({ min: 0, max: 32 })),
  fc.tuple(
    fc.constant(2),
    fc.nat(0xffff).map((n) => `2001:db8:0:${n.toString(16)}::`),
    fc.integer({ min: 0, max: 128 }),
  ),
);

const query = fc
  .record({
    label,
    type,
    edns: fc.boolean(),
    size: fc.constantFrom(0, 512, 600, 1232, 4096),
    subnet: fc.option(subnet, { freq: 2 }),
    cookie: fc.option(fc.uint8Array({ minLength: 8, maxLength: 8 })),
    flags: fc.constantFrom(0, 0x0100, 0x0110),
    changes: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      {
        weight: 1,
        arbitrary: fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 2 }),
      },
    ),
  })
  .map(({ changes, ...asked }) => {
    const options = [
      ...(asked.subnet
        ? [
            {
              code: 'CLIENT_SUBNET',
              family: asked.subnet[0],
              ip: asked.subnet[1],
              sourcePrefixLength: asked.subnet[2],
            },
          ]
        : []),
      ...(asked.cookie ? [{ code: 10, data: Buffer.from(asked.cookie) }] : []),
    ];
    const bytes = Uint8Array.from(
      dnsPacket.encode({
        type: 'query',
        flags: asked.flags,
        ...q(`${asked.label}.svc.example.net`, asked.type),
        ...(asked.edns ? opt(options, asked.size) : {}),
      }),
    );
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return bytes;
  });

t.test('native code answers as TypeScript does, octet for octet, or not at all', async (t) => {
  const { raw } = benchOf(table);
  const native = answerNatively(policy, table);
  const seen = { native: 0, handedOn: 0 };
  fc.assert(
    fc.property(query, resolver, (bytes, from) => {
      const answer = native(bytes, address(from), nowMs);
      seen[answer ? 'native' : 'handedOn']++;
      return !answer || Buffer.from(answer).equals(raw(bytes, from, 'udp', nowMs));
    }),
    { numRuns },
  );
  t.ok(seen.native > numRuns / 3, `${seen.native} of ${numRuns} were native`);
  t.ok(seen.handedOn > numRuns / 20, `${seen.handedOn} were handed on`);
});

t.test(
  'what resolvers ask most is answered natively: plain, EDNS, cookie, fine client subnet',
  async (t) => {
    const native = answerNatively(policy, table);
    const edns = (options: readonly unknown[]) => opt(options);
    for (const [what, packet] of [
      ['plain', q('www.svc.example.net')],
      ['EDNS', { ...q('www.svc.example.net', 'AAAA'), ...edns([]) }],
      [
        'cookie',
        { ...q('www.svc.example.net'), ...edns([{ code: 10, data: Buffer.alloc(8, 1) }]) },
      ],
      [
        'client subnet',
        {
          ...q('www.svc.example.net'),
          ...edns([{ code: 'CLIENT_SUBNET', family: 1, ip: '10.1.2.0', sourcePrefixLength: 24 }]),
        },
      ],
      ['no such name', q('nowhere.svc.example.net')],
      ['no such type', q('www.svc.example.net', 'TXT')],
      ['the zone itself', q('svc.example.net', 'SOA')],
    ] as const) {
      const bytes = dnsPacket.encode({ type: 'query', ...packet });
      t.ok(native(bytes, address('192.0.2.1'), nowMs), what);
    }
  },
);

t.test('cookies of one are cookies of the other', async (t) => {
  const { raw } = benchOf(table);
  const native = answerNatively(policy, table);
  const ask = (cookie: Uint8Array) =>
    dnsPacket.encode({
      type: 'query',
      ...q('www.svc.example.net'),
      ...opt([{ code: 10, data: Buffer.from(cookie) }]),
    });
  const given = raw(ask(Buffer.alloc(8, 3)), '192.0.2.1', 'udp', nowMs).slice(-24);
  for (const laterS of [0, 1799, 1801, 3600, 3601, -300, -301]) {
    for (const from of ['192.0.2.1', '192.0.2.2', '2001:db8::1']) {
      const at = nowMs + laterS * 1000;
      const answer = native(ask(given), address(from), at);
      t.same(answer, raw(ask(given), from, 'udp', at), `${laterS} s later, from ${from}`);
    }
  }
});

t.test('the rate limit lets the same answers through, cut and dropped alike', async () => {
  const rateLimit = { responsesPerSecond: 20, slip: 3 };
  const asked = fc.record({
    // Few askers and names, so that limits are met.
    from: fc.constantFrom('192.0.2.1', '192.0.2.77', '198.51.100.1', '2001:db8::1'),
    label: fc.constantFrom('www', 'WWW', 'api', 'n1', 'n2', 'mail'),
    stepMs: fc.constantFrom(0, 0, 0, 1, 30, 400),
  });
  fc.assert(
    fc.property(fc.array(asked, { minLength: 100, maxLength: 400, size: 'max' }), (list) => {
      const { raw } = benchOf(table, { rateLimit });
      const native = answerNatively({ ...policy, rateLimit }, table);
      let at = nowMs;
      return list.every(({ from, label, stepMs }) => {
        at += stepMs;
        const bytes = dnsPacket.encode({ type: 'query', ...q(`${label}.svc.example.net`) });
        return Buffer.from(native(bytes, address(from), at) ?? []).equals(
          raw(bytes, from, 'udp', at),
        );
      });
    }),
    { numRuns: numRuns / 400 },
  );
});
