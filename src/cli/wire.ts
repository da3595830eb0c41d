/** `headgate wire install|release|status`: what stands on the ports of the wires whether headgate runs or not. */
import { type Command, InvalidArgumentError } from 'commander';
import { HeadgateError } from '../core/base/error.ts';
import { wiresOf } from '../daemon/configure.ts';
import { type WireEvent, WireHook } from '../daemon/wire-hook.ts';
import {
  defaultStaleMs,
  type InstalledStatus,
  installWire,
  readInstalled,
  releaseWire,
} from '../engine/index.ts';
import { print } from './face/ask.ts';
import { defaultSettingsFile, ownSettings, requireSettings } from './face/settings-file.ts';
import { formatBytes } from './face/text.ts';

interface Options {
  readonly config: string;
  readonly json?: boolean;
  readonly stale: number;
}

export function register(program: Command): void {
  const wire = program
    .command('wire')
    .description(
      'what stands on the ports of the wires, so that packets pass while headgate does not run',
    );
  const command = (name: string, description: string) =>
    wire
      .command(name)
      .description(description)
      .option('-c, --config <file>', 'settings', defaultSettingsFile)
      .option('--json', 'one JSON value on stdout, nothing else');

  command('install', 'puts the kernel’s program on every wire; at boot, before headgate runs')
    .option(
      '--stale <ms>',
      'a packet loop silent this long is bypassed',
      parseStale,
      defaultStaleMs,
    )
    .action(async (options: Options) => {
      const settings = ownSettings(requireSettings(options.config));
      const wires = wiresOf(settings).filter(({ driver }) => driver !== 'mirror');
      for (const each of wires) installWire(each, options.stale);
      // Until a unit says that it is ready; one that runs has said so, and goes on.
      for (const { name, driver, hook, hookTimeout } of settings.wires) {
        if (!hook || driver === 'mirror' || readInstalled(name).path === 'unit') continue;
        await told(name, hook, hookTimeout, 'bypass');
      }
      report(
        options,
        wires.map(({ name }) => name),
      );
    });
  command(
    'release',
    'takes it off every wire; from then on nothing passes, or only while headgate runs',
  ).action(async (options: Options) => {
    const { wires } = ownSettings(requireSettings(options.config));
    for (const { name, hook, hookTimeout } of wires) {
      try {
        releaseWire(name);
      } catch (error) {
        // Nothing to take off is what was asked for.
        if (!(error instanceof HeadgateError && error.code === 'not_installed')) throw error;
      }
      if (hook) await told(name, hook, hookTimeout, 'released');
    }
    report(
      options,
      wires.map(({ name }) => name),
    );
  });
  command('status', 'who forwards on every wire, and how much the kernel has').action(
    (options: Options) => {
      report(
        options,
        wiresOf(ownSettings(requireSettings(options.config))).map(({ name }) => name),
      );
    },
  );
}

/** Tells the wire's hook; that it failed is said, and is no failure of what was asked for. */
async function told(
  wire: string,
  command: readonly string[],
  timeoutMs: number,
  event: WireEvent,
): Promise<void> {
  const onFailure = (name: string, _event: WireEvent, why: string) =>
    void process.stderr.write(`wire ${name}: the hook failed: ${why}\n`);
  const hook = new WireHook({ wire, command, timeoutMs, onFailure });
  hook.tell(event);
  await hook.settled();
}

function report(options: Options, names: readonly string[]): void {
  print(options, names.map(readInstalled), (gates) => gates.map(describe).join('\n'));
}

function describe({ wire, driver, path, bypass }: InstalledStatus): string {
  if (!bypass) return `wire ${wire}: nothing installed: nothing passes unless headgate runs`;
  const { inbound, outbound } = bypass;
  const isUnitForwarding = path === 'unit' && driver === 'af_packet';
  const who = isUnitForwarding ? 'headgate forwards' : 'the kernel forwards';
  const measures = path === 'unit' && !isUnitForwarding ? ', headgate measures' : '';
  const past = `by the kernel so far: ${inbound.packets} packets (${formatBytes(inbound.bytes)}) inbound, ${outbound.packets} (${formatBytes(outbound.bytes)}) outbound`;
  return `wire ${wire}: ${driver}: ${who}${measures}; ${past}`;
}

function parseStale(text: string): number {
  const stale = Number(text);
  // Below 5 ms the scheduler alone looks like a dead unit; above a second TCP sessions notice.
  if (!(stale >= 5 && stale <= 1000)) throw new InvalidArgumentError('5 to 1000 milliseconds');
  return stale;
}
