import type { Clock } from './clock.ts';

/** Less is what a clock does that is being kept right, and the time between two looks at two clocks. */
const stepMs = 1500;

/** Notices when somebody sets the wall clock: it is then no longer as far from the monotonic one as before. */
export class ClockWatch {
  readonly #clock: Pick<Clock, 'now' | 'wall'>;
  #offset: number;
  #step: { readonly ms: number; readonly at: number } | undefined;

  constructor(clock: Pick<Clock, 'now' | 'wall'>) {
    this.#clock = clock;
    this.#offset = clock.wall() - clock.now();
  }

  /** By how many milliseconds it was last set, forward or back, where that is at most `standsMs` ago. */
  look(standsMs: number): number | undefined {
    const now = this.#clock.now();
    const ms = this.moved();
    if (ms !== 0) this.#step = { ms, at: now };
    return this.#step && now - this.#step.at <= standsMs ? this.#step.ms : undefined;
  }

  /** By how many milliseconds it was set since the last look of either kind; 0 where it was not. */
  moved(): number {
    const offset = this.#clock.wall() - this.#clock.now();
    const ms = offset - this.#offset;
    this.#offset = offset;
    return Math.abs(ms) >= stepMs ? Math.round(ms) : 0;
  }
}
