/** `headgate status`: is all well, and if not, what and since when. */
import type { Command } from 'commander';
import type { StatusView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatDuration } from './face/text.ts';

export function register(program: Command): void {
  askCommand(program, 'status', 'says whether all is well, and if not, what and since when').action(
    async (options: AskOptions) => {
      print(options, await ask<StatusView>(options, 'status'), renderStatus);
    },
  );
}

export function renderStatus(view: StatusView): string {
  const { plan, wires, routers, reasons, proposal } = view;
  const up = routers.filter((router) => router.phase === 'established').length;
  const forwarding = wires.filter((wire) => wire.state === 'forwarding').length;
  const state = reasons.length === 0 ? 'all is well' : `${reasons.length} to look at`;
  return [
    `${state}: mode ${view.mode}, running for ${formatDuration(view.at - view.started)}, ${view.cycles} cycles`,
    `wires ${forwarding} of ${wires.length} forwarding, routers ${up} of ${routers.length} with a session`,
    `plan ${plan.generation}: ${plan.steered} of ${plan.blocks} blocks steered${view.is_withdrawn ? ', all withdrawn' : ''}`,
    ...(proposal
      ? [
          `proposal ${proposal.id} waits: ${proposal.moves} moves; headgate plan shows it, headgate approve ${proposal.id} carries it out`,
        ]
      : []),
    ...reasons.map(({ what, since }) => `! ${what} (for ${formatDuration(view.at - since)})`),
  ].join('\n');
}
