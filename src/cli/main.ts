/**
 * The command line. One file per command beside this one; each exports `register(program)`.
 * Only the file of the command that was asked for is loaded, so that reading a status does not load an optimiser.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Command, CommanderError } from 'commander';
import { HeadgateError } from '../core/base/error.ts';
import { exitCodes, UseError } from './face/exit.ts';

interface CommandFile {
  readonly register: (program: Command) => void;
}

process.exitCode = await main(process.argv);

/** Runs one command line; gives the exit code. Errors go to stderr as one line that says what to do. */
async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('headgate')
    .description(
      'measures, decides and steers the traffic of a network with several upstream links',
    )
    .version(versionOf())
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      // One line on stderr: the suggestion is joined to the error that it belongs to.
      outputError: (text, write) =>
        write(
          `headgate: ${text
            .replace(/^error: /, '')
            .trim()
            .replaceAll('\n', ' ')}\n`,
        ),
    });
  try {
    for (const file of await loadCommands(argv[2])) file.register(program);
    for (const command of program.commands) inherit(command, program);
    await program.parseAsync([...argv]);
    return Number(process.exitCode ?? exitCodes.done);
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUse;
    }
    if (error instanceof UseError || error instanceof HeadgateError) {
      process.stderr.write(`headgate: ${error.message}\n`);
      return error instanceof UseError ? exitCodes.wrongUse : exitCodes.failed;
    }
    throw error;
  }
}

/** From dist/src/cli to the package that this is. */
function versionOf(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  // A cast: the file is our own.
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** The file named like the command, or all of them where none is (help, a misspelled name). */
async function loadCommands(name: string | undefined): Promise<readonly CommandFile[]> {
  const folder = dirname(fileURLToPath(import.meta.url));
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.js') && file !== 'main.js')
    .map((file) => basename(file, '.js'))
    .sort();
  const wanted = name !== undefined && names.includes(name) ? [name] : names;
  const loaded = await Promise.all(
    // A cast, since an import by a computed name has no type: each file of this folder exports `register`.
    wanted.map(
      (file) => import(pathToFileURL(join(folder, `${file}.js`)).href) as Promise<CommandFile>,
    ),
  );
  return loaded.filter((file) => typeof file.register === 'function');
}

/** Commands made by `new Command` and added whole do not take these from their parent by themselves. */
function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
}
