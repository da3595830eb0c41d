/**
 * How long an event loop had no turn. Beside the wall time, the time that its thread computed meanwhile: on a busy
 * machine a loop waits for the processor as well, which the kernel tells apart (`/proc/PID/schedstat`).
 */
import { openSync, readSync } from 'node:fs';

const intervalMs = 1;

export class LoopWatch {
  readonly #file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  readonly #buffer = Buffer.alloc(96);
  #longestMs = 0;
  #longestComputedMs = 0;

  constructor() {
    let before = this.#now();
    setInterval(() => {
      const now = this.#now();
      const lateMs = Math.max(0, now.atMs - before.atMs - intervalMs);
      this.#longestMs = Math.max(this.#longestMs, lateMs);
      this.#longestComputedMs = Math.max(
        this.#longestComputedMs,
        now.computedMs - before.computedMs,
      );
      before = now;
    }, intervalMs).unref();
  }

  /** Forgets what was before: the start of the process, say. */
  reset(): void {
    this.#longestMs = 0;
    this.#longestComputedMs = 0;
  }

  get blockedMs(): number {
    return this.#longestMs;
  }

  get computedMs(): number {
    return this.#longestComputedMs;
  }

  /** The time, and for how long the thread has computed since it began. */
  #now(): { readonly atMs: number; readonly computedMs: number } {
    const length = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
    const [computedNs = '0'] = this.#buffer.toString('latin1', 0, length).split(' ');
    return { atMs: performance.now(), computedMs: Number(computedNs) / 1e6 };
  }
}
