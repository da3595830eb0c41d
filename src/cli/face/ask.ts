/** Asking a running unit: what all reading and acting commands share. */
import { type Command, type CommandOptions, Option } from 'commander';
import { openControlClient } from '../../control/index.ts';
import { HeadgateError } from '../../core/base/error.ts';
import { exitCodes, UseError } from './exit.ts';

export interface AskOptions {
  readonly socket: string;
  /** Of several units the one whose own view is wanted. */
  readonly unit?: string;
  readonly json?: boolean;
}

/** A sub-command that talks to a unit: with `--socket` and `--json`. */
export function askCommand(
  program: Command,
  usage: string,
  description: string,
  how: CommandOptions = {},
): Command {
  return program
    .command(usage, how)
    .description(description)
    .addOption(
      new Option('-s, --socket <path>', 'control socket of the unit')
        .env('HEADGATE_SOCKET')
        .default('/run/headgate/control.sock'),
    )
    .option('--json', 'one JSON value on stdout, nothing else')
    .option('--unit <name>', 'of several units: that one alone, in place of the whole');
}

export interface ActOptions extends AskOptions {
  readonly why?: string;
}

/** A sub-command that changes something: the audit log keeps who did it and, with `--why`, the reason. */
export function actCommand(program: Command, usage: string, description: string): Command {
  return askCommand(program, usage, description).option(
    '--why <reason>',
    'for the audit log: a ticket, a sentence',
  );
}

export const whyOf = ({ why }: ActOptions): { readonly why?: string } =>
  why === undefined ? {} : { why };

/**
 * Asks one question. Throws HeadgateError when no unit answers or when it refuses (exit code 1),
 * UseError when the unit says that the question was wrong (exit code 2).
 */
export async function ask<View>(
  options: AskOptions,
  command: string,
  args: Readonly<Record<string, unknown>> = {},
): Promise<View> {
  const client = await openControlClient(options.socket);
  try {
    const { unit } = options;
    const answer = await client.ask(command, unit === undefined ? args : { ...args, unit });
    // A cast: the unit's views are typed in src/control/views.ts, and the protocol's version was compared.
    if (answer.ok) return answer.value as View;
    const { code, message } = answer.error;
    throw code === 'bad_argument' ? new UseError(message) : new HeadgateError(code, message);
  } finally {
    client.close();
  }
}

/** Prints an answer: as JSON, or as `render` makes it readable. */
export function print<View>(
  options: { readonly json?: boolean },
  view: View,
  render: (view: View) => string,
): void {
  process.stdout.write(`${options.json ? JSON.stringify(view, null, 2) : render(view)}\n`);
}

export { exitCodes };
