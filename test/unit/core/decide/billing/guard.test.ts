import fc from 'fast-check';
import t from 'tap';
import {
  canRetreat,
  cheapestOrder,
  fillInOrder,
  reservedSamples,
} from '../../../../../src/core/decide/billing/guard.ts';
import { chargedSample, freeSamples } from '../../../../../src/core/decide/billing/percentile.ts';

const links = [
  { capacity: 100, price: 1 },
  { capacity: 100, price: 1.5 },
];

t.test('cheapest-first up to now: can always go on with it', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 150 }), { minLength: 20, maxLength: 60 }),
      fc.integer({ min: 0, max: 20 }),
      (demands, done) => {
        const order = cheapestOrder(links);
        const limits = links.map((link) => link.capacity);
        const past = demands.slice(0, done).map((demand) => fillInOrder(order, limits, demand));
        return canRetreat(links, 2, past, Float64Array.from(demands.slice(done)));
      },
    ),
  );
  t.pass();
});

t.test(
  'free samples of a dear link cost nothing while the peaks to come fit the cheap one',
  async (t) => {
    const forecast = new Float64Array(95).fill(60);
    const burst = [60, 30];
    t.ok(
      canRetreat(
        links,
        5,
        Array.from({ length: 5 }, () => burst),
        forecast,
      ),
    );
    t.notOk(
      canRetreat(
        links,
        5,
        Array.from({ length: 6 }, () => burst),
        new Float64Array(94).fill(60),
      ),
      'one too many is charged for the whole period',
    );
  },
);

t.test('free samples are not spent that a surprise would need', async (t) => {
  // Five samples of 95 fit the cheap link as forecast; with 8 % more they do not, and need free samples of the dear one.
  const forecast = Float64Array.from({ length: 96 }, (_, i) => (i < 5 ? 95 : 60));
  const spent = (count: number) => Array.from({ length: count }, () => [60, 30]);
  t.ok(canRetreat(links, 5, spent(0), forecast));
  t.notOk(canRetreat(links, 5, spent(4), forecast), 'four are spent, five could be needed');
  t.ok(canRetreat(links, 5, spent(4), new Float64Array(96).fill(60)), 'none will be needed');
});

t.test('the bill of cheapest-first is that of its charged demand', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 40, maxLength: 80 }),
      (demands) => {
        const limits = links.map((link) => link.capacity);
        const fill = (demand: number) => fillInOrder(cheapestOrder(links), limits, demand);
        const atCharge = fill(chargedSample(demands, 95));
        t.ok(freeSamples(demands.length, 95) >= 2);
        return links.every(
          (_, k) =>
            chargedSample(
              demands.map((d) => fill(d)[k] ?? 0),
              95,
            ) === atCharge[k],
        );
      },
    ),
  );
});

t.test('what may be spent until it is asked again counts as spent', async (t) => {
  // Two peaks of 90 to come now, five of 104 later, for which all five free samples of the dear link are needed.
  const forecast = Float64Array.from({ length: 100 }, (_, i) => (i < 2 ? 90 : i >= 95 ? 104 : 60));
  t.ok(canRetreat(links, 5, [], forecast));
  t.notOk(canRetreat(links, 5, [], forecast, { samples: 2, calm: 80, commits: [80, 0] }));
  t.ok(
    canRetreat(links, 5, [], forecast, { samples: 2, calm: 200, commits: [100, 100] }),
    'nothing would be spent',
  );
});

t.test('samples that a surge would need of a dear link are kept for it', async (t) => {
  // 5 of 100 samples are above 80: with a quarter more they do not fit the cheap link.
  const forecast = Float64Array.from({ length: 100 }, (_, i) => (i < 5 ? 81 : 60));
  t.same(reservedSamples(links, forecast), [0, 5]);
  t.same(
    reservedSamples(
      links,
      forecast.map((own) => own - 5),
    ),
    [0, 0],
  );
  const three = [...links, { capacity: 100, price: 2 }];
  t.same(reservedSamples(three, forecast), [0, 5, 0], 'a third link is not needed for that');
});
