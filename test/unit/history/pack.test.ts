import { inflateRawSync } from 'node:zlib';
import t from 'tap';
import { pack, packSliced, unpack } from '../../../src/history/pack.ts';

t.test('a body in many chunks is one deflated text', async (t) => {
  const value = {
    list: Array.from({ length: 5_000 }, (_, i) => ({ block: `10.${i >> 8}.${i & 255}.0/24`, i })),
    named: Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`ü${i}`, [i, null, '€']])),
  };
  const work = packSliced(value);
  let pauses = 0;
  let next = work.next();
  for (; !next.done; next = work.next()) pauses++;
  t.ok(pauses > 50, `${pauses} pauses`);
  t.equal(inflateRawSync(next.value).toString(), JSON.stringify(value));
  t.same(unpack(next.value), value);
  t.ok(next.value.length < JSON.stringify(value).length / 3, 'it is deflated');
  t.same(unpack(pack({ small: true })), { small: true });
});
