import t from 'tap';
import { eachSliced, type Sliced } from '../../../src/core/base/slices.ts';
import { type Step, Steps } from '../../../src/daemon/steps.ts';

/** A loop whose rounds are told by hand, and a clock that only work moves. */
function handLoop() {
  const rounds: (() => void)[] = [];
  const loop = {
    nowMs: 0,
    now: () => loop.nowMs,
    soon: (call: () => void) => rounds.push(call),
    round: () => rounds.shift()?.(),
    rounds,
  };
  return loop;
}

/** A step that is done in one slice. */
const once =
  (call: () => void): Step =>
  () =>
    eachSliced([call], (only) => only());

t.test('one step per round, in the order given; what a step adds comes last', async (t) => {
  const loop = handLoop();
  const steps = new Steps(loop);
  const done: string[] = [];
  steps.add(
    once(() => {
      done.push('first');
      steps.add(once(() => done.push('added')));
    }),
    once(() => done.push('second')),
  );
  t.same(done, [], 'nothing is done at once');
  loop.round();
  t.same(done, ['first']);
  t.ok(steps.isBusy);
  loop.round();
  loop.round();
  t.same(done, ['first', 'second', 'added']);
  t.notOk(steps.isBusy);
  t.equal(loop.rounds.length, 0, 'no round is asked for without work');
});

t.test(
  'a long step gives the loop back every few milliseconds, and stays before the next',
  async (t) => {
    const loop = handLoop();
    const steps = new Steps(loop);
    const done: string[] = [];
    steps.add(
      function* (): Sliced<void> {
        for (let i = 0; i < 20; i++) {
          loop.nowMs += 1;
          done.push(`long ${i}`);
          yield;
        }
      },
      once(() => done.push('next')),
    );
    const perRound: number[] = [];
    while (loop.rounds.length > 0) {
      const [before, from] = [done.length, loop.nowMs];
      loop.round();
      perRound.push(done.length - before);
      t.ok(loop.nowMs - from <= 5, 'no round is longer');
    }
    t.ok(perRound.length > 3, `${perRound.length} rounds`);
    t.equal(done.length, 21);
    t.equal(done.at(-1), 'next');
  },
);

t.test('a step that throws does not stop those behind it', async (t) => {
  const loop = handLoop();
  const steps = new Steps(loop);
  const done: string[] = [];
  steps.add(
    once(() => {
      throw new Error('our own mistake');
    }),
    once(() => done.push('next')),
  );
  t.throws(() => loop.round(), /our own mistake/);
  loop.round();
  t.same(done, ['next']);
});

t.test('finish does the rest at once, also of a step that has begun', async (t) => {
  const loop = handLoop();
  const steps = new Steps(loop);
  const done: number[] = [];
  steps.add(
    function* (): Sliced<void> {
      done.push(1);
      loop.nowMs += 100;
      yield;
      done.push(2);
    },
    once(() => done.push(3)),
  );
  loop.round();
  t.same(done, [1]);
  steps.finish();
  t.same(done, [1, 2, 3]);
  loop.round();
  t.same(done, [1, 2, 3], 'the round that was asked for finds nothing');
});
