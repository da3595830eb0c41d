/**
 * How long an event loop had no turn. Beside the wall time, the time without what other processes took: on a busy
 * machine a loop waits for the processor as well, and the kernel says for how long (`/proc/PID/schedstat`).
 */
import { openSync, readSync } from 'node:fs';

const intervalMs = 1;

export class LoopWatch {
  readonly #file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  readonly #buffer = Buffer.alloc(96);
  #longestMs = 0;
  #longestOwnMs = 0;

  constructor() {
    let before = this.#now();
    setInterval(() => {
      const now = this.#now();
      const lateMs = Math.max(0, now.atMs - before.atMs - intervalMs);
      const ownMs = Math.max(0, lateMs - (now.waitedMs - before.waitedMs));
      this.#longestMs = Math.max(this.#longestMs, lateMs);
      this.#longestOwnMs = Math.max(this.#longestOwnMs, ownMs);
      before = now;
    }, intervalMs).unref();
  }

  /** Forgets what was before: the start of the process, say. */
  reset(): void {
    this.#longestMs = 0;
    this.#longestOwnMs = 0;
  }

  get blockedMs(): number {
    return this.#longestMs;
  }

  get ownBlockedMs(): number {
    return this.#longestOwnMs;
  }

  /** The time, and for how long the thread has waited for a processor since it began. */
  #now(): { readonly atMs: number; readonly waitedMs: number } {
    const length = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
    const [, waitedNs = '0'] = this.#buffer.toString('latin1', 0, length).split(' ');
    return { atMs: performance.now(), waitedMs: Number(waitedNs) / 1e6 };
  }
}
