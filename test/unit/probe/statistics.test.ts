import fc from 'fast-check';
import t from 'tap';
import {
  changesBetween,
  fisher,
  mannWhitney,
  summarise,
  wilson,
} from '../../../src/probe/statistics.ts';

/** A fixed generator: these check formulas, not luck. */
function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}
const draw = (count: number, value: () => number | undefined) =>
  Array.from({ length: count }, value);

t.test('published values', async (t) => {
  // Fisher's lady tasting tea: 3 of 4 cups right.
  t.ok(Math.abs(fisher(3, 4, 1, 4) - 34 / 70) < 1e-9);
  t.equal(fisher(0, 10, 0, 10), 1);
  // Wilson (1927) for 0 of 10 at 95 %.
  t.ok(Math.abs(wilson(0, 10)[1] - 0.2775) < 1e-3);
  t.same(wilson(0, 0), [0, 1]);
  // Two groups without overlap, five each: the exact two-sided value is 2/252.
  const chance = mannWhitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]);
  t.ok(Math.abs(chance - 0.0122) < 5e-4, `normal approximation ${chance}`);
  t.equal(mannWhitney([1, 1, 1], [1, 1, 1]), 1);
});

t.test('the 95 % intervals hold the truth 95 times in 100', async (t) => {
  const random = makeRandom(7);
  const runs = 2000;
  let loss = 0;
  let delay = 0;
  for (let run = 0; run < runs; run++) {
    const window = draw(60, () => (random() < 0.05 ? undefined : 1000 - 200 * Math.log(random())));
    const summary = summarise(window);
    if (summary.lossLow <= 0.05 && 0.05 <= summary.lossHigh) loss++;
    const truth = 1000 + 200 * Math.LN2;
    if ((summary.rttUsLow ?? 0) <= truth && truth <= (summary.rttUsHigh ?? 0)) delay++;
  }
  t.ok(loss / runs > 0.92, `loss ${loss / runs}`);
  t.ok(delay / runs > 0.92, `delay ${delay / runs}`);
});

t.test('a summary of nothing says so', async (t) => {
  t.match(summarise([]), { sent: 0, lost: 0, lossHigh: 1, rttUs: undefined, jitterUs: undefined });
  t.match(summarise([undefined, undefined]), { sent: 2, lossRatio: 1, rttUs: undefined });
  t.match(summarise([100, 300, undefined, 200]), { lossRatio: 0.25, rttUs: 200, jitterUs: 150 });
});

t.test('no change is reported where nothing changes, and real ones are', async (t) => {
  const random = makeRandom(11);
  const quiet = () => (random() < 0.01 ? undefined : 20_000 + 3000 * random());
  let alarms = 0;
  for (let run = 0; run < 3000; run++) {
    alarms += changesBetween(draw(40, quiet), draw(20, quiet), 0.001).length;
  }
  t.ok(alarms <= 9, `${alarms} false alarms of 6000 comparisons at 0.1 %`);
  const slower = () => 26_000 + 3000 * random();
  const lossy = () => (random() < 0.5 ? undefined : 20_000 + 3000 * random());
  t.match(changesBetween(draw(40, quiet), draw(20, slower), 0.001), [{ kind: 'delay' }]);
  t.match(changesBetween(draw(40, quiet), draw(20, lossy), 0.001), [{ kind: 'loss' }]);
  const certainButSmall = changesBetween(
    draw(40, () => 20_000),
    draw(20, () => 20_100),
    0.001,
  );
  t.same(certainButSmall, [], 'a tenth of a millisecond is nothing to act on');
});

t.test('tests are symmetric and give probabilities', async () => {
  const small = fc.integer({ min: 0, max: 30 });
  fc.assert(
    fc.property(small, small, small, small, (a, b, c, d) => {
      const one = fisher(Math.min(a, b), b, Math.min(c, d), d);
      const other = fisher(Math.min(c, d), d, Math.min(a, b), b);
      return one >= 0 && one <= 1 && Math.abs(one - other) < 1e-9;
    }),
  );
  const values = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(values, values, (a, b) => {
      const one = mannWhitney(a, b);
      return one >= 0 && one <= 1.0001 && Math.abs(one - mannWhitney(b, a)) < 1e-9;
    }),
  );
});
