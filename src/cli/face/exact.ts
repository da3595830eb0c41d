/** `headgate plan --exact`: the best assignment of the moment by a solver, beside what the loop's optimiser says. */
import { whole } from '../../core/base/slices.ts';
import { aimOf } from '../../core/decide/aim.ts';
import { type AssignProblem, assign } from '../../core/decide/assign/index.ts';
import { makeContext } from '../../core/decide/context.ts';
import { buildNetwork } from '../../core/decide/network.ts';
import type { RecordedInput } from '../../core/decide/replay.ts';
import { solveWithHighs } from './highs.ts';
import { formatRate, formatShare, formatTable } from './text.ts';

export interface ExactView {
  /** Groups that may move, and links. */
  readonly groups: number;
  readonly links: number;
  /** `Optimal`, or why the solver ended earlier. */
  readonly status: string;
  readonly solver_value: number;
  readonly solver_seconds: number;
  readonly optimiser_value: number;
  readonly optimiser_seconds: number;
  /** No assignment is cheaper than this: proven by the optimiser. */
  readonly proven_bound: number;
  /** Where the solver has groups elsewhere than where they come in now, the heaviest first. */
  readonly moves: ReadonlyArray<{
    readonly group: string;
    readonly from: string;
    readonly to: string;
    readonly bitps: number;
    /** Whether the optimiser has it on the same link. */
    readonly is_agreed: boolean;
  }>;
}

/** The solver works better with thousands than with thousands of millions. */
const unitBitps = 1e6;

export async function solveExactly(input: RecordedInput, timeLimitS: number): Promise<ExactView> {
  const { observation, policy, before } = input;
  const network = buildNetwork(observation, policy);
  const { problem: inBits, groups } = whole(
    aimOf(whole(makeContext(observation, policy, before, network))),
  );
  const problem = scaled(inBits);
  const started = performance.now();
  const ours = assign(problem);
  const seconds = (performance.now() - started) / 1000;
  const exact = await solveWithHighs(problem, { timeLimitS, isRelaxed: false, gap: 1e-4 });
  const name = (link: number | undefined) => network.links[link ?? -1] ?? '-';
  const moves = groups.flatMap((group, i) => {
    const [from, to] = [problem.home[i], exact.link[i]];
    if (from === to) return [];
    const bitps = Math.round((problem.demand[i] ?? 0) * unitBitps);
    const isAgreed = ours.link[i] === to;
    return [{ group: group.name, from: name(from), to: name(to), bitps, is_agreed: isAgreed }];
  });
  return {
    groups: groups.length,
    links: network.links.length,
    status: exact.status,
    solver_value: exact.value,
    solver_seconds: exact.seconds,
    optimiser_value: ours.value,
    optimiser_seconds: seconds,
    proven_bound: ours.lowerBound,
    moves: moves.sort((a, b) => b.bitps - a.bitps || (a.group < b.group ? -1 : 1)),
  };
}

function scaled(problem: AssignProblem): AssignProblem {
  const all = (values: Float64Array) => values.map((value) => value / unitBitps);
  const { capacity, base, demand } = problem;
  return { ...problem, capacity: all(capacity), base: all(base), demand: all(demand) };
}

export function renderExact(view: ExactView): string {
  const above = view.solver_value > 0 ? view.optimiser_value / view.solver_value - 1 : 0;
  const head = [
    `${view.groups} groups on ${view.links} links, if each moved whole and no rail held it`,
    `solver    ${view.solver_value.toFixed(3)} in ${view.solver_seconds.toFixed(2)} s (${view.status})`,
    `optimiser ${view.optimiser_value.toFixed(3)} in ${view.optimiser_seconds.toFixed(3)} s, ${formatShare(above, 2)} above the solver; none is below ${view.proven_bound.toFixed(3)}`,
  ];
  if (view.moves.length === 0) return [...head, 'every group is where it is best'].join('\n');
  const table = formatTable(
    [
      { head: 'group', cell: (move) => move.group },
      { head: 'from', cell: (move) => move.from },
      { head: 'to', cell: (move) => move.to },
      { head: 'bit/s', cell: (move) => formatRate(move.bitps), align: 'right' },
      { head: 'optimiser', cell: (move) => (move.is_agreed ? 'the same' : 'elsewhere') },
    ],
    view.moves.slice(0, 50),
  );
  const more = view.moves.length > 50 ? [`and ${view.moves.length - 50} more`] : [];
  return [...head, '', table, ...more].join('\n');
}
