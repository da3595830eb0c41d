/** The offline optimum against the closed form, against trying everything, and the pacing that follows it. */
import fc from 'fast-check';
import t from 'tap';
import {
  bound,
  feasibility,
  type PricedLink,
} from '../../../../../src/core/decide/billing/bound.ts';
import {
  allot,
  beginPacing,
  endSample,
  repace,
  resize,
} from '../../../../../src/core/decide/billing/pacing.ts';
import { chargedSample, freeSamples } from '../../../../../src/core/decide/billing/percentile.ts';
import { generateDemand, samplesPerWeek } from '../../../../../src/core/simulate/demand.ts';
import { seeded } from '../../../../../src/core/simulate/random.ts';

// Others may be using the machine.
t.setTimeout(300_000);

t.test(
  'equal prices and wide links: the bound is the quantile that all free samples together leave',
  async (t) => {
    const demands = generateDemand(seeded(7), samplesPerWeek);
    const free = freeSamples(samplesPerWeek, 95);
    for (const count of [2, 3]) {
      const links = Array.from({ length: count }, () => ({ capacity: 1e4, price: 1 }));
      const plan = bound(
        demands,
        links,
        links.map(() => free),
      );
      const expected = [...demands].sort((a, b) => b - a)[count * free] ?? 0;
      t.ok(Math.abs((plan?.cost ?? 0) / expected - 1) < 1e-3, `K=${count}`);
    }
  },
);

/** The cheapest whole commits of two links, by trying all of them and all ways to spend the free samples. */
function tryAll(
  demands: readonly number[],
  links: readonly PricedLink[],
  free: readonly number[],
): number {
  const [a, b] = links;
  if (!a || !b) throw new Error('two links');
  let best = Number.POSITIVE_INFINITY;
  for (let p = 0; p <= a.capacity; p++) {
    for (let q = 0; q <= b.capacity; q++) {
      const cost = p * a.price + q * b.price;
      if (
        cost < best &&
        canSpend(demands, 0, p, q, a.capacity, b.capacity, free[0] ?? 0, free[1] ?? 0)
      )
        best = cost;
    }
  }
  return best;
}

function canSpend(
  d: readonly number[],
  i: number,
  p: number,
  q: number,
  A: number,
  B: number,
  m: number,
  n: number,
): boolean {
  const demand = d[i];
  if (demand === undefined) return true;
  const next = (x: number, y: number) => canSpend(d, i + 1, p, q, A, B, x, y);
  if (demand <= p + q) return next(m, n);
  if (m > 0 && demand <= A + q && next(m - 1, n)) return true;
  if (n > 0 && demand <= p + B && next(m, n - 1)) return true;
  return m > 0 && n > 0 && demand <= A + B && next(m - 1, n - 1);
}

t.test('two links: never above what trying everything finds', async () => {
  const link = fc.record({
    capacity: fc.integer({ min: 3, max: 9 }),
    price: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 7 }),
      fc.tuple(link, link),
      fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
      (demands, links, free) => {
        const whole = tryAll(demands, links, free);
        const plan = bound(demands, links, free);
        if (!Number.isFinite(whole)) return plan === undefined;
        // Fractions of commits and of free samples may be cheaper than whole ones, not dearer.
        return plan !== undefined && plan.cost <= whole * 1.002 + 0.01;
      },
    ),
    { numRuns: 300 },
  );
});

t.test('commits that fit carry every sample', async (t) => {
  const demands = generateDemand(seeded(3), 500);
  const links = [
    { capacity: 900, price: 1 },
    { capacity: 1500, price: 2 },
  ];
  const plan = bound(demands, links, [25, 25]);
  t.ok(plan);
  const carries = feasibility(demands, links);
  t.ok(carries(plan?.commits ?? [], [25, 25]));
  t.notOk(
    carries(
      (plan?.commits ?? []).map((commit) => commit * 0.97),
      [25, 25],
    ),
    'and are not too large',
  );
  t.equal(bound([3000], links, [1, 1]), undefined, 'more than all capacity');
});

t.test('commits grow on the cheapest link with room, and shrink on the dearest', async (t) => {
  const links = [
    { capacity: 100, price: 1 },
    { capacity: 100, price: 2 },
  ];
  t.same(
    resize([50, 20], links, 80 / 70).map((v) => Math.round(v)),
    [60, 20],
  );
  t.same(
    resize([75, 20], links, 100 / 95).map((v) => Math.round(v)),
    [75, 25],
  );
  t.same(
    resize([50, 20], links, 60 / 70).map((v) => Math.round(v)),
    [50, 10],
  );
  t.same(
    resize([50, 20], links, 200 / 70).map((v) => Math.round(v)),
    [100, 100],
  );
});

t.test(
  'a sample above all commits exceeds on one link, and costs that link a free sample',
  async (t) => {
    const links = [
      { capacity: 100, price: 1 },
      { capacity: 100, price: 1 },
    ];
    const pacing = {
      links,
      free: 5,
      shape: [40, 40],
      commits: [40, 40],
      volumes: [],
      left: [5, 3],
      spendable: [5, 3],
      isRetreating: false,
    };
    t.same(allot(pacing, 60, 0).shares, [2 / 3, 1 / 3], 'the first commit is filled first');
    const burst = allot(pacing, 100, 0);
    t.equal(burst.bursting, 1, 'the one with more left');
    t.same(burst.shares, [0.6, 0.4]);
    t.same(endSample(pacing, [60, 40]).left, [4, 3]);
    t.equal(allot(pacing, 81.5, 0, 0).bursting, 0, 'early in a sample a little more is waited for');
    const retreat = allot({ ...pacing, isRetreating: true }, 125, 0).shares;
    t.same(retreat, [0.8, 0.2], 'retreating, links are filled to capacity, no free sample planned');
  },
);

t.test(
  'paced over a steady period: cheaper than all on one link, dearer than the bound',
  async (t) => {
    const history = generateDemand(seeded(21), samplesPerWeek);
    const links = [
      { capacity: 4000, price: 1 },
      { capacity: 4000, price: 1 },
    ];
    const free = freeSamples(samplesPerWeek, 95);
    let pacing = beginPacing(history, links, free);
    for (const [i, demand] of history.entries()) {
      if (i % 12 === 0) pacing = repace(pacing, history);
      const { shares } = allot(pacing, demand, 0);
      pacing = endSample(
        pacing,
        shares.map((share) => share * demand),
      );
    }
    const cost = links.reduce(
      (sum, _, k) =>
        sum +
        chargedSample(
          pacing.volumes.map((v) => v[k] ?? 0),
          95,
        ),
      0,
    );
    const least = bound(history, links, [free, free])?.cost ?? 0;
    const single = chargedSample(history, 95);
    t.ok(
      least < cost && cost < single,
      `${least.toFixed(0)} < ${cost.toFixed(0)} < ${single.toFixed(0)}`,
    );
    t.ok((single - cost) / (single - least) > 0.7, 'most of the saving');
  },
);
