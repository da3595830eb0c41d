/** `headgate withdraw`: takes announcements back, at once, until `headgate resume`. */
import type { Command } from 'commander';
import { type ActOptions, actCommand, ask, print, whyOf } from './face/ask.ts';
import { UseError } from './face/exit.ts';

interface WithdrawView {
  readonly withdrawn: 'all' | readonly string[];
  /** Of several units those that did not answer. */
  readonly unreached?: readonly string[];
}

interface WithdrawOptions extends ActOptions {
  readonly all?: boolean;
}

export function register(program: Command): void {
  actCommand(
    program,
    'withdraw [prefixes...]',
    'takes announcements back until headgate resume; packets are not touched',
  )
    .option('--all', 'every announcement, of all units')
    .action(async (prefixes: readonly string[], options: WithdrawOptions) => {
      if (options.all === true ? prefixes.length > 0 : prefixes.length === 0) {
        throw new UseError('expected --all, or the prefixes to take back');
      }
      const args = options.all === true ? { all: true } : { prefixes };
      const answer = await ask<WithdrawView>(options, 'withdraw', { ...args, ...whyOf(options) });
      print(options, answer, ({ withdrawn, unreached = [] }) => {
        const what =
          withdrawn === 'all'
            ? 'withdrawn: everything, until headgate resume'
            : `withdrawn until headgate resume: ${withdrawn.join(', ')}`;
        if (unreached.length === 0) return what;
        return `${what}\nnot told yet, and will be as soon as they are heard: ${unreached.join(', ')}`;
      });
    });
}
