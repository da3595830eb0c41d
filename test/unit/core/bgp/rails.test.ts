/** Origin validation, flap limits, hands off, and the choice between paths. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import t from 'tap';
import { covers, makePrefix, type Prefix, parsePrefix } from '../../../../src/core/base/prefix.ts';
import { asn, prefixText } from '../../../../src/core/base/units.ts';
import { type Candidate, rankCandidates, steps } from '../../../../src/core/bgp/best-path.ts';
import { type SeenRoute, steeredByOthers } from '../../../../src/core/bgp/hands-off.ts';
import { checkRpki, parseVrpFile, type Vrp, VrpTable } from '../../../../src/core/bgp/rpki.ts';
import { capturesFolder, skipWithoutCaptures } from '../../../support/captures.ts';

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const vrp = (text: string, maxLength: number, origin: number): Vrp => ({
  prefix: prefix(text),
  maxLength,
  asn: origin,
});
const our = 64512;

t.test('a block is refused with the ROA that is missing, or too short', async (t) => {
  const check = (text: string, vrps: readonly Vrp[], more = {}) =>
    checkRpki(prefix(text), our, {
      table: new VrpTable(vrps),
      isStale: false,
      requireRoa: false,
      ...more,
    });
  const aggregate = vrp('198.51.100.0/22', 22, our);
  t.match(check('198.51.100.0/22', [aggregate]), { result: 'pass' });
  t.match(check('198.51.100.0/24', [aggregate]), {
    result: 'refuse',
    reason: /198\.51\.100\.0\/22-22 AS 64512 ends at \/22: raise its maxLength to 24/,
  });
  t.match(check('198.51.100.0/24', [vrp('198.51.100.0/22', 24, our)]), { result: 'pass' });
  t.match(check('198.51.100.0/24', [vrp('198.51.100.0/24', 24, 65001)]), {
    result: 'refuse',
    reason: /make one for AS 64512/,
  });
  t.match(
    check('198.51.100.0/24', [vrp('198.51.100.0/24', 24, 0)]),
    { result: 'refuse' },
    'AS 0 forbids',
  );
  t.match(check('198.51.100.0/24', []), { result: 'pass' }, 'NotFound is allowed');
  t.match(check('198.51.100.0/24', [], { requireRoa: true }), { result: 'refuse' });
  t.match(
    check('198.51.100.0/24', [aggregate], { isStale: true }),
    { result: 'postpone' },
    'no guess',
  );
});

t.test('validation agrees with a linear scan', async () => {
  const anyPrefix = fc
    .tuple(fc.nat(3), fc.nat(3), fc.integer({ min: 0, max: 32 }))
    .map(([a, b, length]) => makePrefix(4, Uint8Array.of(a << 6, b << 6, 0, 0), length));
  const anyVrp = fc.tuple(anyPrefix, fc.nat(32), fc.nat(2)).map(
    ([p, extra, origin]): Vrp => ({
      prefix: p,
      maxLength: Math.min(32, p.length + extra),
      asn: origin,
    }),
  );
  fc.assert(
    fc.property(
      fc.array(anyVrp, { maxLength: 20 }),
      anyPrefix,
      fc.integer({ min: 1, max: 2 }),
      (vrps, p, origin) => {
        const covering = vrps.filter((v) => covers(v.prefix, p));
        const wanted =
          covering.length === 0
            ? 'not_found'
            : covering.some((v) => v.asn === origin && p.length <= v.maxLength)
              ? 'valid'
              : 'invalid';
        return new VrpTable(vrps).validate(p, origin).validity === wanted;
      },
    ),
  );
});

t.test('files of rpki-client and routinator are read; mistakes have a line', async (t) => {
  const csv =
    'ASN,IP Prefix,Max Length,Trust Anchor\nAS64512,198.51.100.0/22,24,ripe\nAS0,2001:db8::/32,32,arin\n';
  const read = parseVrpFile(csv);
  t.ok(read.ok && read.value.length === 2);
  t.match(
    parseVrpFile('{"roas":[{"asn":64512,"prefix":"198.51.100.0/22","maxLength":24,"ta":"ripe"}]}'),
    {
      ok: true,
      value: [{ asn: 64512, maxLength: 24 }],
    },
  );
  t.match(parseVrpFile(csv.replace('/22,24', '/22,21')), {
    ok: false,
    error: { code: 'vrp_line', line: 2 },
  });
  t.match(parseVrpFile('a,b\n'), { ok: false, error: { code: 'vrp_header' } });
  t.match(parseVrpFile('{"roas":'), { ok: false, error: { code: 'vrp_json' } });
});

t.test('a real export', { skip: skipWithoutCaptures }, async (t) => {
  const text = execFileSync(
    'python3',
    [
      '-c',
      'import lzma,sys; sys.stdout.buffer.write(lzma.open(sys.argv[1]).read())',
      `${capturesFolder}/data/vrps-routinator.csv.xz`,
    ],
    { maxBuffer: 64 << 20 },
  ).toString();
  const read = parseVrpFile(text);
  t.ok(read.ok, JSON.stringify(read).slice(0, 200));
  if (!read.ok) return;
  t.equal(read.value.length, 9_999);
  t.equal(new Set(read.value.map(({ asn: origin }) => origin)).size, 1_448);
  const table = new VrpTable(read.value);
  const [first] = read.value;
  t.equal(first && table.validate(first.prefix, first.asn).validity, 'valid');
});

t.test('hands off what somebody else blackholes or scrubs', async (t) => {
  const policy = { localAsn: asn(our), foreign: [[64999, 1]] };
  const block = prefix('198.51.100.0/24');
  const route = (text: string, communities: readonly string[], more: Partial<SeenRoute> = {}) => ({
    prefix: prefixText(text),
    asPath: '',
    communities,
    largeCommunities: [],
    ...more,
  });
  const verdict = (...routes: readonly SeenRoute[]) => steeredByOthers(block, routes, policy);
  t.match(verdict(route('198.51.100.7/32', ['65535:666'])), /198.51.100.7\/32 with BLACKHOLE/);
  t.match(
    verdict(route('198.51.100.0/24', ['64999:1'])),
    /with 64999:1/,
    'scrubbing by its community',
  );
  t.match(
    verdict(route('198.51.100.0/24', [], { asPath: '65001 65020' })),
    /AS 65020 announces 198.51.100.0\/24/,
    'scrubbing by its origin',
  );
  t.equal(verdict(route('198.51.100.0/24', [])), undefined, 'a router of ours originates it');
  t.equal(
    verdict(route('198.51.100.0/24', [], { asPath: '65001 64512' })),
    undefined,
    'it came back',
  );
  t.equal(verdict(route('198.51.101.7/32', ['65535:666'])), undefined, 'another block');
  const ours = { largeCommunities: [`${our}:0:1`] };
  t.equal(verdict(route('198.51.100.0/24', ['65535:666'], ours)), undefined, 'our own');
});

const base: Candidate = {
  attributes: {
    origin: 'igp',
    asPath: [{ kind: 'sequence', asns: [65001, 65002] }],
    localPref: 100,
    med: 10,
  },
  isInternal: true,
  isStale: false,
  peerRouterId: 5,
  peer: 0,
  pathId: 1,
};

t.test('one baseline and one rival for each step of the choice', async (t) => {
  const rivals: Readonly<Record<(typeof steps)[number], Partial<Candidate>>> = {
    stale: { isStale: true, attributes: { ...base.attributes, localPref: 200 } },
    local_pref: { attributes: { ...base.attributes, localPref: 99, asPath: [] } },
    as_path_length: {
      attributes: {
        ...base.attributes,
        asPath: [{ kind: 'sequence', asns: [65001, 65002, 65003] }],
      },
    },
    origin: { attributes: { ...base.attributes, origin: 'incomplete', med: 1 } },
    med: { attributes: { ...base.attributes, med: 11 }, isInternal: false },
    external_over_internal: {},
    router_id: { peerRouterId: 6 },
    cluster_list_length: { attributes: { ...base.attributes, clusterList: ['10.0.0.1'] } },
    peer: { peer: 1 },
    path_id: { pathId: 2 },
  };
  for (const step of steps) {
    const first = step === 'external_over_internal' ? { ...base, isInternal: false } : base;
    const rival = { ...base, ...rivals[step] };
    for (const order of [
      [first, rival],
      [rival, first],
    ]) {
      const ranked = rankCandidates(order);
      t.equal(ranked[0]?.candidate, first, step);
      t.equal(ranked[1]?.lostAt, step);
    }
  }
});

t.test('every order of the candidates gives the same best', async () => {
  const any = fc.record({
    neighbor: fc.constantFrom(65001, 65002),
    med: fc.nat(2),
    peerRouterId: fc.nat(2),
    isInternal: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(any, { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat()),
      (list, random) => {
        const candidates = list.map(
          ({ neighbor, med, ...rest }, pathId): Candidate => ({
            ...base,
            ...rest,
            pathId,
            attributes: {
              ...base.attributes,
              med,
              asPath: [{ kind: 'sequence', asns: [neighbor] }],
            },
          }),
        );
        const keyed = candidates.map((candidate) => ({ candidate, key: random.next().value ?? 0 }));
        const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ candidate }) => candidate);
        return rankCandidates(candidates)[0]?.candidate === rankCandidates(shuffled)[0]?.candidate;
      },
    ),
  );
});
