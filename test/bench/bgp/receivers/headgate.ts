import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inside } from '../../../../src/lab/namespaces.ts';
import { benchSpace, type ReceiverKind, type RunningReceiver } from './receiver.ts';

/** What our own receivers print, again and again (JSON lines). */
export interface OwnReport {
  readonly paths: number;
  readonly tableBytes: number;
  /** The longest time in which the event loop had no turn, ms. */
  readonly blockedMs: number;
  /** The longest time that its thread computed without giving it a turn, ms. */
  readonly computedMs: number;
}

export interface OwnReceiver extends RunningReceiver {
  readonly latest: () => OwnReport | undefined;
}

export interface OwnKind extends ReceiverKind {
  start(...arguments_: Parameters<ReceiverKind['start']>): OwnReceiver;
}

/** The speaker in a process of its own, or the whole unit with its cycle, in the script named. */
function ownKind(name: string, script: string, ...first: readonly string[]): OwnKind {
  const file = fileURLToPath(new URL(script, import.meta.url));
  return {
    name,
    program: process.execPath,
    start: (feeds) => {
      const peers = feeds.map(({ address, asn }) => `${address}=${asn}`);
      const [program = '', ...rest] = inside(benchSpace, [
        process.execPath,
        file,
        ...first,
        ...peers,
      ]);
      const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
      let latest: OwnReport | undefined;
      createInterface(child.stdout).on('line', (line) => {
        // The cast: our own program prints one report per line.
        latest = JSON.parse(line) as OwnReport;
      });
      return {
        child,
        count: async () => latest?.paths ?? 0,
        latest: () => latest,
        remove: () => {},
      };
    },
  };
}

export const headgate = ownKind('headgate', '../speaker-receiver.js');
const unitKind = (blocks: string, networks: string): OwnKind => ({
  ...ownKind(`headgate, whole unit of ${blocks} blocks`, '../unit-receiver.js', networks),
  isNeverQuiet: true,
});
export const headgateUnit = unitKind('1,024', '4');
export const largeUnit = unitKind('10,240', '40');
