import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import t from 'tap';
import { outcomes } from '../../src/core/wire/dns/answer.ts';
import { parseZoneFile } from '../../src/core/wire/dns/zone-file.ts';
import { apex, benchOf, opt, q, zoneText } from '../support/dns.ts';

const isLong = process.env.HEADGATE_LONG === '1';
const numRuns = isLong ? 500_000 : 10_000;

const names = ['www', 'alias', 'big', 'x.wild', 'a.b.deep', 'y.child', 'nowhere', 'loop1', 'mail'];
const seeds = names.flatMap((label) =>
  ['A', 'TXT', 'ANY', 'NS'].flatMap((type) => [
    dnsPacket.encode({ type: 'query', ...q(`${label}.svc.example.net`, type) }),
    dnsPacket.encode({
      type: 'query',
      ...q(`${label}.svc.example.net`, type),
      ...opt([
        { code: 'CLIENT_SUBNET', family: 2, ip: '2001:db8::', sourcePrefixLength: 48 },
        { code: 10, data: Buffer.alloc(8, 7) },
      ]),
    }),
  ]),
);

/** A good query with octets changed, cut, or put in: what a mutation-based fuzzer sends. */
const mutated = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
    fc.option(fc.nat(120)),
    fc.uint8Array({ maxLength: 8 }),
  )
  .map(([seed, changes, cut, tail]) => {
    const bytes = Uint8Array.from([...seed, ...tail.slice(0, changes.length > 2 ? 8 : 0)]);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return cut === null ? bytes : bytes.subarray(0, cut);
  });

for (const [what, arbitrary] of [
  ['any octets', fc.uint8Array({ maxLength: 600 })],
  ['mutated queries', mutated],
] as const) {
  t.test(`${what}: an answer as large as allowed or silence, never a throw`, async () => {
    const { raw, answerer } = benchOf();
    let asked = 0;
    fc.assert(
      fc.property(arbitrary, fc.constantFrom('udp', 'tcp'), (bytes, transport) => {
        const before = bytes.slice();
        const answer = raw(bytes, '192.0.2.1', transport);
        asked++;
        if (!bytes.every((octet, i) => octet === before[i])) return false;
        if (answer.length === 0) return bytes.length < 12 || ((bytes[2] ?? 0) & 0x80) !== 0;
        const isResponse = ((answer[2] ?? 0) & 0x80) !== 0;
        const isOurs = answer[0] === bytes[0] && answer[1] === bytes[1];
        const allowed = transport === 'tcp' ? 65_535 : 1232;
        // Whatever is sent must be a message that a stranger's decoder reads to its end.
        const decoded = dnsPacket.decode(Buffer.from(answer));
        const hasOpt = (decoded.additionals ?? []).some((record) => record.type === 'OPT');
        const fits = answer.length <= (hasOpt || transport === 'tcp' ? allowed : 512);
        return isResponse && isOurs && fits;
      }),
      { numRuns },
    );
    const counted = outcomes.reduce((sum, name) => sum + answerer.counts[name], 0);
    t.equal(counted - answerer.counts.truncated, asked, 'every query is counted once');
  });
}

t.test('a zone file of any text is records or an error with its place', async () => {
  const piece = fc.constantFrom(
    ...zoneText.split(/(\s+)/),
    '(',
    ')',
    '"',
    ';',
    '\\',
    '\\#',
    '$TTL',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((p) => p.join('')),
      ),
      (text) => {
        const result = parseZoneFile(text, apex);
        return result.ok || (result.error.line >= 1 && result.error.column >= 1);
      },
    ),
    { numRuns: numRuns / 10 },
  );
});
