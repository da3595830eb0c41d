import type { Clock } from '../../src/daemon/clock.ts';

interface Timer {
  readonly at: number;
  readonly call: () => void;
}

/** A clock whose hands a test turns. */
export class FakeClock implements Clock {
  #now = 0;
  #timers: readonly Timer[] = [];
  readonly #epoch: number;

  /** `epoch`: the wall clock at the start, milliseconds. */
  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  readonly now = (): number => this.#now;
  readonly wall = (): number => this.#epoch + this.#now;
  readonly after = (delayMs: number, call: () => void): (() => void) => {
    const timer = { at: this.#now + delayMs, call };
    this.#timers = [...this.#timers, timer];
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  /** Nothing else waits in a test: at once. */
  readonly soon = (call: () => void): void => call();

  /** Lets time pass; every timer that is due is called at its time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.call();
    }
    this.#now = end;
  }

  /** Lets time pass with nobody looking: a machine that was asleep. */
  jump(ms: number): void {
    this.#now += ms;
  }
}
