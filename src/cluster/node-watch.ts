/** A node is left at the earliest after this time, then after twice as long each time: without a quorum none is better. */
const patienceMsMax = 60_000;

/**
 * Says when the NATS node that a unit is connected to is to be left for another: it is there, and answers no request.
 * So does one that the other nodes cannot reach, which would keep its units out for as long as that lasts. Pure.
 */
export class NodeWatch {
  readonly #leastMs: number;
  #patienceMs: number;
  #sinceMs: number | undefined;

  constructor(patienceMs: number) {
    this.#leastMs = patienceMs;
    this.#patienceMs = patienceMs;
  }

  answered(): void {
    this.#sinceMs = undefined;
    this.#patienceMs = this.#leastMs;
  }

  /** A request came to nothing, at a monotonic time: whether to leave the node now. */
  unanswered(nowMs: number): boolean {
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs < this.#patienceMs) return false;
    this.#sinceMs = undefined;
    this.#patienceMs = Math.min(2 * this.#patienceMs, patienceMsMax);
    return true;
  }
}
