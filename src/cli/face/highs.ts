/** A real solver for the assignment of blocks to links: HiGHS, in WebAssembly. Seconds to minutes: never in the loop. */
import highsModule from 'highs';
import type { AssignProblem } from '../../core/decide/assign/index.ts';

export interface SolverAnswer {
  readonly status: string;
  readonly value: number;
  readonly seconds: number;
  /** Link by block; where blocks may be divided, the link with most of it. */
  readonly link: Int32Array;
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
  // A cast: which columns a solution has depends on the kind of the problem; each has its value where there is one.
  const columns = answer.Columns as Readonly<Record<string, { readonly Primal?: number }>>;
  const links = problem.capacity.length;
  const link = Int32Array.from(problem.demand, (_, b) => {
    let most = 0;
    for (let l = 1; l < links; l++)
      if ((columns[`x${b}_${l}`]?.Primal ?? 0) > (columns[`x${b}_${most}`]?.Primal ?? 0)) most = l;
    return most;
  });
  return { status: answer.Status, value: answer.ObjectiveValue, seconds, link };
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
