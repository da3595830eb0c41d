import t from 'tap';
import type { Sliced } from '../../../src/core/base/slices.ts';
import { Turns } from '../../../src/speaker/turns.ts';
import { Upkeep } from '../../../src/speaker/upkeep.ts';
import { HandClock } from './scripted-router.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Work of `slices` slices; tells which of its runs came to the end. */
function world(slices: number) {
  const begun: number[] = [];
  const ended: number[] = [];
  const upkeep = new Upkeep(new Turns(new HandClock()), function* (): Sliced<void> {
    const run = begun.length;
    begun.push(run);
    for (let i = 0; i < slices; i++) yield;
    ended.push(run);
  });
  return { upkeep, begun, ended };
}

t.test('what is small is done when the call returns', async (t) => {
  const { upkeep, ended } = world(3);
  upkeep.renew();
  t.same(ended, [0]);
  upkeep.again();
  t.same(ended, [0, 1]);
});

t.test(
  'what is long goes on in turns; asked for anew, what had begun is never ended',
  async (t) => {
    const { upkeep, ended } = world(1000);
    upkeep.renew();
    t.same(ended, []);
    upkeep.renew();
    while (ended.length === 0) await turn();
    t.same(ended, [1]);
    await turn();
    t.same(ended, [1]);
  },
);

t.test('asked for again and again it still ends, once more for all of them', async (t) => {
  const { upkeep, ended, begun } = world(1000);
  upkeep.renew();
  for (let i = 0; i < 5; i++) upkeep.again();
  while (ended.length < 2) await turn();
  await turn();
  t.same(ended, [0, 1]);
  t.equal(begun.length, 2);
});
