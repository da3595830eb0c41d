import t from 'tap';
import { eachSliced, mapSliced, type Sliced, whole } from '../../../../src/core/base/slices.ts';

t.test('what comes out is the same in one go and paused', async (t) => {
  const list = Array.from({ length: 1000 }, (_, i) => i);
  const doubled = (): Sliced<number[]> => mapSliced(list, (entry, index) => entry + index);
  const paused = doubled();
  let pauses = 0;
  let next = paused.next();
  for (; !next.done; next = paused.next()) pauses++;
  t.same(next.value, whole(doubled()));
  t.same(next.value.slice(0, 3), [0, 2, 4]);
  t.ok(pauses > 5, 'a long list is paused several times');
});

t.test('a pause comes before the rest of a list is looked at', async (t) => {
  const seen: number[] = [];
  const work = eachSliced(
    (function* () {
      for (let i = 0; i < 1000; i++) yield i;
    })(),
    (entry) => seen.push(entry),
  );
  work.next();
  t.ok(seen.length > 0 && seen.length < 1000);
  whole(work);
  t.equal(seen.length, 1000);
});
