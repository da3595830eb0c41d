/** The optimiser against trying everything on small cases and against HiGHS on larger ones. */
import fc from 'fast-check';
import t from 'tap';
import { solveWithHighs } from '../../../../src/cli/face/highs.ts';
import {
  type AssignProblem,
  assign,
  assignmentValue,
  loadCost,
} from '../../../../src/core/decide/assign/index.ts';
import { seeded } from '../../../../src/core/simulate/random.ts';
import { makeProblem } from '../../../bench/decide/problem.ts';

// Others may be using the machine.
t.setTimeout(300_000);

const small = fc
  .record({
    capacity: fc.array(fc.integer({ min: 5, max: 20 }), { minLength: 2, maxLength: 3 }),
    blocks: fc.array(
      fc.record({
        demand: fc.integer({ min: 1, max: 9 }),
        home: fc.integer({ min: -1, max: 2 }),
        costs: fc.array(fc.constantFrom(0, 0.5, 2, Infinity), { minLength: 3, maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
  })
  .map(({ capacity, blocks }): AssignProblem => {
    const links = capacity.length;
    return {
      capacity: Float64Array.from(capacity),
      base: new Float64Array(links),
      demand: Float64Array.from(blocks, (block) => block.demand),
      home: Int32Array.from(blocks, (block) => Math.min(block.home, links - 1)),
      // A block may go somewhere.
      cost: Float64Array.from(blocks.flatMap((block) => [1, ...block.costs.slice(1, links)])),
      moveFixed: 0.1,
      movePerUnit: 0.1,
      steps: [
        { from: 0.5, slope: 0.3 },
        { from: 0.9, slope: 10 },
      ],
    };
  });

function tryAll(problem: AssignProblem): number {
  const links = problem.capacity.length;
  const blocks = problem.demand.length;
  let best = Infinity;
  for (let code = 0; code < links ** blocks; code++) {
    const link = Int32Array.from(
      { length: blocks },
      (_, b) => Math.floor(code / links ** b) % links,
    );
    best = Math.min(best, assignmentValue(problem, link));
  }
  return best;
}

t.test('small cases: the bound holds, and the answer is near the best of all', async (t) => {
  let total = 0;
  let least = 0;
  fc.assert(
    fc.property(small, (problem) => {
      const answer = assign(problem);
      const best = tryAll(problem);
      total += answer.value;
      least += best;
      const isHonest = Math.abs(answer.value - assignmentValue(problem, answer.link)) < 1e-6;
      return isHonest && answer.lowerBound <= best + 1e-6 && answer.value >= best - 1e-6;
    }),
    { numRuns: 300 },
  );
  // With six blocks of a third of a link each single moves are coarse; in the sum they lose little.
  t.ok(total <= least * 1.05, `${total.toFixed(0)} against ${least.toFixed(0)}`);
});

t.test('thousands of blocks: near what HiGHS proves for blocks that may be divided', async (t) => {
  for (const isPlain of [true, false]) {
    const problem = makeProblem({ blocks: 3000, links: 4, isPlain, seed: 3 });
    const ours = assign(problem);
    // Blocks that may be divided: a bound for those that may not.
    const relaxed = await solveWithHighs(problem, { timeLimitS: 60, isRelaxed: true, gap: 0 });
    t.equal(relaxed.status, 'Optimal');
    t.ok(ours.value > 1, 'there is something to decide');
    t.ok(ours.lowerBound <= relaxed.value * (1 + 1e-6), 'our bound is no better than a proof');
    t.ok(ours.lowerBound >= relaxed.value * (1 - 1e-6), 'and no worse: the optimum of the flow');
    const text = `${ours.value.toFixed(2)} against ${relaxed.value.toFixed(2)}`;
    // Divided blocks fit where whole ones with few links to choose from do not: the bound is not reached.
    t.ok(ours.value <= relaxed.value * (isPlain ? 1.01 : 1.03), text);
  }
});

t.test('the order of the blocks does not matter', async (t) => {
  const problem = makeProblem({ blocks: 300, links: 3, isPlain: true, seed: 5 });
  const expected = assign(problem).value;
  t.ok(expected > 1, 'there is something to decide');
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...problem.demand.keys()], { minLength: 300, maxLength: 300 }),
      (order) => {
        const shuffled = {
          ...problem,
          demand: Float64Array.from(order, (b) => problem.demand[b] ?? 0),
          home: Int32Array.from(order, (b) => problem.home[b] ?? 0),
        };
        return Math.abs(assign(shuffled).value - expected) < 1e-6 * expected;
      },
    ),
    { numRuns: 20 },
  );
});

t.test('demands that differ by 1 % leave nearly every block where it was', async (t) => {
  const problem = makeProblem({ blocks: 1000, links: 4, isPlain: false, seed: 6 });
  const before = assign(problem).link;
  for (let seed = 1; seed <= 10; seed++) {
    const random = seeded(seed);
    const demand = problem.demand.map((own) => own * (0.99 + 0.02 * random()));
    const changed = assign({ ...problem, demand }).link.filter((l, b) => l !== before[b]).length;
    t.ok(changed <= 100, `${changed} of 1000 change, seed ${seed}`);
  }
});

t.test('the cost of load is convex and free below its first step', async (t) => {
  const problem = makeProblem({ blocks: 1, links: 1, isPlain: true, seed: 1 });
  const whole = problem.capacity[0] ?? 1;
  t.equal(loadCost(problem, 0, 0.7 * whole), 0);
  t.ok(Math.abs(loadCost(problem, 0, 0.8 * whole) - 0.2 * 0.1 * whole) < 1e-9 * whole);
  t.ok(Math.abs(loadCost(problem, 0, 0.9 * whole) - (0.02 + 0.1) * whole) < 1e-9 * whole);
});
