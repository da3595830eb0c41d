/** The packed table beside a plain map: the same routes after any sequence of messages. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import {
  comparePrefixes,
  covers,
  type Family,
  formatPrefix,
  makePrefix,
  type Prefix,
  parsePrefix,
} from '../../../../src/core/base/prefix.ts';
import { AdjRibIn } from '../../../../src/core/bgp/rib/adj-rib-in.ts';
import { AttributeStore } from '../../../../src/core/bgp/rib/attribute-store.ts';
import { decodeBlock, UpdateIntake } from '../../../../src/core/bgp/rib/intake.ts';
import type { AttributeContext, PathAttributes } from '../../../../src/core/wire/bgp/attributes.ts';
import { encodeUpdate, type Update } from '../../../../src/core/wire/bgp/update.ts';

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

/** Few prefixes, so that they meet; of lengths around the edges of words. */
const anyPrefix = fc
  .tuple(
    fc.boolean(),
    fc.nat(3),
    fc.constantFrom(0, 8, 9, 24, 31, 32, 33, 48, 64, 65, 96, 128),
    fc.nat(3),
  )
  .map(([isIpv4, first, length, last]) => {
    const bytes = new Uint8Array(isIpv4 ? 4 : 16);
    bytes[0] = first * 64;
    bytes[bytes.length - 1] = last;
    return makePrefix(isIpv4 ? 4 : 6, bytes, Math.min(length, isIpv4 ? 32 : 128));
  });

const anyAttributes: fc.Arbitrary<PathAttributes> = fc
  .tuple(fc.nat(3), fc.nat(2))
  .map(([asn, community]) => ({
    origin: 'igp',
    asPath: [{ kind: 'sequence', asns: [65000 + asn] }],
    communities: [[65000, community]],
  }));

interface Step {
  readonly peer: 0 | 1;
  readonly kind: 'announce' | 'withdraw' | 'stale' | 'sweep';
  readonly prefixes: readonly Prefix[];
  readonly pathId: number;
  readonly attributes: PathAttributes;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  peer: fc.constantFrom(0 as const, 1 as const),
  kind: fc.constantFrom('announce', 'announce', 'announce', 'withdraw', 'stale', 'sweep'),
  prefixes: fc.array(anyPrefix, { minLength: 1, maxLength: 4 }),
  pathId: fc.nat(1),
  attributes: anyAttributes,
});

const context: AttributeContext = {
  as4: true,
  isInternal: true,
  addPath: { 4: true, 6: true },
  acceptAsSets: true,
};

/** One message for the prefixes of one family. */
function messageOf(
  { kind, prefixes, pathId, attributes }: Step,
  family: Family,
): Uint8Array | undefined {
  const own = prefixes.filter((p) => p.family === family);
  if (own.length === 0) return undefined;
  const nlri = own.map((p) => ({ prefix: p, pathId }));
  const empty: Update = { withdrawn: [], announced: [], attributes: {} };
  const update: Update =
    kind === 'withdraw'
      ? family === 4
        ? { ...empty, withdrawn: nlri }
        : { ...empty, mpUnreach: { family, nlri } }
      : family === 4
        ? { ...empty, announced: nlri, attributes: { ...attributes, nextHop: '192.0.2.1' } }
        : { ...empty, attributes, mpReach: { family, nextHop: '2001:db8::1', nlri } };
  return encodeUpdate(update, context);
}

type Model = Map<string, { readonly text: string; stale: boolean }>;
const keyOf = (peer: number, p: Prefix, pathId: number) => `${formatPrefix(p)} ${peer} ${pathId}`;

function dump(rib: AdjRibIn): string[] {
  const lines: string[] = [];
  for (const family of [4, 6] as const) {
    for (const entry of rib.entries(family)) {
      for (const { peer, pathId, attributes, isStale } of entry.paths) {
        const block = decodeBlock(
          rib.attributes.bytesOf(attributes),
          rib.attributes.kindOf(attributes),
        );
        lines.push(`${keyOf(peer, entry.prefix, pathId)} ${textOf(block.attributes)} ${isStale}`);
      }
    }
  }
  return lines.sort();
}

/** The same of fresh paths by a scan of whole tables, a few entries at a time. */
function scanned(t: Test, rib: AdjRibIn, peers: number): string[] {
  const lines: string[] = [];
  for (const family of [4, 6] as const)
    for (let peer = 0; peer < peers; peer++)
      for (let at: number | undefined = 1; at !== undefined; )
        at = rib.scan(family, peer, at, 3, ({ entry, bytes, length, paths }) => {
          const found = makePrefix(family, bytes.slice(0, family === 4 ? 4 : 16), length);
          const same = rib.paths(found).filter((path) => path.peer === peer && !path.isStale);
          t.same(
            paths,
            same.map(({ attributes }) => attributes),
          );
          if (length > 0) t.equal(rib.entryOf(found), entry);
          for (const { pathId, attributes } of same) {
            const kind = rib.attributes.kindOf(attributes);
            const block = decodeBlock(rib.attributes.bytesOf(attributes), kind);
            lines.push(`${keyOf(peer, found, pathId)} ${textOf(block.attributes)} false`);
          }
        });
  return lines.sort();
}

const textOf = ({ asPath, communities }: PathAttributes) => JSON.stringify([asPath, communities]);

t.test('any sequence of messages leaves the routes that a plain map holds', async (t) => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const rib = new AdjRibIn();
      const intakes = [0, 1].map(() => new UpdateIntake(rib, rib.addPeer(), context));
      const model: Model = new Map();
      for (const step of steps) apply(step, rib, intakes, model);
      const wanted = [...model].map(([key, { text, stale }]) => `${key} ${text} ${stale}`).sort();
      t.same(dump(rib), wanted);
      for (const peer of [0, 1]) {
        const count = [...model.keys()].filter((key) => key.split(' ')[1] === String(peer)).length;
        t.equal(rib.pathsOf(peer), count);
      }
      t.same(
        scanned(t, rib, 2),
        dump(rib).filter((line) => line.endsWith('false')),
        'so does a scan',
      );
      const blocks = new Set([...model].map(([key, { text }]) => `${key.includes(':')} ${text}`));
      t.equal(
        rib.attributes.size,
        blocks.size,
        'each block of attributes is kept once, and no other',
      );
    }),
    { numRuns: process.env.HEADGATE_LONG === '1' ? 3_000 : 300 },
  );
});

function apply(step: Step, rib: AdjRibIn, intakes: readonly UpdateIntake[], model: Model): void {
  const { peer, kind, prefixes, pathId, attributes } = step;
  if (kind === 'stale' || kind === 'sweep') {
    for (const family of [4, 6] as const) {
      if (kind === 'stale') rib.markStale(peer, family);
      let cursor: number | undefined = 1;
      while (kind === 'sweep' && cursor !== undefined)
        cursor = rib.sweepStale(family, peer, cursor, 3, () => {});
    }
    for (const [key, entry] of model) {
      if (key.split(' ')[1] !== String(peer)) continue;
      if (kind === 'stale') entry.stale = true;
      else if (entry.stale) model.delete(key);
    }
    return;
  }
  for (const family of [4, 6] as const) {
    const message = messageOf(step, family);
    if (message && !intakes[peer]?.take(message).ok)
      throw new Error('a flawless message was refused');
  }
  for (const p of prefixes) {
    if (kind === 'withdraw') model.delete(keyOf(peer, p, pathId));
    else model.set(keyOf(peer, p, pathId), { text: textOf(attributes), stale: false });
  }
}

t.test('covering prefixes agree with a linear scan', async () => {
  fc.assert(
    fc.property(fc.array(anyPrefix, { maxLength: 30 }), anyPrefix, (prefixes, wanted) => {
      const rib = new AdjRibIn();
      const intake = new UpdateIntake(rib, rib.addPeer(), context);
      const base = { peer: 0 as const, kind: 'announce' as const, pathId: 0 };
      const attributes: PathAttributes = { origin: 'igp', asPath: [] };
      for (const family of [4, 6] as const) {
        const message = messageOf({ ...base, prefixes, attributes }, family);
        if (message) intake.take(message);
      }
      const scanned = [...new Map(prefixes.map((p) => [formatPrefix(p), p])).values()]
        .filter((p) => covers(p, wanted))
        .sort((a, b) => b.length - a.length);
      const found = rib.covering(wanted);
      if (found.length !== scanned.length) return false;
      return found.every((p, i) => comparePrefixes(p, scanned[i] ?? p) === 0);
    }),
  );
});

t.test('an UPDATE with flaws ends as RFC 7606 says, by the quick way and the slow', async (t) => {
  const rib = new AdjRibIn();
  const intake = new UpdateIntake(rib, rib.addPeer(), {
    ...context,
    addPath: { 4: false, 6: false },
  });
  const good = encodeUpdate(
    {
      withdrawn: [],
      announced: [{ prefix: prefix('198.51.100.0/24') }],
      attributes: { origin: 'igp', asPath: [], nextHop: '192.0.2.1', med: 5 },
    },
    { as4: true, addPath: { 4: false, 6: false } },
  );
  t.match(intake.take(good), { ok: true, value: { announced: 1, errors: [] } });
  const bad = good.slice();
  // Header, two empty lengths, then ORIGIN comes first: flags, type, length, value.
  bad[26] = 9;
  t.match(intake.take(bad), {
    ok: true,
    value: { announced: 0, treatedAsWithdrawn: 1, errors: [{ code: 'origin_value' }] },
  });
  t.equal(rib.prefixCount(4), 0, 'the route is gone, the session stays');
});

t.test('a million holds and releases leave no block behind, and reuse the places', async (t) => {
  const store = new AttributeStore();
  let bytesBefore = 0;
  for (let round = 0; round < 4; round++) {
    const held: number[] = [];
    for (let i = 0; i < 5_000; i++) {
      const block = Uint8Array.of(i >> 8, i, round, ...new Array<number>(i % 60).fill(7));
      const entry = store.intern(block, 0, block.length, i & 1);
      store.hold(entry);
      held.push(entry);
    }
    t.equal(store.size, 5_000);
    if (round === 0) bytesBefore = store.byteLength;
    for (const entry of held) store.release(entry);
    t.equal(store.size, 0);
  }
  t.equal(store.byteLength, bytesBefore, 'what was freed is used again');
});

t.test(
  'more prefixes than a chunk of records holds: each is found, and gone when withdrawn',
  async (t) => {
    const rib = new AdjRibIn();
    const peer = rib.addPeer();
    const block = Uint8Array.of(1);
    const attributes = rib.attributes.intern(block, 0, 1, 0);
    const count = 150_000;
    // Neighbours, and the same address with other lengths: what a hash must keep apart.
    const octets = (i: number) => Uint8Array.of(10 + (i >> 18), i >> 10, i >> 2, 0);
    const lengthOf = (i: number) => 24 + (i & 3);
    for (let i = 0; i < count; i++)
      if (rib.announce(4, octets(i), 0, lengthOf(i), peer, i, attributes) !== 'added')
        t.fail(`${i}`);
    t.equal(rib.prefixCount(4), count);
    for (let i = 0; i < count; i += 2)
      if (!rib.withdraw(4, octets(i), 0, lengthOf(i), peer, i)) t.fail(`${i} was not there`);
    t.equal(rib.prefixCount(4), count / 2);
    for (let i = 0; i < count; i++) {
      const known = rib.announce(4, octets(i), 0, lengthOf(i), peer, i, attributes);
      if (known !== (i % 2 === 0 ? 'added' : 'unchanged')) t.fail(`${i} is ${known}`);
    }
    t.equal(rib.prefixCount(4), count);
    t.equal(rib.pathsOf(peer), count);
  },
);
