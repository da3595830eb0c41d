/**
 * A timer on the router that runs a script there unless it is stopped: for kinds of change that the router would
 * not undo by itself. It needs nothing of us once it is set, so it also works when a change cuts our own access.
 */
import { randomUUID } from 'node:crypto';
import type { RouterShell } from './shell.ts';

export interface UndoTimer {
  /** Runs `script` (sh) on the router after `seconds`, unless stopped. One timer per name; a new one replaces it. */
  start(script: string, seconds: number): Promise<void>;
  stop(): Promise<void>;
}

export const defaultFolder = '/run/headgate-router';

/** `folder` is on the router, for the timer's script. */
export function createUndoTimer(shell: RouterShell, name: string, folder: string): UndoTimer {
  const all = `${folder}/${name}-*.undo`;
  const stop = async () => {
    await shell.run(['sh', '-c', `rm -f ${all}`]);
  };
  return {
    async start(script, seconds) {
      // A name of its own each time: a timer whose file is gone does nothing, and never meets another's file.
      const path = `${folder}/${name}-${randomUUID()}.undo`;
      await shell.run(['mkdir', '-p', folder]);
      await shell.run(['tee', path], script);
      const wait = `sleep ${seconds}; [ -e ${path} ] && sh ${path}; rm -f ${path}`;
      const begin = `setsid -f sh -c '${wait}' </dev/null >/dev/null 2>&1`;
      // The one before goes when this one runs: at no time is there none.
      const replace = `for other in ${all}; do [ "$other" = ${path} ] || rm -f "$other"; done`;
      await shell.run(['sh', '-c', `${begin}; ${replace}`]);
    },
    stop,
  };
}
