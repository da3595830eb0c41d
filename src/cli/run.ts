/** `headgate run`: a unit in the foreground until it is told to end. */
import { hostname, networkInterfaces } from 'node:os';
import type { Command } from 'commander';
import { HeadgateError } from '../core/base/error.ts';
import { err, ok, type Result } from '../core/base/result.ts';
import type { Settings } from '../core/settings/index.ts';
import { systemClock } from '../daemon/clock.ts';
import { startUnit } from '../daemon/start.ts';
import { openWires } from '../engine/index.ts';
import { peerOf } from '../engine/peer.ts';
import { openSecureListener, openSecureSocket } from '../engine/secure-socket.ts';
import { openServiceManager } from '../engine/service-manager.ts';
import { createSpeaker } from '../speaker/index.ts';
import { exitCodes } from './face/exit.ts';
import { defaultSettingsFile, requireSettings } from './face/settings-file.ts';
import { openLog } from './run/log.ts';
import { giveToGroup, groupId, memory, readSecret, userName } from './run/machine.ts';
import { makeFolders, runAs, userToBe } from './run/privileges.ts';
import { sampled } from './run/sampled.ts';

export function register(program: Command): void {
  program
    .command('run')
    .description('runs a unit in the foreground: measures, decides and, as its mode allows, steers')
    .option('-c, --config <file>', 'settings', defaultSettingsFile)
    .option(
      '-u, --user <name>',
      'as whom, when root starts it, with five capabilities and no other right: headgate where there is that user; root keeps all',
    )
    .action(async (options: { readonly config: string; readonly user?: string }) => {
      const user = userToBe(options.user);
      if (user) {
        makeFolders(requireSettings(options.config), user);
        process.exitCode = await runAs(user);
      } else await runUntilTold(options.config);
    });
}

async function runUntilTold(file: string): Promise<void> {
  const settings = requireSettings(file);
  const { log: logger, lost } = openLog(settings);
  const log = sampled(logger, systemClock.now);
  if (process.getuid?.() === 0) {
    log.warn({}, 'runs as root, with all its rights; headgate run --user NAME gives them up');
  }
  const unit = await startUnit(settings, {
    clock: systemClock,
    log,
    openWires,
    createSpeaker,
    sockets: { openSocket: openSecureSocket, openListener: openSecureListener },
    addressesOf: (port) => (networkInterfaces()[port] ?? []).map((entry) => entry.address),
    readSecret,
    chown: giveToGroup,
    groupId,
    peerOf,
    userName,
    hostName: hostname(),
    memory,
    logLost: lost,
    readSettings: () => readAgain(file),
  });
  const manager = openServiceManager(process.env);
  if (unit.metrics) log.info({ ...unit.metrics }, 'metrics are served');
  process.on('SIGHUP', () => {
    void unit.reloadFile('SIGHUP').then((changed) => {
      if (!changed.ok) log.error({}, `settings are not reloaded: ${changed.error}`);
    });
  });
  // Our own mistake: the control plane stops, packets go on by fail-open. A collector of logs should have the reason.
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'stopped by a mistake of its own; packets go on without the unit');
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

function readAgain(file: string): Result<Settings, string> {
  try {
    return ok(requireSettings(file));
  } catch (error) {
    if (!(error instanceof HeadgateError)) throw error;
    return err(error.message);
  }
}
