/** Random assignment problems of the kind a border has. */
import type { AssignProblem } from '../../../src/core/decide/assign/index.ts';
import { pareto, seeded } from '../../../src/core/simulate/random.ts';

export interface ProblemShape {
  readonly blocks: number;
  readonly links: number;
  readonly isPlain: boolean;
  readonly seed: number;
}

/**
 * Links of 1, 2 or 4 units filled to 85 % in all, unevenly; block sizes Pareto (1.2), the largest a sixth of the
 * smallest link. Not plain: each block may use three quarters of the links, and has a response time on each.
 */
export function makeProblem({ blocks, links, isPlain, seed }: ProblemShape): AssignProblem {
  const random = seeded(seed);
  const capacity = Float64Array.from({ length: links }, () => 1000 * 2 ** Math.floor(3 * random()));
  const total = capacity.reduce((a, b) => a + b, 0);
  const demand = Float64Array.from({ length: blocks }, () => pareto(random, 1.2));
  const largest = Math.min(...capacity) / 6;
  const scale = (0.85 * total) / demand.reduce((a, b) => a + b, 0);
  for (let b = 0; b < blocks; b++) demand[b] = Math.min((demand[b] ?? 0) * scale, largest);
  const pull = Float64Array.from(capacity, (own) => own * (0.5 + random()));
  const home = Int32Array.from({ length: blocks }, () => draw(random, pull));
  const cost = isPlain ? undefined : new Float64Array(blocks * links);
  if (cost) {
    for (let b = 0; b < blocks; b++) {
      for (let l = 0; l < links; l++)
        cost[b * links + l] = random() < 0.25 ? Infinity : random() ** 2;
      const own = b * links + (home[b] ?? 0);
      cost[own] = Math.min(cost[own] ?? 1, random());
    }
  }
  return {
    capacity,
    base: new Float64Array(links),
    demand,
    home,
    ...(cost ? { cost } : {}),
    moveFixed: 0.05,
    movePerUnit: 0.1,
    steps: [
      { from: 0.7, slope: 0.2 },
      { from: 0.8, slope: 1 },
      { from: 0.9, slope: 20 },
    ],
  };
}

function draw(random: () => number, weights: Float64Array): number {
  let left = random() * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i] ?? 0;
    if (left <= 0) return i;
  }
  return weights.length - 1;
}
