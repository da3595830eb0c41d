import type { Clock } from './clock.ts';

/** A piece of work that holds the event loop as long as it takes. */
export type Step = () => void;

/**
 * Work cut into steps, in the order given, one per round of the event loop: between two of them timers, sockets and
 * whoever asks have their turn. What must not come apart is one step.
 */
export class Steps {
  readonly #soon: Clock['soon'];
  readonly #waiting: Step[] = [];
  #isScheduled = false;

  constructor({ soon }: Pick<Clock, 'soon'>) {
    this.#soon = soon;
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
    for (let step = this.#waiting.shift(); step; step = this.#waiting.shift()) step();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    this.#soon(() => {
      try {
        this.#waiting.shift()?.();
      } finally {
        this.#isScheduled = false;
        this.#schedule();
      }
    });
  }
}
