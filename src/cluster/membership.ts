/**
 * Which units count, from when this unit last heard of each on its own monotonic clock.
 * Two units' clocks are never compared.
 */
export interface Membership {
  /** Heard of within `silentMs`. */
  readonly live: readonly string[];
  /** Silent, but still holding its last plan: nobody touches the blocks that it announces. */
  readonly frozen: readonly string[];
  /** It said goodbye, or is silent for so long that it has returned its announcements to plain BGP. */
  readonly gone: readonly string[];
}

export interface MembershipTimes {
  readonly silentMs: number;
  /** How long a unit that is cut off keeps the last plan. */
  readonly holdMs: number;
}

/**
 * A unit starts its hold time when it stops hearing the leader, at the latest `silentMs` after the leader stopped
 * hearing it; it is gone only after both have passed, so that it has let go before another takes over its blocks.
 */
export function membershipOf(
  heardAtMs: ReadonlyMap<string, number>,
  left: ReadonlySet<string>,
  nowMs: number,
  times: MembershipTimes,
): Membership {
  const live: string[] = [];
  const frozen: string[] = [];
  const gone: string[] = [];
  for (const [unit, at] of [...heardAtMs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const silence = nowMs - at;
    if (left.has(unit)) gone.push(unit);
    else if (silence <= times.silentMs) live.push(unit);
    else if (silence <= 2 * times.silentMs + times.holdMs) frozen.push(unit);
    else gone.push(unit);
  }
  return { live, frozen, gone };
}

/** What a unit that may be cut off does: follow the leader, keep the last plan, or return to plain BGP. */
export type Standing = 'led' | 'holding' | 'released';

export function standingOf(lastLedAtMs: number, nowMs: number, times: MembershipTimes): Standing {
  const silence = nowMs - lastLedAtMs;
  if (silence <= times.silentMs) return 'led';
  return silence <= times.silentMs + times.holdMs ? 'holding' : 'released';
}
