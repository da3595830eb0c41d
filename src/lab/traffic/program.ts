/** A Node program inside a namespace, talked to by its stdin and stdout. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { HeadgateError } from '../../core/base/error.ts';
import { assert } from '../../core/base/result.ts';
import { spawnInside } from '../namespaces.ts';

export interface Program {
  readonly child: ChildProcess;
  readonly input: Writable;
  readonly output: Readable;
}

export function start(namespace: string, file: URL, args: readonly string[]): Program {
  const path = fileURLToPath(file);
  const child = spawnInside(namespace, [process.execPath, path, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  assert(child.stdin !== null && child.stdout !== null, 'stdio is piped');
  // A program that ended early is seen by the goodput; writing to it is no failure of its own.
  child.stdin.on('error', () => {});
  return { child, input: child.stdin, output: child.stdout };
}

/** Resolves with its first word on stdout. Throws HeadgateError when it ends instead. */
export async function waitUntilReady(program: Program): Promise<void> {
  const ended = once(program.child, 'exit').then(() => {
    throw new HeadgateError('lab_traffic', 'a traffic server ended at its start');
  });
  await Promise.race([once(program.output, 'data'), ended]);
  ended.catch(() => {});
}

export async function end(program: Program): Promise<void> {
  if (program.child.exitCode !== null || program.child.signalCode !== null) return;
  const exited = once(program.child, 'exit');
  program.child.kill('SIGKILL');
  await exited;
}
