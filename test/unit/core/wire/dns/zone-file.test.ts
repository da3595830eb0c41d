import t from 'tap';
import { formatName } from '../../../../../src/core/wire/dns/name.ts';
import { makeZone } from '../../../../../src/core/wire/dns/zone.ts';
import { parseZoneFile } from '../../../../../src/core/wire/dns/zone-file.ts';
import { apex, name } from '../../../../support/dns.ts';

const read = (text: string) => parseZoneFile(text, apex);

t.test('owners, times, classes and parentheses as people write them', async (t) => {
  const records = read(`$TTL 1h30m ; comment
@ IN 60 TXT "a;b" plain\\"x ; more
  300 IN A 192.0.2.1
\tA 192.0.2.2
$ORIGIN sub.svc.example.net.
x AAAA 2001:db8::1
y (
  A
  192.0.2.3 ) ; closed
z.svc.example.net. CAA 0 issue "ca.example"
u TYPE65280 \\# 3 0102ff
`);
  t.ok(records.ok);
  if (!records.ok) return;
  t.same(
    records.value.map((r) => [
      formatName(r.name),
      r.type,
      r.ttl,
      Buffer.from(r.data).toString('hex'),
    ]),
    [
      ['svc.example.net.', 16, 60, '03613b6207706c61696e2278'],
      ['svc.example.net.', 1, 300, 'c0000201'],
      ['svc.example.net.', 1, 5400, 'c0000202'],
      ['x.sub.svc.example.net.', 28, 5400, '20010db8000000000000000000000001'],
      ['y.sub.svc.example.net.', 1, 5400, 'c0000203'],
      ['z.svc.example.net.', 257, 5400, '0005697373756563612e6578616d706c65'],
      ['u.sub.svc.example.net.', 65280, 5400, '0102ff'],
    ],
  );
});

t.test('a fault is named by its line and column, with what should stand there', async (t) => {
  for (const [text, line, column, expected] of [
    ['@ 60 A 192.0.2.256', 1, 8, 'IPv4 address'],
    ['$TTL 60\n@ A', 2, 4, 'IPv4 address'],
    ['@ 60 TXT "open', 1, 10, 'closing quote'],
    ['@ 60 SOA (\n ns h 1', 2, 1, ')'],
    ['@ 60 A 192.0.2.1 192.0.2.2', 1, 18, 'end of record'],
    ['@ A 192.0.2.1', 1, 3, 'time (there is no $TTL)'],
    ['@ 60 CH A 192.0.2.1', 1, 6, 'record type (class IN only)'],
    ['$INCLUDE x', 1, 1, '$ORIGIN or $TTL (no other directive is known)'],
    ['other.example. 60 A 192.0.2.1', 1, 1, 'name inside the zone'],
    ['a..b 60 A 192.0.2.1', 1, 1, 'name (empty label)'],
    ['@ 60 TYPE1234 \\# 2 01', 1, 18, 'length of the data that follows'],
    [' 60 A 192.0.2.1', 1, 2, 'name of the first record'],
  ] as const) {
    t.match(read(text), { ok: false, error: { line, column, expected } }, text);
  }
});

t.test('what is no zone is said', async (t) => {
  const zone = (text: string, steered: string[] = []) => {
    const records = read(`$TTL 60\n${text}`);
    if (!records.ok) throw new Error(JSON.stringify(records.error));
    return makeZone(
      apex,
      records.value,
      steered.map((s) => name(s)),
    );
  };
  const soa = '@ SOA ns h 1 2 3 4 5\n';
  const base = `${soa}@ NS ns\n`;
  t.equal(zone(base).ok, true);
  for (const [text, steered, code] of [
    ['@ NS ns\n', [], 'no_soa'],
    [`${base}@ SOA ns h 2 2 3 4 5\n`, [], 'two_soas'],
    [soa, [], 'no_ns'],
    [`${base}x CNAME y\nx A 192.0.2.1\n`, [], 'cname_with_other'],
    [`${base}x CNAME y\nx CNAME z\n`, [], 'cname_with_other'],
    [`${base}x CNAME y\n`, ['x.svc.example.net.'], 'steered_with_other'],
    [`${base}x A 192.0.2.1\n`, ['x.svc.example.net.'], 'steered_with_other'],
    [`${base}x NS ns\n`, ['w.x.svc.example.net.'], 'steered_with_other'],
    [base, ['x.example.org.'], 'outside'],
  ] as const) {
    t.match(zone(text, [...steered]), { ok: false, error: { code } }, text);
  }
});
