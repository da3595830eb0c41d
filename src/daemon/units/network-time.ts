import type { Clock } from '../clock.ts';
import { ClockWatch } from '../clock-watch.ts';

/** At most this share of the time that passes is the network's time brought nearer to the leader's clock. */
const slewMax = 0.01;

/**
 * The time that decisions of several units are taken at: it goes on from the last plan when another unit takes over,
 * whatever that unit's clock says, so that no rail ever compares two units' clocks. Milliseconds since the epoch, as
 * the first leader's clock had it; it comes nearer to the leader's own clock as slowly as no rail can notice.
 */
export class NetworkTime {
  readonly #wall: () => number;
  readonly #watch: ClockWatch;
  /** What the network's time is ahead of this unit's clock. */
  #aheadMs = 0;
  #slewedAt: number;

  constructor(clock: Pick<Clock, 'now' | 'wall'>) {
    this.#wall = clock.wall;
    this.#watch = new ClockWatch(clock);
    this.#slewedAt = clock.wall();
  }

  /** Whole milliseconds, as everything is kept by them. */
  now(): number {
    this.#absorb();
    return Math.round(this.#wall() + this.#aheadMs);
  }

  /** A plan of this time has just been heard of. */
  hear(at: number): void {
    this.#absorb();
    this.#slewedAt = this.#wall();
    this.#aheadMs = at - this.#slewedAt;
  }

  /** The time of a decision of this unit. */
  decide(): number {
    this.#absorb();
    const wall = this.#wall();
    const passedMs = Math.max(0, wall - this.#slewedAt);
    this.#slewedAt = wall;
    const most = passedMs * slewMax;
    this.#aheadMs -= Math.min(most, Math.max(-most, this.#aheadMs));
    return this.now();
  }

  /** This unit's clock was set: the network's time goes on as if it had not been. */
  #absorb(): void {
    const step = this.#watch.moved();
    this.#aheadMs -= step;
    this.#slewedAt += step;
  }
}
