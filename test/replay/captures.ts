/** The captures and their references, by path: they are test data of their own and no part of the project. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ReplayReport } from '../../src/cli/replay/report.ts';
import { capturesFolder } from '../support/captures.ts';

export { capturesFolder, skipWithoutCaptures as noCaptures } from '../support/captures.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export interface Reference {
  readonly capinfos: Readonly<Record<string, string | null>>;
  readonly tshark?: {
    readonly frames_with_protocol?: Readonly<Record<string, number>>;
  };
  readonly address_blocks?: {
    /** Packets, wire bytes, IP bytes by the outermost IP header. */
    readonly src: Readonly<Record<string, readonly [number, number, number]>>;
    readonly dst: Readonly<Record<string, readonly [number, number, number]>>;
  };
  readonly pping?: { readonly samples: number; readonly median_s?: number };
}

export interface Truth {
  readonly pre_retrans_frames: readonly number[];
  /** Frames of the capture before the loss that never reached the other side. */
  readonly dropped: readonly number[];
  readonly post_retrans_frames: readonly number[];
  readonly kernel_retrans_segs: { readonly client: number; readonly server: number };
  /** The kernels' TCP_INFO of each connection. */
  readonly client: { readonly conns: readonly TcpInfo[] };
  readonly server: { readonly conns: readonly TcpInfo[] };
}

export interface TcpInfo {
  readonly min_rtt_us: number;
}

export interface Capture {
  readonly name: string;
  readonly path: string;
  readonly reference: Reference;
}

// The casts are of files whose form captures/README.md states.
const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

/** All captures with a reference, those under malformed/ too. */
export function listCaptures(): readonly Capture[] {
  const manifest = readJson<{ readonly entries: ReadonlyArray<{ readonly file: string }> }>(
    `${capturesFolder}/MANIFEST.json`,
  );
  const captures: Capture[] = [];
  for (const { file } of manifest.entries) {
    const reference = `${capturesFolder}/refs/${basename(file).replace(/\.gz$/, '')}.ref.json`;
    if (!existsSync(reference)) continue;
    captures.push({
      name: file,
      path: `${capturesFolder}/${file}`,
      reference: readJson(reference),
    });
  }
  return captures;
}

/** Of the generated captures, each with a file before and one after its losses. */
export const namesWithTruth = (): readonly string[] =>
  readdirSync(`${capturesFolder}/refs`)
    .filter((file) => file.endsWith('.truth.json'))
    .map((file) => file.slice(0, -'.truth.json'.length));

export const readTruth = (path: string): Truth => readJson(path);

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command as a person does. */
export async function headgate(...args: readonly string[]): Promise<CommandResult> {
  const main = `${root}/dist/src/cli/main.js`;
  try {
    const { stdout, stderr } = await promisify(execFile)('node', [main, ...args], {
      maxBuffer: 2 ** 28,
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    // A cast: execFile rejects with the outputs beside the exit code.
    const failed = error as {
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
    };
    return { code: failed.code, stdout: failed.stdout, stderr: failed.stderr };
  }
}

export async function replayJson(...args: readonly string[]): Promise<readonly ReplayReport[]> {
  const { stdout } = await headgate('replay', '--json', ...args);
  return JSON.parse(stdout) as readonly ReplayReport[]; // what the command prints
}
