import type { Sliced } from '../core/base/slices.ts';
import type { Turns } from './turns.ts';

/** Slices that are done at once: what is small is done when the call returns. */
const slicesAtOnce = 8;

/** Keeps one thing as it should be, by work in slices between those of the sessions. */
export class Upkeep {
  readonly #turns: Turns;
  readonly #begin: () => Sliced<void>;
  #work: Sliced<void> | undefined;
  #isQueued = false;
  #isWantedAgain = false;

  constructor(turns: Turns, begin: () => Sliced<void>) {
    this.#turns = turns;
    this.#begin = begin;
  }

  /** What is under way looked at what no longer holds: it is left, and all is done anew. */
  renew(): void {
    this.#isWantedAgain = false;
    this.#work = this.#begin();
    for (let i = 0; i < slicesAtOnce; i++) if (!this.#goOn()) return;
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#turns.add(() => {
      this.#isQueued = this.#goOn();
      return this.#isQueued;
    });
  }

  /** Once more, after what is under way: however often this is asked for, that ends. */
  again(): void {
    if (this.#work) this.#isWantedAgain = true;
    else this.renew();
  }

  /** Gives whether there is more to do. */
  #goOn(): boolean {
    const work = this.#work;
    if (!work) return false;
    if (!work.next().done || this.#work !== work) return this.#work !== undefined;
    this.#work = this.#isWantedAgain ? this.#begin() : undefined;
    this.#isWantedAgain = false;
    return this.#work !== undefined;
  }
}
