/**
 * What the strictest networks that damp would think of our changes (RFC 2439, RFC 7196): a simulated worst
 * case, so that steering never gets a block suppressed. Times in milliseconds.
 */

/** Cisco's and Juniper's defaults; figures in the same scale. */
export interface DampingProfile {
  readonly halfLifeMs: number;
  /** Penalty of a withdrawal, and of a change of attributes. */
  readonly withdrawal: number;
  readonly attributeChange: number;
  readonly suppressAt: number;
}

export const ciscoDefaults: DampingProfile = {
  halfLifeMs: 900_000,
  withdrawal: 1_000,
  attributeChange: 500,
  suppressAt: 2_000,
};
export const juniperDefaults: DampingProfile = { ...ciscoDefaults, suppressAt: 3_000 };

/**
 * One change of ours is seen as up to so many changes of attributes far away, while paths are explored. With
 * 3 a network of Cisco's defaults is the strictest that a single change does not suppress.
 */
export const explorationFactor = 3;

export interface BlockChange {
  readonly atMs: number;
  readonly kind: 'attributes' | 'withdrawn';
}

/** The penalty at a moment, of all changes until then. */
export function penaltyAt(
  changes: readonly BlockChange[],
  atMs: number,
  profile: DampingProfile = ciscoDefaults,
): number {
  let penalty = 0;
  for (const change of changes) {
    if (change.atMs > atMs) continue;
    const added =
      change.kind === 'withdrawn'
        ? profile.withdrawal
        : profile.attributeChange * explorationFactor;
    penalty += added * 2 ** (-(atMs - change.atMs) / profile.halfLifeMs);
  }
  return penalty;
}

export interface FlapLimits {
  readonly dwellMs: number;
  readonly perDay: number;
  readonly profile: DampingProfile;
}

export const defaultFlapLimits: FlapLimits = {
  dwellMs: 1_800_000,
  perDay: 8,
  profile: ciscoDefaults,
};

export type FlapVerdict =
  | { readonly result: 'pass'; readonly penaltyAfter: number }
  | { readonly result: 'postpone'; readonly penaltyAfter: number; readonly reason: string };

const dayMs = 86_400_000;

/** Whether a block may change its announcement now, given the changes that it already made. */
export function checkFlap(
  changes: readonly BlockChange[],
  next: BlockChange,
  limits: FlapLimits = defaultFlapLimits,
): FlapVerdict {
  const penaltyAfter = penaltyAt([...changes, next], next.atMs, limits.profile);
  const postpone = (reason: string): FlapVerdict => ({ result: 'postpone', penaltyAfter, reason });
  const latest = Math.max(-Infinity, ...changes.map(({ atMs }) => atMs));
  const minutes = (ms: number) => `${Math.ceil(ms / 60_000)} min`;
  if (next.atMs - latest < limits.dwellMs)
    return postpone(
      `changed ${minutes(next.atMs - latest)} ago, dwells ${minutes(limits.dwellMs)}`,
    );
  const today = changes.filter(({ atMs }) => atMs > next.atMs - dayMs).length;
  if (today >= limits.perDay)
    return postpone(`changed ${today} times in a day, at most ${limits.perDay}`);
  if (penaltyAfter >= limits.profile.suppressAt)
    return postpone(
      `a damping penalty of ${Math.round(penaltyAfter)} would reach ${limits.profile.suppressAt}, where networks suppress`,
    );
  return { result: 'pass', penaltyAfter };
}
