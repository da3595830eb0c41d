import dnsPacket from 'dns-packet';
import t from 'tap';
import { checkCookie } from '../../../../../src/core/wire/dns/cookie.ts';
import { sipHash24 } from '../../../../../src/core/wire/dns/siphash.ts';
import { address, benchOf, opt, policy, q } from '../../../../support/dns.ts';

const encode = (packet: Parameters<typeof dnsPacket.encode>[0]) =>
  Uint8Array.from(dnsPacket.encode({ type: 'query', ...packet }));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const good = encode(q('www.svc.example.net'));
const withEdns = encode({ ...q('www.svc.example.net'), ...opt() });
const patched = (bytes: Uint8Array, at: number, ...values: number[]) => {
  const copy = bytes.slice();
  copy.set(values, at < 0 ? copy.length + at : at);
  return copy;
};

t.test('what is no query is met with silence', async (t) => {
  const { raw, answerer } = benchOf();
  t.equal(raw(good.subarray(0, 11)).length, 0);
  t.equal(raw(patched(good, 2, 0x80)).length, 0, 'a response would loop');
  t.match(answerer.counts, { ignored_too_short: 1, ignored_is_response: 1 });
});

t.test(
  'malformed queries get the code that the RFCs give them, never more than they sent plus OPT',
  async (t) => {
    const subnet = (...octets: number[]) => {
      const bytes = withEdns.slice();
      bytes[bytes.length - 1] = octets.length + 4;
      return Uint8Array.from([...bytes, 0, 8, 0, octets.length, ...octets]);
    };
    for (const [what, bytes, code] of [
      ['no question', patched(good, 4, 0, 0), 1],
      ['two questions', patched(good, 4, 0, 2), 1],
      ['opcode NOTIFY', patched(good, 2, 0x20), 4],
      ['opcode UPDATE', patched(good, 2, 0x28), 4],
      ['question cut short', good.subarray(0, good.length - 1), 1],
      ['label beyond the end', patched(good, 12, 63), 1],
      ['compression pointer in the question', patched(good, 12, 0xc0, 12), 1],
      ['octets behind the message', Uint8Array.from([...good, 0]), 1],
      ['an answer record announced but absent', patched(good, 7, 1), 1],
      [
        'two OPT records',
        patched(Uint8Array.from([...withEdns, ...withEdns.slice(-11)]), 11, 2),
        1,
      ],
      ['OPT with an owner', patched(withEdns, withEdns.length - 11, 1), 1],
      ['option beyond the end', patched(withEdns, withEdns.length - 1, 3), 1],
      ['client subnet: family 3', subnet(0, 3, 24, 0, 10, 0, 0), 1],
      ['client subnet: bits beyond the prefix', subnet(0, 1, 23, 0, 10, 0, 1), 1],
      ['client subnet: longer than an address', subnet(0, 1, 33, 0, 10, 0, 0, 0, 0), 1],
      ['client subnet: address longer than needed', subnet(0, 1, 16, 0, 10, 0, 0), 1],
      ['client subnet: scope in a query', subnet(0, 1, 24, 24, 10, 0, 0), 1],
      ['good', good, 0],
      ['good with EDNS', withEdns, 0],
      ['good with a client subnet', subnet(0, 1, 24, 0, 10, 0, 1), 0],
    ] as const) {
      const answer = benchOf().raw(bytes);
      t.equal((answer[3] ?? 0) & 15, code, what);
      t.equal((answer[2] ?? 0) & 0x80, 0x80, `${what}: is a response`);
      if (code !== 0) t.ok(answer.length <= Math.max(bytes.length, 12) + 11, what);
      t.doesNotThrow(() => dnsPacket.decode(Buffer.from(answer)), what);
    }
    t.equal((benchOf().raw(patched(good, 2, 0x20))[2] ?? 0) & 0x78, 0x20, 'the opcode comes back');
  },
);

t.test('SipHash-2-4 gives the values of its paper', async (t) => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i);
  const message = Uint8Array.from({ length: 15 }, (_, i) => i);
  t.equal(hex(sipHash24(key, message)), 'e545be4961ca29a1');
  t.equal(hex(sipHash24(key, new Uint8Array(0))), '310e0edd47db6f72');
  t.equal(hex(sipHash24(key, message.subarray(0, 8))), '6224939a79f5f593');
});

t.test('cookies are those of RFC 9018, appendix A', async (t) => {
  const from = address('198.51.100.100').bytes;
  const secret = Buffer.from('e5e973e5a6b2a43f48e7dc849e37bfcf', 'hex');
  const first = checkCookie(Buffer.from('2464c4abcf10c957', 'hex'), from, secret, 1559731985);
  t.same(first.isValid, false);
  t.equal(hex(first.answer), '2464c4abcf10c957010000005cf79f111f8130c3eee29480');
  t.equal(checkCookie(first.answer, from, secret, 1559731985 + 100).isValid, true);
  t.same(
    checkCookie(first.answer, from, secret, 1559731985 + 100).answer,
    first.answer,
    'young: the same again',
  );
  t.not(
    hex(checkCookie(first.answer, from, secret, 1559731985 + 2000).answer),
    hex(first.answer),
    'half an hour old: a new one',
  );
  t.equal(checkCookie(first.answer, from, secret, 1559731985 + 3601).isValid, false);
  t.equal(checkCookie(first.answer, from, secret, 1559731985 - 301).isValid, false);
  t.equal(
    checkCookie(first.answer, address('198.51.100.101').bytes, secret, 1559731985).isValid,
    false,
    'another address',
  );
});

t.test(
  'a query with a client cookie gets ours back, and ours makes it exempt from the rate limit',
  async (t) => {
    const { raw, answerer } = benchOf(undefined, { rateLimit: { responsesPerSecond: 5, slip: 0 } });
    const query = (cookie: Uint8Array) =>
      encode({ ...q('www.svc.example.net'), ...opt([{ code: 10, data: Buffer.from(cookie) }]) });
    const client = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const answer = raw(query(client));
    const cookie = answer.subarray(-24);
    t.same(cookie.subarray(0, 8), client);
    for (let i = 0; i < 50; i++) t.not(raw(query(cookie)).length, 0);
    for (let i = 0; i < 50; i++) raw(good);
    t.ok(answerer.counts.limited_dropped >= 45);
    const off = benchOf(undefined, (({ cookieSecret: _, ...rest }) => rest)(policy));
    t.ok(off.raw(query(client)).length > 0);
  },
);

t.test('like answers to one network are limited, with a truncated one now and then', async (t) => {
  const { raw, answerer } = benchOf(undefined, { rateLimit: { responsesPerSecond: 10, slip: 2 } });
  const seen = { full: 0, slipped: 0, dropped: 0 };
  for (let i = 0; i < 110; i++) {
    // Letters in random case are the same question still.
    const query = patched(good, 13, i % 2 ? 0x57 : 0x77);
    const answer = raw(query, `192.0.2.${i}`, 'udp', 1_800_000_000_000);
    if (answer.length === 0) seen.dropped++;
    else if ((answer[2] ?? 0) & 2) seen.slipped++;
    else seen.full++;
  }
  t.same(seen, { full: 10, slipped: 50, dropped: 50 });
  t.match(answerer.counts, { limited_dropped: 50, limited_slipped: 50 });
  t.not(raw(good, '198.51.100.1').length, 0, 'another network');
  t.not(raw(good, '192.0.2.1', 'tcp').length, 0, 'TCP proves its address');
  t.not(raw(good, '192.0.2.1', 'udp', 1_800_000_000_100).length, 0, 'a tenth of a second later');
});
