import type { Sliced } from '../core/base/slices.ts';
import type { Clock } from './clock.ts';

/** Longest time, ms, that a step holds the event loop at once. The speaker's turns may come on top of it, and what V8 clears. */
const sliceMs = 3;

/** A piece of work in slices: what must not come apart has no `yield` in it. */
export type Step = () => Sliced<void>;

/**
 * Work in steps, in the order given, each as many rounds of the event loop as it needs: between two slices timers,
 * sockets and whoever asks have their turn.
 */
export class Steps {
  readonly #clock: Pick<Clock, 'soon' | 'now'>;
  readonly #waiting: Step[] = [];
  #current: Sliced<void> | undefined;
  #isScheduled = false;

  constructor(clock: Pick<Clock, 'soon' | 'now'>) {
    this.#clock = clock;
  }

  /** Some steps are not done yet. */
  get isBusy(): boolean {
    return this.#isScheduled;
  }

  add(...steps: readonly Step[]): void {
    this.#waiting.push(...steps);
    this.#schedule();
  }

  /** Does all that waits, at once: when there is no later. */
  finish(): void {
    while (this.#slice(Number.POSITIVE_INFINITY));
  }

  #schedule(): void {
    if (this.#isScheduled || (!this.#current && this.#waiting.length === 0)) return;
    this.#isScheduled = true;
    this.#clock.soon(() => {
      try {
        this.#slice(this.#clock.now() + sliceMs);
      } finally {
        this.#isScheduled = false;
        this.#schedule();
      }
    });
  }

  /** Goes on with one step until it is done or `endMs` has come. Gives whether there was one. */
  #slice(endMs: number): boolean {
    const work = this.#current ?? this.#waiting.shift()?.();
    if (!work) return false;
    // Gone from here while it runs: a step that throws is over.
    this.#current = undefined;
    do {
      if (work.next().done) return true;
    } while (this.#clock.now() < endMs);
    this.#current = work;
    return true;
  }
}
