/**
 * A timer on the router that runs a script there unless it is stopped: for kinds of change that the router would
 * not undo by itself. It needs nothing of us once it is set, so it also works when a change cuts our own access.
 */
import type { RouterShell } from './driver.ts';

export interface UndoTimer {
  /** Runs `script` (sh) on the router after `seconds`, unless stopped. One timer per name; a new one replaces it. */
  start(script: string, seconds: number): Promise<void>;
  stop(): Promise<void>;
}

export const defaultFolder = '/run/headgate-router';

/** `folder` is on the router, for the timer's script. */
export function createUndoTimer(shell: RouterShell, name: string, folder: string): UndoTimer {
  const path = `${folder}/${name}.undo`;
  return {
    async start(script, seconds) {
      await shell.run(['mkdir', '-p', folder]);
      await shell.run(['tee', path], script);
      // The script that waits is known by the file's inode: another timer of this name, or a stop, replaces the file.
      await shell.run([
        'sh',
        '-c',
        `inode=$(stat -c %i ${path}); setsid -f sh -c "sleep ${seconds}; [ \\"\\$(stat -c %i ${path} 2>/dev/null)\\" = $inode ] && sh ${path}; rm -f ${path}" </dev/null >/dev/null 2>&1`,
      ]);
    },
    async stop() {
      await shell.run(['rm', '-f', path]);
    },
  };
}
