/** What the suite wants of a BGP implementation: started with a configuration, asked what it sees. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inside } from '../../../../src/lab/namespaces.ts';
import { border } from '../border.ts';

/** A route as the router holds it, with what the suite compares. */
export interface SeenRoute {
  readonly prefix: string;
  readonly nextHop: string;
  readonly asPath: readonly number[];
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
}

export interface RouterCase {
  readonly asn: number;
  readonly unitAsn: number;
  readonly transport: 'ipv4' | 'ipv6';
  readonly md5?: string;
  /** GTSM with one hop. */
  readonly gtsm?: boolean;
  readonly gracefulRestartS?: number;
  readonly holdTimeS?: number;
  /** A second neighbour in this AS at the border's `other` IPv4 address, whose routes the unit is told as well. */
  readonly otherAsn?: number;
  /** Routes of its own that it tells the unit: prefix and inside next hop. */
  readonly originates: ReadonlyArray<{ readonly prefix: string; readonly nextHop: string }>;
}

export interface RouterKind {
  readonly name: string;
  /** Files that must exist for it to run. */
  readonly programs: readonly string[];
  readonly can: {
    readonly md5: boolean;
    readonly gtsm: boolean;
    readonly addPath: boolean;
    readonly gracefulRestart: boolean;
    /** Can be told to ask us again. */
    readonly refresh: boolean;
    /** Tells all again when we ask. */
    readonly answersRefresh: boolean;
    /** Passes on what another neighbour told it. */
    readonly transit: boolean;
    /** Tells its own routes with the inside next hop, so that it can be learned. */
    readonly nextHopKept: boolean;
  };
  start(options: RouterCase): Promise<RunningRouter>;
}

export const canAll: RouterKind['can'] = {
  md5: true,
  gtsm: true,
  addPath: true,
  gracefulRestart: true,
  refresh: true,
  answersRefresh: true,
  transit: true,
  nextHopKept: true,
};

export interface RunningRouter {
  /** What it has received from the unit and accepted. */
  routes(): Promise<readonly SeenRoute[]>;
  /** Asks the unit to tell everything again. */
  refresh(): Promise<void>;
  /** Ends without a word: its TCP connection is reset by the kernel. */
  kill(): Promise<void>;
  /** Starts again after `kill`, with the same configuration. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  /** The tail of what it wrote, for a failed test. */
  log(): string;
}

/** A daemon in the router's namespace with a folder of its own. */
export class Daemon {
  readonly folder: string;
  readonly #argv: readonly string[];
  #child: ChildProcess | undefined;
  #output = '';

  constructor(name: string, argv: (folder: string) => readonly string[]) {
    this.folder = mkdtempSync(join(tmpdir(), `hgb-${name}-`));
    this.#argv = argv(this.folder);
  }

  write(file: string, text: string): string {
    const path = join(this.folder, file);
    writeFileSync(path, text);
    return path;
  }

  get output(): string {
    return this.#output.slice(-4_000);
  }

  start(): void {
    const [program = '', ...rest] = inside(border.routerSpace, this.#argv);
    const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-64_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => {
      this.#output += String(error);
    });
    this.#child = child;
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await gone;
    clearTimeout(late);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Launches it; `launch` starts the daemon and waits until it answers. */
export async function running(
  daemon: Daemon,
  launch: () => Promise<void>,
  asked: Pick<RunningRouter, 'routes' | 'refresh'>,
): Promise<RunningRouter> {
  await launch();
  return {
    ...asked,
    kill: () => daemon.end('SIGKILL'),
    restart: launch,
    stop: async () => {
      await daemon.end('SIGTERM');
      daemon.remove();
    },
    log: () => daemon.output,
  };
}
