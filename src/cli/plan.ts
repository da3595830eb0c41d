/** `headgate plan`: what is announced and why, what waits for approval, what was moved and what was stopped. */
import type { Command } from 'commander';
import type { MoveView, PlanView } from '../control/index.ts';
import type { RecordedInput } from '../core/decide/replay.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { UseError } from './face/exit.ts';
import { formatRate, formatShare, formatTable, formatTime } from './face/text.ts';

interface PlanOptions extends AskOptions {
  readonly diff?: boolean;
  readonly exact?: boolean;
  readonly timeLimit: string;
}

export function register(program: Command): void {
  askCommand(program, 'plan', 'shows the plan in force, what waits for approval and the last moves')
    .option('--diff', 'what differs from the plan in force: what waits, and what rails stopped')
    .option(
      '--exact',
      'the best assignment of the moment by a solver, beside the optimiser of the loop',
    )
    .option('--time-limit <seconds>', 'with --exact: the most that the solver may take', '60')
    .action(async (options: PlanOptions) => {
      if (options.exact) {
        // Here and only here: reading a plan does not load a solver.
        const { renderExact, solveExactly } = await import('./face/exact.ts');
        const input = await ask<RecordedInput>(options, 'cycle');
        print(options, await solveExactly(input, secondsOf(options.timeLimit)), renderExact);
        return;
      }
      const plan = await ask<PlanView>(options, 'plan');
      if (options.diff) {
        print(options, { proposal: plan.proposal ?? null, stopped: plan.stopped }, renderDiff);
      } else {
        print(options, plan, renderPlan);
      }
    });
}

function secondsOf(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UseError(`--time-limit: expected seconds, found "${text}"`);
  return value;
}

/** What a decision wants otherwise than it is: to be approved, or stopped by a rail. */
export function renderDiff({
  proposal,
  stopped,
}: {
  readonly proposal: PlanView['proposal'] | null;
  readonly stopped: PlanView['stopped'];
}): string {
  const parts = [proposal ? renderProposal(proposal) : 'nothing waits for approval'];
  parts.push(
    stopped.length > 0
      ? `wanted, and stopped by a rail\n${renderMoves(stopped)}`
      : 'no rail stopped anything',
  );
  return parts.join('\n\n');
}

export function renderPlan(plan: PlanView): string {
  const steered = plan.blocks.filter((block) => block.link !== null);
  const parts = [
    `plan ${plan.generation} of ${formatTime(plan.at)}, mode ${plan.mode}: ${steered.length} of ${plan.blocks.length} blocks steered`,
  ];
  if (plan.is_withdrawn) parts.push('all announcements are withdrawn; headgate resume ends it');
  if (plan.frozen) parts.push(`nothing is moved: ${plan.frozen.reasons.join('; ')}`);
  if (steered.length > 0) {
    parts.push(
      formatTable(
        [
          { head: 'block', cell: (block) => block.prefix },
          { head: 'link', cell: (block) => block.link ?? 'any' },
          { head: 'rung', cell: (block) => String(block.rung), align: 'right' },
          { head: 'why', cell: (block) => block.reason },
        ],
        steered,
      ),
    );
  }
  if (plan.proposal) parts.push(renderProposal(plan.proposal));
  if (plan.regroupings && plan.regroupings.length > 0)
    parts.push(`blocks regrouped\n${renderRegroupings(plan.regroupings.slice(0, 10))}`);
  if (plan.moves.length > 0) parts.push(`last moves\n${renderMoves(plan.moves.slice(0, 10))}`);
  if (plan.stopped.length > 0) parts.push(`stopped by a rail\n${renderMoves(plan.stopped)}`);
  return parts.join('\n\n');
}

function renderProposal({ id, moves }: NonNullable<PlanView['proposal']>): string {
  const what =
    moves.length === 0 ? 'announce every block alike on all links' : `\n${renderMoves(moves)}`;
  return `proposal ${id} (headgate approve ${id} carries it out): ${what}`;
}

function renderRegroupings(changes: NonNullable<PlanView['regroupings']>): string {
  return formatTable(
    [
      { head: 'time', cell: (change) => formatTime(change.at) },
      { head: 'what', cell: (change) => change.kind },
      { head: 'gain', cell: (change) => formatShare(change.gain), align: 'right' },
      { head: 'why', cell: (change) => change.reason },
    ],
    changes,
  );
}

export function renderMoves(moves: readonly MoveView[]): string {
  return formatTable(
    [
      { head: 'time', cell: (move) => formatTime(move.at) },
      { head: 'block', cell: (move) => move.block },
      { head: 'from', cell: (move) => move.from ?? 'any' },
      { head: 'to', cell: (move) => move.to ?? 'any' },
      { head: 'rung', cell: (move) => String(move.rung), align: 'right' },
      { head: 'expected', cell: (move) => formatRate(move.predicted_shift_bitps), align: 'right' },
      { head: 'outcome', cell: outcomeOf },
      {
        head: 'why',
        cell: (move) => (move.rail ? `${move.rail}: ${move.rail_reason ?? ''}` : move.reason),
      },
    ],
    moves,
  );
}

/** Such as `worked: 62 % came, 55 % predicted`. */
function outcomeOf({ outcome, share_seen, share_predicted }: MoveView): string {
  if (share_seen === undefined || share_predicted === undefined) return outcome;
  return `${outcome}: ${formatShare(share_seen, 0)} came, ${formatShare(share_predicted, 0)} predicted`;
}
