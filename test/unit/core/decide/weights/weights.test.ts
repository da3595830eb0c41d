import fc from 'fast-check';
import t from 'tap';
import { bitps, type LinkId, linkId, ms } from '../../../../../src/core/base/units.ts';
import { buildNetwork } from '../../../../../src/core/decide/network.ts';
import { defaultPolicy, type Weights } from '../../../../../src/core/decide/policy.ts';
import { costOf, divide } from '../../../../../src/core/decide/weights/division.ts';
import {
  type ClassWeights,
  type DestinationClass,
  decideWeights,
  type LinkWeights,
  type WeightsPolicy,
  weightParts,
} from '../../../../../src/core/decide/weights/index.ts';
import { movedShare } from '../../../../../src/core/decide/weights/parts.ts';
import { objectiveOf, problemOf } from '../../../../../src/core/decide/weights/terms.ts';
import type { LinkObservation } from '../../../../../src/core/model/observation.ts';

const [north, south, east] = [linkId('north'), linkId('south'), linkId('east')];
const names = [north, south, east];
const balance: Weights = { balance: 1, congestion: 4, response: 0, price: 0 };
const policy: WeightsPolicy = { high: () => 0.85, sharePerRound: 0.1, settleMs: ms(1000) };

interface Link {
  readonly capacity: number;
  readonly price?: number;
  readonly paid?: number;
  readonly rttUs?: number;
  readonly loss?: number;
  readonly isUp?: boolean;
}

function networkOf(links: readonly Link[], drained?: string) {
  const observed = links.map(
    ({ capacity, paid, rttUs, loss, isUp = true }, l): LinkObservation => ({
      link: names[l] ?? north,
      isUp,
      capacity: bitps(capacity),
      ...(loss === undefined ? {} : { lossRatio: sampled(loss) }),
      ...(rttUs === undefined ? {} : { rttUs: sampled(rttUs) }),
      ...(paid === undefined
        ? {}
        : {
            billing: {
              paid: bitps(0),
              paidOutbound: bitps(paid),
              freeSamplesLeft: 0,
              reason: 'committed by contract',
            },
          }),
    }),
  );
  const base = defaultPolicy(
    links.map(({ capacity, price }, l) => ({
      link: names[l] ?? north,
      capacity: bitps(capacity),
      ...(price === undefined ? {} : { pricePerMbps: price }),
    })),
  );
  const maintenance =
    drained === undefined ? [] : [{ link: linkId(drained), from: ms(0), to: ms(1e12) }];
  const observation = { at: ms(1000), intervalMs: ms(1000), links: observed, blocks: [] };
  return buildNetwork(observation, { ...base, maintenance }, 'outbound');
}

const sampled = (value: number) => ({
  value,
  ageMs: ms(0),
  coverage: 1,
  source: 'wire' as const,
});

const all = (rate: number, links: readonly LinkId[] = names): DestinationClass => ({
  name: links.join('+'),
  rate: bitps(rate),
  ways: links.map((link) => ({ link })),
});

function decide(
  links: readonly Link[],
  classes: readonly DestinationClass[],
  more: {
    readonly weights?: Weights;
    readonly inForce?: readonly ClassWeights[];
    readonly at?: number;
    readonly drained?: string;
  } = {},
) {
  const network = networkOf(links, more.drained);
  const input = {
    at: ms(more.at ?? 1_000_000),
    network,
    classes,
    fixed: network.links.map(() => 0),
  };
  return decideWeights(input, more.weights ?? balance, policy, more.inForce ?? []);
}

const weightsOf = (plan: ReturnType<typeof decide>, name = names.join('+')): LinkWeights =>
  plan.classes.find((each) => each.name === name)?.weights ?? {};

t.test('each term alone', async (t) => {
  const even = [{ capacity: 100e6 }, { capacity: 100e6 }, { capacity: 200e6 }];
  t.same(weightsOf(decide(even, [all(80e6)])), { north: 16, south: 16, east: 32 }, 'capacity');
  t.same(weightsOf(decide(even, [all(0)])), { north: 16, south: 16, east: 32 }, 'and idle');
  const dear = decide(
    [
      { capacity: 100e6, price: 1 },
      { capacity: 100e6, price: 4, paid: 20e6 },
      { capacity: 100e6, price: 4 },
    ],
    [all(60e6)],
    { weights: { ...balance, balance: 0, price: 10 } },
  );
  t.match(weightsOf(dear), { east: 0 }, 'nothing is bought at the dear one');
  t.ok((weightsOf(dear).south ?? 0) >= 10, 'what is paid for is used first');
  const slow = decide(
    [{ capacity: 100e6, rttUs: 10_000 }, { capacity: 100e6, rttUs: 80_000 }, { capacity: 1 }],
    [all(20e6, [north, south])],
    { weights: { ...balance, response: 4 } },
  );
  t.same(weightsOf(slow, 'north+south'), { north: 64, south: 0 }, 'response');
  const lossy = decide(
    [{ capacity: 100e6, loss: 0.02 }, { capacity: 100e6 }, { capacity: 100e6 }],
    [all(60e6)],
  );
  t.match(weightsOf(lossy), { north: 0 }, 'congestion');
  const drained = decide(even, [all(80e6)], { drained: 'east' });
  t.same(weightsOf(drained), { north: 32, south: 32, east: 0 }, 'maintenance');
  const down = decide([{ capacity: 100e6, isUp: false }, ...even.slice(1)], [all(80e6)]);
  t.match(weightsOf(down), { north: 0 }, 'a link that is down');
});

t.test('what is near by one link leaves by it, the others make room', async (t) => {
  const near: DestinationClass = {
    name: 'near',
    rate: bitps(60e6),
    ways: [
      { link: north, response: 0.1 },
      { link: south, response: 1 },
    ],
  };
  const plan = decide(
    [{ capacity: 100e6 }, { capacity: 100e6 }],
    [near, all(60e6, [north, south])],
    {
      weights: { ...balance, response: 3 },
    },
  );
  t.same(weightsOf(plan, 'near'), { north: 64, south: 0 });
  t.same(weightsOf(plan, 'north+south'), { north: 0, south: 64 });
  const [first] = plan.classes;
  t.ok((first?.terms.south?.response ?? 0) > (first?.terms.north?.response ?? 1), 'and says why');
});

t.test('a jam that only a chain of classes resolves', async (t) => {
  // `a` may use north and south, `b` south and east: north is full, and only east has room.
  const plan = decide(
    [{ capacity: 50e6 }, { capacity: 50e6 }, { capacity: 200e6 }],
    [all(80e6, [north, south]), all(40e6, [south, east])],
  );
  t.ok((weightsOf(plan, 'south+east').east ?? 0) >= 60, 'south is left to who has no other');
  for (const { link, planned, capacity } of plan.links)
    t.ok(planned <= 0.9 * capacity, `${link} is not overloaded`);
});

/** Random problems of two classes over three links. */
const problems = fc.record({
  capacity: fc.tuple(...names.map(() => fc.integer({ min: 20, max: 200 }))),
  price: fc.tuple(...names.map(() => fc.integer({ min: 0, max: 5 }))),
  rates: fc.tuple(fc.integer({ min: 1, max: 150 }), fc.integer({ min: 1, max: 150 })),
  second: fc.constantFrom([north, south], [south, east], [north, east], [east]),
  weights: fc.record({
    balance: fc.constantFrom(0, 1),
    congestion: fc.constantFrom(1, 4),
    response: fc.constant(0),
    price: fc.constantFrom(0, 1, 3),
  }),
});
type Drawn = typeof problems extends fc.Arbitrary<infer D> ? D : never;

const linksOf = ({ capacity, price }: Drawn): readonly Link[] =>
  capacity.map((each, l) => ({ capacity: each * 1e6, price: price[l] ?? 0, paid: 5e6 }));
const classesOf = ({ rates, second }: Drawn): readonly DestinationClass[] => [
  { ...all(rates[0] * 1e6), name: 'first' },
  { ...all(rates[1] * 1e6, second), name: 'second' },
];

t.test('no division into sixteenths is better than the spread', async (t) => {
  fc.assert(
    fc.property(problems, (drawn) => {
      const network = networkOf(linksOf(drawn));
      const objective = objectiveOf(network, drawn.weights, policy);
      const problem = problemOf(objective, classesOf(drawn), [0, 0, 0]);
      const found = costOf(problem, divide(problem));
      const least = bruteForce(problem);
      return found <= least * (1 + 1e-3) + 1e3;
    }),
    { numRuns: 60 },
  );
  t.pass();
});

/** Every division of both classes into sixteenths. */
function bruteForce(problem: Parameters<typeof costOf>[0]): number {
  const parts = 16;
  const divisions: number[][] = [];
  for (let a = 0; a <= parts; a++)
    for (let b = 0; a + b <= parts; b++) divisions.push([a, b, parts - a - b]);
  const allowed = problem.classes.map(({ rate, cost }) =>
    divisions
      .filter((division) => division.every((n, l) => n === 0 || Number.isFinite(cost[l])))
      .map((division) => Float64Array.from(division, (n) => (n * rate) / parts)),
  );
  let least = Number.POSITIVE_INFINITY;
  for (const first of allowed[0] ?? [])
    for (const second of allowed[1] ?? [])
      least = Math.min(least, costOf(problem, [first, second]));
  return least;
}

t.test('weights are whole, complete, and the same in any order', async (t) => {
  fc.assert(
    fc.property(problems, (drawn) => {
      const classes = classesOf(drawn);
      const one = decide(linksOf(drawn), classes, { weights: drawn.weights });
      const other = decide(linksOf(drawn), [...classes].reverse(), { weights: drawn.weights });
      return (
        JSON.stringify(one) === JSON.stringify(other) &&
        one.classes.every(
          ({ weights }) => Object.values(weights).reduce((a, b) => a + b, 0) === weightParts,
        )
      );
    }),
    { numRuns: 60 },
  );
  t.pass();
});

t.test('small changes of demand are small changes of weights', async (t) => {
  fc.assert(
    fc.property(problems, fc.double({ min: 0.98, max: 1.02, noNaN: true }), (drawn, factor) => {
      const weights = { ...drawn.weights, balance: 1 };
      const [one, other] = [
        drawn,
        { ...drawn, rates: drawn.rates.map((r) => r * factor) as [number, number] },
      ].map((each) => decide(linksOf(each), classesOf(each), { weights }));
      // What both carry on a link moves little; which of two classes it is of may differ.
      return (one?.links ?? []).every(({ planned, capacity }, l) => {
        const after = other?.links[l]?.planned ?? 0;
        const total = (drawn.rates[0] + drawn.rates[1]) * 1e6;
        return Math.abs(planned - after) <= 0.06 * Math.max(total, capacity);
      });
    }),
    { numRuns: 100 },
  );
  t.pass();
});

t.test('in force: what is near stays, what is not goes there in steps, each settles', async (t) => {
  const links = [{ capacity: 100e6 }, { capacity: 100e6 }, { capacity: 200e6 }];
  const name = names.join('+');
  const inForce = (weights: LinkWeights, since = 0) => [{ name, weights, since: ms(since) }];
  const near = { north: 18, south: 15, east: 31 };
  const same = decide(links, [all(80e6)], { inForce: inForce(near) });
  t.same(weightsOf(same), near);
  t.notOk(same.isChanged);
  const far = { north: 64, south: 0, east: 0 };
  const early = decide(links, [all(80e6)], { inForce: inForce(far, 999_500) });
  t.same(weightsOf(early), far, 'within the settle time nothing changes');
  let weights: LinkWeights = far;
  let rounds = 0;
  for (let at = 2_000_000; rounds < 40; at += 2000, rounds++) {
    const next = decide(links, [all(80e6)], { inForce: inForce(weights), at });
    if (!next.isChanged) break;
    const moved = movedShare(weights, weightsOf(next));
    t.ok(moved > 0 && moved <= 0.1 + 1 / 32, `${(moved * 100).toFixed(1)} % at once`);
    weights = weightsOf(next);
  }
  t.ok(movedShare(weights, { north: 16, south: 16, east: 32 }) < 0.1, `there in ${rounds} rounds`);
  const cut = decide([{ capacity: 100e6, isUp: false }, ...links.slice(1)], [all(80e6)], {
    inForce: inForce(far, 999_999),
  });
  t.match(weightsOf(cut), { north: 0 }, 'a class without any way gets another at once');
});

t.test('a class that is new begins with what the rest of another had', async (t) => {
  const links = [{ capacity: 100e6 }, { capacity: 100e6 }, { capacity: 200e6 }];
  const before = {
    name: names.join('+'),
    weights: { north: 8, south: 14, east: 42 },
    since: ms(0),
  };
  const plan = decide(links, [all(40e6, [south, east]), all(40e6)], { inForce: [before], at: 500 });
  t.same(weightsOf(plan, 'south+east'), { south: 16, east: 48 }, 'and goes on in steps');
  t.equal(plan.isChanged, true);
});
