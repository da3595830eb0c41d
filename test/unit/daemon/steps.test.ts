import t from 'tap';
import { Steps } from '../../../src/daemon/steps.ts';

/** A loop whose rounds are told by hand. */
function handLoop() {
  const rounds: (() => void)[] = [];
  return { soon: (call: () => void) => rounds.push(call), round: () => rounds.shift()?.(), rounds };
}

t.test('one step per round, in the order given; what a step adds comes last', async (t) => {
  const loop = handLoop();
  const steps = new Steps(loop);
  const done: string[] = [];
  steps.add(
    () => {
      done.push('first');
      steps.add(() => done.push('added'));
    },
    () => done.push('second'),
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

t.test('a step that throws does not stop those behind it', async (t) => {
  const loop = handLoop();
  const steps = new Steps(loop);
  const done: string[] = [];
  steps.add(
    () => {
      throw new Error('our own mistake');
    },
    () => done.push('next'),
  );
  t.throws(() => loop.round(), /our own mistake/);
  loop.round();
  t.same(done, ['next']);
});

t.test(
  'finish does the rest at once, and the round that was asked for finds nothing',
  async (t) => {
    const loop = handLoop();
    const steps = new Steps(loop);
    const done: number[] = [];
    steps.add(
      () => done.push(1),
      () => done.push(2),
    );
    steps.finish();
    t.same(done, [1, 2]);
    loop.round();
    t.same(done, [1, 2]);
  },
);
