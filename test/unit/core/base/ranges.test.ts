import fc from 'fast-check';
import t from 'tap';
import { makePrefix, type Prefix } from '../../../../src/core/base/prefix.ts';
import { PrefixRanges } from '../../../../src/core/base/ranges.ts';
import { PrefixTrie } from '../../../../src/core/base/trie.ts';

// Few distinct octets, so that prefixes nest and touch, and the ends of the space occur.
const octet = fc.constantFrom(0, 1, 127, 128, 254, 255);
const anyPrefix: fc.Arbitrary<Prefix> = fc.oneof(
  fc
    .tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 32 }))
    .map(([bytes, length]) => makePrefix(4, bytes, length)),
  fc
    .tuple(fc.array(octet, { minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 32 }))
    .map(([bytes, length]) => makePrefix(4, Uint8Array.from(bytes), length)),
  fc
    .tuple(fc.array(octet, { minLength: 16, maxLength: 16 }), fc.integer({ min: 0, max: 128 }))
    .map(([bytes, length]) => makePrefix(6, Uint8Array.from(bytes), length)),
);

t.test('agrees with the trie, wherever the address stands', async () => {
  fc.assert(
    fc.property(
      fc.array(anyPrefix, { maxLength: 30 }),
      fc.array(anyPrefix, { maxLength: 20 }),
      fc.integer({ min: 0, max: 5 }),
      (prefixes, others, at) => {
        const ranges = new PrefixRanges(prefixes);
        const trie = new PrefixTrie<number>();
        for (const [index, prefix] of prefixes.entries()) trie.set(prefix, index);
        for (const { family, bytes } of [...prefixes, ...others]) {
          const shifted = new Uint8Array(at + bytes.length);
          shifted.set(bytes, at);
          const expected = trie.match({ family, bytes, length: bytes.length * 8 }) ?? -1;
          if (ranges.match(family, shifted, at) !== expected) return false;
        }
        return true;
      },
    ),
    { numRuns: 500 },
  );
});
