import type { Clock } from './peering.ts';

/** Longest time, ms, that work holds the event loop before timers and other sockets have their turn. */
const turnMs = 6;

/** Work in small portions: does one portion and tells whether there is more. */
export type Portion = () => boolean;

/**
 * Shares the event loop between the sessions that have something to do, in turns, and gives it back every
 * few milliseconds: a full table that comes in delays no keepalive and no scrape.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting: Portion[] = [];
  #isScheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(portion: Portion): void {
    this.#waiting.push(portion);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const end = this.#clock.now() + turnMs;
      for (let portion = this.#waiting.shift(); portion; portion = this.#waiting.shift()) {
        if (portion()) this.#waiting.push(portion);
        if (this.#clock.now() >= end) break;
      }
      this.#schedule();
    });
  }
}
