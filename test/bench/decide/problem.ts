/** Random assignment problems of the kind a border has, and HiGHS's answer to them. */
import highsModule from 'highs';
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

export interface SolverAnswer {
  readonly status: string;
  readonly value: number;
  readonly seconds: number;
}

/** HiGHS on the whole problem; `isRelaxed` lets blocks be divided, which is a proven lower bound. */
export async function solveWithHighs(
  problem: AssignProblem,
  { timeLimitS, isRelaxed, gap }: { timeLimitS: number; isRelaxed: boolean; gap: number },
): Promise<SolverAnswer> {
  // A cast, since the package's types describe an ES module and its file is CommonJS.
  const loadHighs = highsModule as unknown as typeof highsModule.default;
  const highs = await loadHighs();
  const text = writeLp(problem, isRelaxed);
  const started = performance.now();
  const answer = highs.solve(text, {
    time_limit: timeLimitS,
    ...(isRelaxed ? {} : { mip_rel_gap: gap }),
    output_flag: false,
  });
  const seconds = (performance.now() - started) / 1000;
  return { status: answer.Status, value: answer.ObjectiveValue, seconds };
}

/** The problem in CPLEX LP format: one binary per block and link, one variable per step of a link's cost. */
export function writeLp(problem: AssignProblem, isRelaxed: boolean): string {
  const { capacity, base, demand, home, cost, moveFixed, movePerUnit, steps } = problem;
  const links = capacity.length;
  const objective: string[] = [];
  const one: string[] = [];
  const carried: string[][] = Array.from({ length: links }, () => []);
  const binaries: string[] = [];
  const number = (value: number) => value.toPrecision(12);
  for (let b = 0; b < demand.length; b++) {
    const own = demand[b] ?? 0;
    const row: string[] = [];
    for (let l = 0; l < links; l++) {
      const use = cost?.[b * links + l] ?? 0;
      if (!Number.isFinite(use)) continue;
      const name = `x${b}_${l}`;
      const moving = home[b] === l ? 0 : moveFixed + movePerUnit * own;
      objective.push(`+ ${number(use * own + moving)} ${name}`);
      row.push(name);
      carried[l]?.push(`+ ${number(own)} ${name}`);
      binaries.push(name);
    }
    one.push(`a${b}: ${row.join(' + ')} = 1`);
  }
  const bounds: string[] = [];
  const loads = carried.map((terms, l) => {
    const whole = capacity[l] ?? 0;
    const pieces = [{ from: 0, slope: 0 }, ...steps].map((step, s, all) => {
      const name = `y${l}_${s}`;
      const next = all[s + 1];
      if (next) bounds.push(`0 <= ${name} <= ${number((next.from - step.from) * whole)}`);
      if (step.slope > 0) objective.push(`+ ${number(step.slope)} ${name}`);
      return `- ${name}`;
    });
    return `l${l}: ${terms.join(' ')} ${pieces.join(' ')} <= ${number(-(base[l] ?? 0))}`;
  });
  if (isRelaxed) for (const name of binaries) bounds.push(`0 <= ${name} <= 1`);
  const wrap = (terms: readonly string[]) => terms.join('\n ');
  return [
    'Minimize',
    ` obj: ${wrap(objective)}`,
    'Subject To',
    ` ${wrap([...one, ...loads])}`,
    'Bounds',
    ` ${wrap(bounds)}`,
    ...(isRelaxed ? [] : ['Binary', ` ${wrap(binaries)}`]),
    'End',
  ].join('\n');
}
