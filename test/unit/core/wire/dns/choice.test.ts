import fc from 'fast-check';
import t from 'tap';
import { chooseProvider, fnv1aText } from '../../../../../src/core/wire/dns/choice.ts';

const hashes = Uint32Array.from(['east', 'north', 'south', 'west'], (name) => fnv1aText(name));
const seed = fc.integer({ min: 0, max: 0xffffffff });
const weights = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 4, maxLength: 4 });

/** The definition, with real logarithms: the slow and obvious form. */
function reference(seedValue: number, weightsOf: readonly number[]): { best: number; gap: number } {
  const costs = weightsOf.map((weight, i) => {
    if (weight === 0) return Number.POSITIVE_INFINITY;
    let h = seedValue ^ (hashes[i] ?? 0);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return -Math.log(((h ^ (h >>> 16)) >>> 0) / 2 ** 32) / weight;
  });
  const sorted = [...costs].sort((a, b) => a - b);
  const [first = 0, second = 0] = sorted;
  return { best: Number.isFinite(first) ? costs.indexOf(first) : -1, gap: second / first };
}

t.test('the choice in whole numbers is the one of real logarithms', async () => {
  fc.assert(
    fc.property(seed, weights, (seedValue, own) => {
      const { best, gap } = reference(seedValue, own);
      // Nearer than the table's precision, either is right.
      return gap < 1.01 || chooseProvider(seedValue, hashes, own) === best;
    }),
    { numRuns: 5000 },
  );
});

t.test('a weight that changes moves networks to or from its provider only', async () => {
  fc.assert(
    fc.property(seed, weights, fc.nat(3), fc.integer({ min: 0, max: 10_000 }), (s, own, at, w) => {
      const before = chooseProvider(s, hashes, own);
      const after = chooseProvider(s, hashes, own.with(at, w));
      return before === after || before === at || after === at;
    }),
    { numRuns: 5000 },
  );
});

t.test('nobody has weight: nobody is chosen', async (t) => {
  t.equal(chooseProvider(1, hashes, [0, 0, 0, 0]), -1);
});
