import type { ClusterOptions } from './cluster.ts';
import { type Membership, membershipOf, type Standing, standingOf } from './membership.ts';
import { isLater, isSamePlan, type PlanMark } from './plan-store.ts';

type Options = Pick<ClusterOptions, 'unit' | 'units' | 'silentMs' | 'holdMs' | 'leaseMs' | 'clock'>;

/** What a unit says of plans: the latest that it has, and the one that it goes by. */
export interface PlansOf {
  readonly has?: PlanMark;
  readonly goesBy?: PlanMark;
}

/** Who was heard when, on this unit's monotonic clock. Time in which it could hear nobody is nobody's silence. */
export class Hearing {
  readonly #options: Options;
  readonly #heardAtMs: Map<string, number>;
  readonly #left = new Set<string>();
  readonly #plans = new Map<string, PlansOf>();
  #leader: { readonly unit: string; readonly fence: number } | undefined;
  #lastLedAtMs: number;
  #deafSinceMs: number | undefined;
  #tickedAtMs: number;

  constructor(options: Options) {
    this.#options = options;
    const now = options.clock.now();
    this.#heardAtMs = new Map(options.units.map((unit) => [unit, now]));
    // A process that begins knows of no leader, whatever the one before it heard: there is nothing to hold.
    this.#lastLedAtMs = Number.NEGATIVE_INFINITY;
    this.#tickedAtMs = now;
    // Until the connection stands.
    this.#deafSinceMs = now;
  }

  /** Of the leader that was heard last. */
  get fence(): number {
    return this.#leader?.fence ?? 0;
  }

  /** The leader, if it was heard within `silentMs`. */
  leader(): string | undefined {
    return this.standing() === 'led' ? this.#leader?.unit : undefined;
  }

  standing(): Standing {
    return standingOf(this.#lastLedAtMs, this.#options.clock.now(), this.#options);
  }

  silenceOfLeaderMs(): number {
    return this.#options.clock.now() - this.#lastLedAtMs;
  }

  /** Milliseconds until a unit that is cut off lets go. */
  holdLeftMs(): number {
    const { silentMs, holdMs, clock } = this.#options;
    return Math.max(0, this.#lastLedAtMs + silentMs + holdMs - clock.now());
  }

  membership(): Membership {
    const now = this.#options.clock.now();
    // While nobody can be heard, nobody grows more silent.
    const deafMs = this.#deafSinceMs === undefined ? 0 : now - this.#deafSinceMs;
    const heard = new Map([...this.#heardAtMs].map(([unit, at]) => [unit, at + deafMs]));
    heard.set(this.#options.unit, now);
    return membershipOf(heard, this.#left, now, this.#options);
  }

  /** Those that are heard and did not say that they have a plan. */
  without(plan: PlanMark): readonly string[] {
    return this.membership().live.filter(
      (unit) => unit !== this.#options.unit && !isSamePlan(plan, this.#plans.get(unit)?.has),
    );
  }

  /** The latest plan that any other unit said it goes by. */
  latestInForce(): PlanMark | undefined {
    let latest: PlanMark | undefined;
    for (const { goesBy } of this.#plans.values())
      if (goesBy && isLater(goesBy, latest)) latest = goesBy;
    return latest;
  }

  heard(unit: string, leaves: boolean, plans: PlansOf): void {
    this.#heardAtMs.set(unit, this.#options.clock.now());
    this.#plans.set(unit, plans);
    if (leaves) this.#left.add(unit);
    else this.#left.delete(unit);
    if (leaves && this.#leader?.unit === unit) this.#leader = undefined;
  }

  /**
   * False for a leader whose lease was taken over by one that was heard of, and for words that waited while this process
   * stood still: who led then need not lead now.
   */
  heardLeader(unit: string, fence: number): boolean {
    if (this.#stoodStillMs() > 0) return false;
    // With nobody to be heard the numbers may begin anew: a bucket that was lost and made again counts from 1.
    if (fence < this.fence && this.standing() === 'led') return false;
    this.#leader = { unit, fence };
    this.#lastLedAtMs = this.#options.clock.now();
    return true;
  }

  isDeaf(): void {
    this.#deafSinceMs ??= this.#options.clock.now();
  }

  hears(): void {
    if (this.#deafSinceMs === undefined) return;
    this.#forgive(this.#options.clock.now() - this.#deafSinceMs);
    this.#deafSinceMs = undefined;
  }

  /** Called several times per lease: a long gap means that this process stood still. */
  tick(): void {
    const gapMs = this.#stoodStillMs();
    this.#tickedAtMs = this.#options.clock.now();
    if (gapMs > 0 && this.#deafSinceMs === undefined) this.#forgive(gapMs);
  }

  /** Since the last tick, if that was too long ago for a process that runs. */
  #stoodStillMs(): number {
    const gapMs = this.#options.clock.now() - this.#tickedAtMs;
    return gapMs > this.#options.leaseMs / 2 ? gapMs : 0;
  }

  #forgive(gapMs: number): void {
    const now = this.#options.clock.now();
    for (const [unit, at] of this.#heardAtMs) this.#heardAtMs.set(unit, Math.min(now, at + gapMs));
  }
}
