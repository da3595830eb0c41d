/** A unit in the lab: its process, and what it says of itself by its control socket. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type BlockView,
  type ControlClient,
  type LinkView,
  type MoveView,
  openControlClient,
  type PlanView,
  type StatusView,
} from '../../control/index.ts';
import { HeadgateError } from '../../core/base/error.ts';
import { type Lab, type Mode, renderSettings } from '../../lab/index.ts';
import { spawnInside } from '../../lab/namespaces.ts';
import type { UnitView } from './summary.ts';

export interface Unit {
  readonly process: ChildProcess;
  readonly settingsFile: string;
  readonly logFile: string;
  /** One command over the control socket; rejects with the unit's own words when it refuses. */
  ask(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  status(): Promise<StatusView>;
  view(): Promise<UnitView>;
  /** SIGTERM, and SIGKILL for a unit that does not end within ten seconds. Gives the exit code. */
  stop(): Promise<number | null>;
}

/** What differs from a unit as the lab has it. */
export interface UnitChanges {
  /** Of the lab's settings, as text. */
  readonly edit?: (settings: string) => string;
  /** How many routers it then speaks to [all of the lab's]. */
  readonly sessions?: number;
  /** Beside this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `headgate run` in the lab's unit namespace; resolves when its BGP sessions may announce. */
export async function startUnit(
  lab: Lab,
  mode: Mode,
  deadlineMs = 60_000,
  changes: UnitChanges = {},
): Promise<Unit> {
  const { edit = (settings) => settings, env = {} } = changes;
  const { sessions = lab.topology.routers.length } = changes;
  const settingsFile = `${lab.folder}/headgate.yaml`;
  const logFile = `${lab.folder}/unit.log`;
  writeFileSync(settingsFile, edit(renderSettings(lab.topology, lab.folder, mode)));
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const child = spawnInside(
    lab.namespace('unit'),
    [
      process.execPath,
      '--enable-source-maps',
      main,
      'run',
      '--user',
      'root',
      '--config',
      settingsFile,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } },
  );
  const log = createWriteStream(logFile);
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  const deadline = Date.now() + deadlineMs;
  const client = await connect(lab, child, logFile, deadline);
  const moves = new Map<string, MoveView>();
  const ask: Unit['ask'] = async (command, args) => {
    const answer = await client.ask(command, args);
    if (!answer.ok) throw new HeadgateError(answer.error.code, answer.error.message);
    return answer.value;
  };
  const unit: Unit = {
    process: child,
    settingsFile,
    logFile,
    ask,
    // The casts of answers: control/views.ts is what the unit's commands answer.
    status: async () => (await ask('status')) as StatusView,
    async view() {
      const at = Date.now();
      const [links, blocks, plan] = await Promise.all([ask('links'), ask('blocks'), ask('plan')]);
      for (const move of [...(plan as PlanView).moves].reverse()) {
        moves.set(`${move.at} ${move.block} ${move.rung}`, move);
      }
      const all = [...moves.values()].sort((a, b) => a.at - b.at);
      return viewOf(at, links as readonly LinkView[], blocks as readonly BlockView[], all);
    },
    async stop() {
      client.close();
      const code = await end(child);
      log.end();
      return code;
    },
  };
  try {
    await untilEstablished(unit, sessions, deadline);
  } catch (error) {
    const ended = endedAtStart(child, logFile);
    await unit.stop();
    throw ended ?? error;
  }
  return unit;
}

function viewOf(
  at: number,
  links: readonly LinkView[],
  blocks: readonly BlockView[],
  moves: readonly MoveView[],
): UnitView {
  return {
    at,
    links: links.map((link) => ({
      name: link.name,
      inboundBytes: link.inbound_bytes,
      countedMs: link.counted_monotonic_ms ?? 0,
      inboundBitps: link.inbound_bitps,
      retransmissionRatio: link.retransmission_ratio,
      rttUs: link.rtt_us,
    })),
    blocks: blocks.map((block) => ({
      prefix: block.prefix,
      link: block.link ?? undefined,
      inboundBitps: block.inbound_bitps,
    })),
    moves: moves.map((move) => ({
      at: move.at,
      block: move.block,
      from: move.from ?? undefined,
      to: move.to ?? undefined,
      reason: move.reason,
    })),
  };
}

async function connect(
  lab: Lab,
  child: ChildProcess,
  logFile: string,
  deadline: number,
): Promise<ControlClient> {
  for (;;) {
    const ended = endedAtStart(child, logFile);
    if (ended) throw ended;
    try {
      return await openControlClient(`${lab.folder}/unit.sock`);
    } catch (error) {
      if (Date.now() > deadline) {
        await end(child);
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function untilEstablished(unit: Unit, sessions: number, deadline: number): Promise<void> {
  for (;;) {
    const routers = await routersOf(unit);
    const ready = routers?.filter((router) => router.phase === 'established');
    if (ready?.length === sessions) return;
    if (Date.now() > deadline) {
      const phases = (routers ?? []).map((router) => `${router.name} ${router.phase}`).join(', ');
      throw new HeadgateError('unit_not_ready', `no BGP session in time: ${phases}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Undefined while the unit cannot answer yet. */
async function routersOf(unit: Unit): Promise<StatusView['routers'] | undefined> {
  try {
    return (await unit.status()).routers;
  } catch (error) {
    if (error instanceof HeadgateError && error.code === 'starting') return undefined;
    throw error;
  }
}

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
  }
  return child.exitCode;
}

const endedAtStart = (child: ChildProcess, logFile: string): HeadgateError | undefined =>
  child.exitCode === null && child.signalCode === null
    ? undefined
    : new HeadgateError('unit_ended', `the unit ended at its start: ${lastWords(logFile)}`);

/** The first line of an error is what says most; Node puts its stack and version after it. */
const lastWords = (logFile: string): string => {
  const lines = readFileSync(logFile, 'utf8').trim().split('\n');
  return lines.find((line) => /error/i.test(line)) ?? lines.at(-1) ?? '';
};
