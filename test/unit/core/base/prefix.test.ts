import fc from 'fast-check';
import t from 'tap';
import {
  comparePrefixes,
  covers,
  dividePrefix,
  formatPrefix,
  makePrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../../../src/core/base/prefix.ts';
import { PrefixTrie } from '../../../../src/core/base/trie.ts';

const parsed = (text: string): Prefix => {
  const result = parsePrefix(text);
  if (!result.ok) throw new Error(`${text}: ${result.error.code}`);
  return result.value;
};

const anyPrefix = fc.oneof(
  fc
    .tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 32 }))
    .map(([b, l]) => makePrefix(4, b, l)),
  fc
    .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.integer({ min: 0, max: 128 }))
    .map(([b, l]) => makePrefix(6, b, l)),
);

t.test('text that people write is read, canonical text is given back', async (t) => {
  t.equal(formatPrefix(parsed('198.51.100.0/22')), '198.51.100.0/22');
  t.equal(formatPrefix(parsed('2001:DB8:0:0::/32')), '2001:db8::/32');
  t.equal(formatPrefix(parsed('::ffff:192.0.2.1')), '::ffff:c000:201/128');
  t.equal(formatPrefix(parsed('2001:db8:0:1:0:0:0:1')), '2001:db8:0:1::1/128');
  t.equal(formatPrefix(parsed('1:0:0:2:0:0:0:3')), '1:0:0:2::3/128');
  t.equal(formatPrefix(parsed('0.0.0.0/0')), '0.0.0.0/0');
});

t.test('what is not a prefix is refused with its reason', async (t) => {
  for (const [text, code] of [
    ['198.51.100.1/22', 'host_bits_set'],
    ['1.2.3/8', 'bad_address'],
    ['1.2.3.04/32', 'bad_address'],
    ['1.2.3.4/33', 'bad_length'],
    ['::/129', 'bad_length'],
    [':::/0', 'bad_address'],
    ['1:2:3:4:5:6:7:8:9/64', 'bad_address'],
    ['1::2::3/64', 'bad_address'],
    ['10.0.0.0/', 'bad_length'],
    ['', 'bad_address'],
  ] as const) {
    const result = parsePrefix(text);
    t.match(result, { ok: false, error: { code, text } }, text);
  }
});

/** What dotted decimal is, as a pattern: slow and obvious. */
const isDotted = (text: string): boolean => {
  const parts = text.split('.');
  return (
    parts.length === 4 &&
    parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  );
};

t.test('dotted decimal is read as the pattern says, and nothing else', async () => {
  const part = fc.constantFrom(
    '0',
    '1',
    '9',
    '25',
    '255',
    '256',
    '00',
    '07',
    '',
    ' ',
    'x',
    '²',
    '.',
  );
  const almost = fc.oneof(
    fc.array(part, { maxLength: 9 }).map((parts) => parts.join('')),
    fc.array(part, { minLength: 3, maxLength: 5 }).map((parts) => parts.join('.')),
  );
  fc.assert(
    fc.property(almost, (text) => {
      const address = parseAddress(text);
      if (address.ok !== isDotted(text)) return false;
      return !address.ok || address.value.bytes.join('.') === text;
    }),
    { numRuns: 20_000 },
  );
});

t.test('format and parse undo each other', async () => {
  fc.assert(
    fc.property(anyPrefix, (prefix) => comparePrefixes(parsed(formatPrefix(prefix)), prefix) === 0),
  );
});

t.test('the parts of a divided prefix are in order, disjoint and covered', async (t) => {
  const parts = dividePrefix(parsed('198.51.100.0/22'), 24).map(formatPrefix);
  t.same(parts, ['198.51.100.0/24', '198.51.101.0/24', '198.51.102.0/24', '198.51.103.0/24']);
});

t.test('the trie agrees with a linear scan', async () => {
  fc.assert(
    fc.property(fc.array(anyPrefix, { maxLength: 40 }), anyPrefix, (prefixes, address) => {
      const trie = new PrefixTrie<string>();
      for (const prefix of prefixes) trie.set(prefix, formatPrefix(prefix));
      const expected = prefixes
        .filter((p) => covers(p, address))
        .sort((a, b) => b.length - a.length)[0];
      return trie.match(address) === (expected && formatPrefix(expected));
    }),
  );
});
