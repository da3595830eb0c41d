/** `headgate run`: a unit in the foreground until it is told to end. */
import { execFileSync } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Command } from 'commander';
import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import { HeadgateError } from '../core/base/error.ts';
import type { Settings } from '../core/settings/index.ts';
import { systemClock } from '../daemon/clock.ts';
import { startUnit, type Unit } from '../daemon/unit.ts';
import { openWires } from '../engine/index.ts';
import { openSecureListener, openSecureSocket } from '../engine/secure-socket.ts';
import { openServiceManager } from '../engine/service-manager.ts';
import { createSpeaker } from '../speaker/index.ts';
import { exitCodes } from './face/exit.ts';
import { defaultSettingsFile, requireSettings } from './face/settings-file.ts';

export function register(program: Command): void {
  program
    .command('run')
    .description('runs a unit in the foreground: measures, decides and, as its mode allows, steers')
    .option('-c, --config <file>', 'settings', defaultSettingsFile)
    .action(async (options: { readonly config: string }) => {
      await runUntilTold(options.config);
    });
}

async function runUntilTold(file: string): Promise<void> {
  const settings = requireSettings(file);
  const log = openLog(settings);
  const unit = await startUnit(settings, {
    clock: systemClock,
    log,
    openWires,
    createSpeaker,
    sockets: { openSocket: openSecureSocket, openListener: openSecureListener },
    addressesOf: (port) => (networkInterfaces()[port] ?? []).map((entry) => entry.address),
    readSecret,
    chown: (path, gid) => chownSync(path, process.getuid?.() ?? 0, gid),
    groupId,
  });
  const manager = openServiceManager(process.env);
  if (unit.metrics) log.info({ ...unit.metrics }, 'metrics are served');
  process.on('SIGHUP', () => reload(unit, file, log));
  // Our own mistake: the control plane stops, packets go on by fail-open. A collector of logs should have the reason.
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'stopped by a mistake of its own; packets go on without the unit');
    process.exit(exitCodes.failed);
  });
  manager.ready();
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  log.info({ signal }, 'stopping');
  manager.stopping();
  await unit.stop();
  manager.close();
}

/** New settings whole, or none: a mistake in the file leaves everything as it is. */
function reload(unit: Unit, file: string, log: Logger): void {
  try {
    const changed = unit.reload(requireSettings(file));
    if (!changed.ok) log.error(changed.error);
  } catch (error) {
    if (!(error instanceof HeadgateError)) throw error;
    log.error(`settings are not reloaded: ${error.message}`);
  }
}

/** JSON lines for a collector, readable lines on a terminal; always on stderr. */
function openLog({ log }: Settings): Logger {
  const stream = process.stderr.isTTY
    ? pretty({ destination: 2, sync: true, ignore: 'pid,hostname' })
    : pino.destination({ dest: 2, sync: true });
  return pino({ level: log.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}

function readSecret(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n')[0]?.trim() ?? '';
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HeadgateError('no_secret', `cannot read the key file ${path}: ${reason}`, { cause });
  }
}

function groupId(name: string): number {
  try {
    const [, , id] = execFileSync('getent', ['group', name], { encoding: 'utf8' }).split(':');
    return Number(id);
  } catch (cause) {
    throw new HeadgateError(
      'no_group',
      `there is no group "${name}"; create it or change control.group`,
      { cause },
    );
  }
}
