/** `headgate reload`: the unit reads its settings anew; whole, or not at all. */
import type { Command } from 'commander';
import { type ActOptions, actCommand, ask, print, whyOf } from './face/ask.ts';

interface ReloadView {
  /** Keys of the settings that are others now. */
  readonly changed: readonly string[];
}

export function register(program: Command): void {
  actCommand(
    program,
    'reload',
    'makes the unit read its settings anew; a mistake in them changes nothing',
  ).action(async (options: ActOptions) => {
    print(options, await ask<ReloadView>(options, 'reload', whyOf(options)), ({ changed }) =>
      changed.length === 0 ? 'nothing has changed' : `changed: ${changed.join(', ')}`,
    );
  });
}
