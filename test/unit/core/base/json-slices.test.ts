import fc from 'fast-check';
import t from 'tap';
import { jsonSliced } from '../../../../src/core/base/json-slices.ts';
import { whole } from '../../../../src/core/base/slices.ts';

function textOf(value: unknown): string {
  const texts: string[] = [];
  whole(jsonSliced(value, (text) => texts.push(text)));
  return texts.join('');
}

t.test('the text is that of JSON.stringify, to the octet', async () => {
  const leaf = fc.oneof(fc.jsonValue(), fc.constant(undefined));
  const value = fc.oneof(
    leaf,
    fc.dictionary(fc.string(), leaf, { maxKeys: 200 }),
    fc.record({
      list: fc.array(leaf, { maxLength: 300 }),
      named: fc.dictionary(fc.string(), fc.array(leaf, { maxLength: 3 }), { maxKeys: 150 }),
      maybe: leaf,
    }),
  );
  fc.assert(
    fc.property(
      value.filter((one) => one !== undefined),
      (one) => textOf(one) === JSON.stringify(one),
    ),
    { numRuns: 150 },
  );
});

t.test('a long record of absent values is an empty one', async (t) => {
  const names = Array.from({ length: 200 }, (_, i) => [`n${i}`, undefined] as const);
  t.equal(textOf(Object.fromEntries(names)), '{}');
});
