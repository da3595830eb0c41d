import type { LinkId } from '../base/units.ts';
import type { CongestionReason, CongestionVerdict, SignKind } from '../model/congestion.ts';
import type { Direction } from '../model/link.ts';

export type { CongestionReason, CongestionVerdict, SignKind } from '../model/congestion.ts';

/** One measured sign of one link and direction. */
export interface Sign {
  readonly kind: SignKind;
  /** Ratios 0 to 1; delay growth in microseconds; load in shares of the live capacity. */
  readonly value: number;
  /** Probes or segments that the ratio is of, where it is of few: a handful proves little. Absent where all is counted. */
  readonly trials?: number;
  readonly ageMs: number;
  /** Share of the subject that was measured, 0 to 1. */
  readonly coverage: number;
}

/** How a sign speaks: below `quiet` not at all, from `certain` on with all its weight. */
export interface SignRule {
  readonly quiet: number;
  readonly certain: number;
  /** The most that this sign alone can say, 0 to 1. */
  readonly weight: number;
}

export interface CongestionPolicy {
  readonly signs: Readonly<Record<SignKind, SignRule>>;
  /** A sign this old has half its weight. */
  readonly halfLifeMs: number;
  /** And this old none. */
  readonly ageMsMax: number;
  /** Values at which a link becomes congested, and at which it no longer is. */
  readonly raise: number;
  readonly clear: number;
}

/**
 * Quiet levels lie above what healthy paths show: 0.3 % of retransmissions, a tenth of a per cent of lost probes,
 * 2 ms of queueing; certain ones where users notice. Load alone becomes a verdict at 98 % of the capacity:
 * a link that is full is congested, whether or not anybody counted the loss.
 */
export const defaultCongestionPolicy: CongestionPolicy = {
  signs: {
    probe_loss: { quiet: 0.002, certain: 0.008, weight: 0.9 },
    delay_growth: { quiet: 2000, certain: 30_000, weight: 0.6 },
    retransmission: { quiet: 0.003, certain: 0.01, weight: 0.9 },
    discards: { quiet: 0.0005, certain: 0.005, weight: 0.9 },
    load: { quiet: 0.95, certain: 1, weight: 0.8 },
  },
  halfLifeMs: 60_000,
  ageMsMax: 300_000,
  raise: 0.5,
  clear: 0.25,
};

/**
 * Fuses the signs of one link and direction to one verdict. Independent signs strengthen each other (the chance
 * that all of them err is the product of their chances), and none can outvote another: a quiet sign is
 * no proof of health, since each sees only a part. `was` is the verdict in force: it is left later than it is
 * reached, so that it does not flicker.
 */
export function judgeCongestion(
  link: LinkId,
  direction: Direction,
  signs: readonly Sign[],
  was: boolean,
  policy: CongestionPolicy = defaultCongestionPolicy,
): CongestionVerdict {
  const reasons = signs
    .map((sign) => ({ kind: sign.kind, value: sign.value, evidence: evidenceOf(sign, policy) }))
    .filter((reason) => reason.evidence > 0)
    .sort((a, b) => b.evidence - a.evidence || compareText(a.kind, b.kind) || b.value - a.value);
  const value = fuse(reasons, signKinds);
  return {
    link,
    direction,
    value,
    isCongested: value >= (was ? policy.clear : policy.raise),
    reasons,
  };
}

function fuse(reasons: readonly CongestionReason[], kinds: readonly SignKind[]): number {
  let doubt = 1;
  for (const kind of kinds) {
    // Two measurements of one kind (two routers, two probers) are one witness: the stronger counts.
    const strongest = reasons.find((reason) => reason.kind === kind);
    doubt *= 1 - (strongest?.evidence ?? 0);
  }
  return 1 - doubt;
}

/** What a verdict says, 0 to 1, without the load: for an objective that counts the load itself. */
export const evidenceBesideLoad = ({ reasons }: CongestionVerdict): number =>
  fuse(
    reasons,
    signKinds.filter((kind) => kind !== 'load'),
  );

/** Such as `north is congested inbound: load 98 %, probe loss 1.2 %`. */
export function describeCongestion({ link, direction, reasons }: CongestionVerdict): string {
  const signs = reasons.map(
    ({ kind, value }) => `${kind.replace('_', ' ')} ${formatSign(kind, value)}`,
  );
  return `${link} is congested ${direction}: ${signs.join(', ')}`;
}

const formatSign = (kind: SignKind, value: number): string =>
  kind === 'delay_growth'
    ? `${(value / 1000).toFixed(1)} ms`
    : `${(value * 100).toFixed(kind === 'load' ? 0 : 1)} %`;

const signKinds: readonly SignKind[] = [
  'probe_loss',
  'delay_growth',
  'retransmission',
  'discards',
  'load',
];

function evidenceOf(sign: Sign, policy: CongestionPolicy): number {
  if (sign.ageMs > policy.ageMsMax) return 0;
  const { quiet, certain, weight } = policy.signs[sign.kind];
  const said = (sign.value - quiet) / (certain - quiet);
  const strength =
    Math.min(1, Math.max(0, said)) *
    (sign.trials === undefined ? 1 : confidence(sign.value, sign.trials, quiet / 2));
  const freshness = 0.5 ** (Math.max(0, sign.ageMs) / policy.halfLifeMs);
  return strength * weight * freshness * Math.min(1, Math.max(0, sign.coverage));
}

/**
 * From 0, where a path that loses `healthy` of all shows as much by chance once in 300 looks, to 1, where once in
 * 3,000. An alarm that nothing else supports then takes a chance below one in 1,000, and a healthy path mostly loses
 * far less than that.
 */
function confidence(ratio: number, trials: number, healthy: number): number {
  const chance = chanceOf(Math.round(ratio * trials), trials, healthy);
  return Math.min(1, Math.max(0, -Math.log10(chance) - 2.5));
}

/** Probability of `hits` or more of `trials` that each hit with probability `rate` (small): Poisson's. */
export function chanceOf(hits: number, trials: number, rate: number): number {
  const mean = trials * rate;
  // Chernoff's bound where the sum would be long: never below the truth.
  if (hits > 500) return hits <= mean ? 1 : Math.exp(hits - mean - hits * Math.log(hits / mean));
  let term = Math.exp(-mean);
  let below = 0;
  for (let i = 0; i < hits; i++) {
    below += term;
    term *= mean / (i + 1);
  }
  return Math.max(0, 1 - below);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
