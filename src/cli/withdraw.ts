/** `headgate withdraw`: takes announcements back, at once, until `headgate resume`. */
import type { Command } from 'commander';
import { type ActOptions, actCommand, ask, print, whyOf } from './face/ask.ts';
import { UseError } from './face/exit.ts';

interface WithdrawOptions extends ActOptions {
  readonly all?: boolean;
}

export function register(program: Command): void {
  actCommand(
    program,
    'withdraw [prefixes...]',
    'takes announcements back until headgate resume; packets are not touched',
  )
    .option('--all', 'every announcement of this unit')
    .action(async (prefixes: readonly string[], options: WithdrawOptions) => {
      if (options.all === true ? prefixes.length > 0 : prefixes.length === 0) {
        throw new UseError('expected --all, or the prefixes to take back');
      }
      const args = options.all === true ? { all: true } : { prefixes };
      const answer = await ask<{ readonly withdrawn: 'all' | readonly string[] }>(
        options,
        'withdraw',
        { ...args, ...whyOf(options) },
      );
      print(options, answer, ({ withdrawn }) =>
        withdrawn === 'all'
          ? 'withdrawn: everything, until headgate resume'
          : `withdrawn until headgate resume: ${withdrawn.join(', ')}`,
      );
    });
}
