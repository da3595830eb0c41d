import t from 'tap';
import { Growth } from '../../../../src/daemon/outbound/growth.ts';

/** The factors for a series of rates, one each 30 s, a decision 90 s ahead. */
const factors = (...rates: readonly number[]): readonly number[] => {
  const growth = new Growth();
  return rates.map((rate, i) => growth.of(rate, i * 30_000, 90_000));
};

t.test('steady growth goes on until the decision takes effect', async (t) => {
  // 3 % of now in each of the next three steps.
  t.strictSame(factors(94, 97, 100), [1, 1, 1.09]);
});

t.test('one burst is no growth, and what falls is not taken to fall further', async (t) => {
  t.strictSame(factors(100, 100, 150), [1, 1, 1]);
  t.strictSame(factors(100, 90, 80), [1, 1, 1]);
});

t.test('of two steps the slower counts, and never more than a quarter', async (t) => {
  t.strictSame(factors(89, 99, 100).at(-1), 1.03);
  t.strictSame(factors(10, 50, 100).at(-1), 1.25);
});

t.test('a look that comes twice, or a clock set back, says nothing', async (t) => {
  const growth = new Growth();
  growth.of(90, 0, 90_000);
  growth.of(95, 30_000, 90_000);
  t.equal(growth.of(100, 30_000, 90_000), 1);
  t.equal(growth.of(100, 60_000, 90_000), 1.15, 'and changes nothing');
});

t.test('what was not counted before does not grow', async (t) => {
  const growth = new Growth();
  growth.rest(60_000);
  t.strictSame(
    [10, 20, 94, 97, 100].map((rate, i) => growth.of(rate, i * 30_000, 90_000)),
    [1, 1, 1, 1, 1.09],
  );
});
