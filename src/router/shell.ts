/** Runs programs on a router: over ssh or whatever else the settings name, or on this machine. */
import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { HeadgateError } from '../core/base/error.ts';

export interface RouterShell {
  /** Gives stdout; rejects with a `HeadgateError` when the program fails or the router is out of reach. */
  run(argv: readonly string[], input?: string): Promise<string>;
}

/** A configuration and its tables are far below this. */
const outputMax = 64 << 20;

/**
 * `prefix` is a program and its arguments that runs the command behind them, such as `ssh headgate@10.0.0.1`; none is
 * this machine. A command that takes longer than `timeoutMs` is killed and has failed.
 */
export function openShell(prefix: readonly string[], timeoutMs: number): RouterShell {
  const isRemote = basename(prefix[0] ?? '') === 'ssh';
  return {
    run(argv, input) {
      // ssh hands one line to the shell of the other end.
      const command = isRemote ? [argv.map(quote).join(' ')] : argv;
      const [program = '', ...args] = [...prefix, ...command];
      return execute(program, args, input, timeoutMs);
    },
  };
}

function execute(
  program: string,
  args: readonly string[],
  input: string | undefined,
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const fail = (why: string) =>
      reject(
        new HeadgateError('router_command_failed', `${program} ${args[0] ?? ''}: ${why}`, {
          retryable: true,
        }),
      );
    const out: Buffer[] = [];
    let bytes = 0;
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > outputMax) child.kill('SIGKILL');
      else out.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err = `${err}${chunk.toString()}`.slice(-1000);
    });
    child.on('error', (error) => fail(error.message));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else fail(signal === null ? err.trim() || `exit ${code}` : `killed after ${timeoutMs} ms`);
    });
    // A program that does not read to the end says so by its exit.
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
  });
}

/** For a POSIX shell. */
const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
