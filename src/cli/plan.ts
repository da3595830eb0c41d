/** `headgate plan`: what is announced and why, what waits for approval, what was moved and what was stopped. */
import type { Command } from 'commander';
import type { MoveView, PlanView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatRate, formatTable, formatTime } from './face/text.ts';

interface PlanOptions extends AskOptions {
  readonly diff?: boolean;
}

export function register(program: Command): void {
  askCommand(program, 'plan', 'shows the plan in force, what waits for approval and the last moves')
    .option('--diff', 'only what a proposal would change')
    .action(async (options: PlanOptions) => {
      const plan = await ask<PlanView>(options, 'plan');
      if (options.diff) {
        print(options, plan.proposal ?? null, (proposal) =>
          proposal ? renderProposal(proposal) : 'nothing waits for approval',
        );
      } else {
        print(options, plan, renderPlan);
      }
    });
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
  if (plan.moves.length > 0) parts.push(`last moves\n${renderMoves(plan.moves.slice(0, 10))}`);
  if (plan.stopped.length > 0) parts.push(`stopped by a rail\n${renderMoves(plan.stopped)}`);
  return parts.join('\n\n');
}

function renderProposal({ id, moves }: NonNullable<PlanView['proposal']>): string {
  const what =
    moves.length === 0 ? 'announce every block alike on all links' : `\n${renderMoves(moves)}`;
  return `proposal ${id} (headgate approve ${id} carries it out): ${what}`;
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
      { head: 'outcome', cell: (move) => move.outcome },
      {
        head: 'why',
        cell: (move) => (move.rail ? `${move.rail}: ${move.rail_reason ?? ''}` : move.reason),
      },
    ],
    moves,
  );
}
