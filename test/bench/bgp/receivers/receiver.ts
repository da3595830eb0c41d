/** What the bench wants of a BGP implementation: started with sessions to the feeders, asked how many paths it has. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inside } from '../../../../src/lab/namespaces.ts';

export const benchSpace = 'hgb-bench';
export const receiverAddress = '10.98.0.9';
export const receiverAsn = 64_512;

/** One neighbour that sends the table. */
export interface FeedPeer {
  readonly address: string;
  readonly asn: number;
}

export interface ReceiverKind {
  readonly name: string;
  /** A file that must exist for it to run. */
  readonly program: string;
  /** It has other work all the time: it has settled when all paths are in. */
  readonly isNeverQuiet?: true;
  start(feeds: readonly FeedPeer[]): RunningReceiver;
}

export interface RunningReceiver {
  readonly child: ChildProcess;
  /** Paths received over all feeds; 0 while it does not answer. */
  count(): Promise<number>;
  /** Takes away what it left on the disk, once it has ended. */
  remove(): void;
}

export const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** What a program in the bench's namespace prints; empty when it fails. */
export function ask(argv: readonly string[]): Promise<string> {
  const [program = '', ...rest] = inside(benchSpace, argv);
  return new Promise((resolve) => {
    execFile(program, rest, { maxBuffer: 64 << 20, timeout: 20_000 }, (_, stdout) =>
      resolve(stdout),
    );
  });
}

/** Starts a program in the bench's namespace with its configuration in a folder of its own. */
export function launch(
  name: string,
  file: string,
  text: (folder: string) => string,
  argv: (folder: string) => readonly string[],
): { readonly folder: string; readonly child: ChildProcess; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), `hgb-bench-${name}-`));
  writeFileSync(join(folder, file), text(folder), { mode: 0o600 });
  const [program = '', ...rest] = inside(benchSpace, argv(folder));
  const child = spawn(program, rest, { stdio: 'ignore' });
  return { folder, child, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
