/** `headgate resume`: ends what `headgate withdraw` began. */
import type { Command } from 'commander';
import { type ActOptions, actCommand, ask, print, whyOf } from './face/ask.ts';

export function register(program: Command): void {
  actCommand(program, 'resume', 'lets a unit announce again after headgate withdraw').action(
    async (options: ActOptions) => {
      const answer = await ask<{ readonly is_withdrawn: boolean }>(
        options,
        'resume',
        whyOf(options),
      );
      print(options, answer, () => 'announcements are made again from the next cycle on');
    },
  );
}
