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
  #nowMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#nowMs = clock.now();
  }

  /** The clock when the portion at hand began: exact to a millisecond, and costs nothing to ask for. */
  get nowMs(): number {
    return this.#nowMs;
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
      this.#nowMs = this.#clock.now();
      const end = this.#nowMs + turnMs;
      for (let portion = this.#waiting.shift(); portion; portion = this.#waiting.shift()) {
        if (portion()) this.#waiting.push(portion);
        this.#nowMs = this.#clock.now();
        if (this.#nowMs >= end) break;
      }
      this.#schedule();
    });
  }
}
