/** `headgate resume`: ends what `headgate withdraw` began. */
import type { Command } from 'commander';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';

export function register(program: Command): void {
  askCommand(program, 'resume', 'lets a unit announce again after headgate withdraw').action(
    async (options: AskOptions) => {
      const answer = await ask<{ readonly is_withdrawn: boolean }>(options, 'resume');
      print(options, answer, () => 'announcements are made again from the next cycle on');
    },
  );
}
