/** A program on a terminal of its own, as a person at an ssh session has it: typed to, resized, looked at. */
import { spawn, spawnSync } from 'node:child_process';
import { Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { Screen } from './screen.ts';

/** Why no terminal can be had here, or false. */
export const terminalSkip =
  spawnSync('python3', ['--version']).status === 0 ? false : 'python3 is not installed';

export interface Terminal {
  readonly screen: Screen;
  type(text: string): void;
  resize(columns: number, rows: number): void;
  /** Waits until the screen shows it. Throws with the whole screen after a generous deadline. */
  shows(pattern: RegExp): Promise<void>;
  /** The exit code, when the program has ended. */
  readonly ended: Promise<number | null>;
  kill(): void;
}

const deadlineMs = 60_000;

export function openTerminal(
  argv: readonly string[],
  options: { readonly columns: number; readonly rows: number; readonly env?: NodeJS.ProcessEnv },
): Terminal {
  const { columns, rows, env = {} } = options;
  const screen = new Screen(columns, rows);
  const child = spawn('python3', ['test/support/pty.py', `${columns}`, `${rows}`, ...argv], {
    // Of this machine's own only what programs need to be found.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TERM: 'xterm-256color', ...env },
    stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
  });
  const decoder = new StringDecoder('utf8');
  let look: () => void = () => undefined;
  child.stdout?.on('data', (bytes: Buffer) => {
    screen.write(decoder.write(bytes));
    look();
  });
  const sizes = child.stdio[3];
  return {
    screen,
    type: (text) => child.stdin?.write(text),
    resize: (to, high) => {
      screen.resize(to, high);
      if (sizes instanceof Writable) sizes.write(`${to} ${high}\n`);
    },
    shows: (pattern) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new Error(`the screen does not show ${pattern}:\n${screen.text}`));
        }, deadlineMs);
        look = () => {
          if (!pattern.test(screen.text)) return;
          clearTimeout(timer);
          look = () => undefined;
          resolve();
        };
        look();
      }),
    ended: new Promise((resolve) => child.on('close', resolve)),
    kill: () => child.kill('SIGKILL'),
  };
}
