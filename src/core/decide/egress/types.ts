import type { Bitps, LinkId, Ms, PrefixText } from '../../base/units.ts';

/** One way to a destination that a router really received. */
export interface EgressRoute {
  readonly link: LinkId;
  /** As received: an override announces this and nothing invented. */
  readonly nextHop: string;
}

/** What moves as one: all traffic to a foreign prefix, or (`N` is then another name) a single session. */
export interface DestinationObservation<N extends string = PrefixText> {
  readonly destination: N;
  readonly rate: Bitps;
  /** In the order of plain BGP: the first one whose link is up carries the traffic when nobody overrides. */
  readonly routes: readonly EgressRoute[];
  /** Median round-trip time by link, microseconds, with the number of samples behind it. */
  readonly rtt?: Readonly<Record<string, PathTime>>;
  /** Round trips of the traffic itself, by whichever link it leaves now. */
  readonly passive?: PathTime;
}

/** Microseconds. */
export interface PathTime {
  readonly us: number;
  readonly samples: number;
}

export interface EgressLink {
  readonly link: LinkId;
  readonly isUp: boolean;
  readonly capacity: Bitps;
  /** Outbound traffic of the link that no destination accounts for. */
  readonly unattributed: Bitps;
  /** The load at which this link sheds destinations, where it is not the policy's; target and release move with it. */
  readonly threshold?: number;
  /** Price of the next Mb/s, any one currency; cheaper alternates are taken first among equally preferred ones. */
  readonly pricePerMbps?: number;
}

export interface EgressObservation<N extends string = PrefixText> {
  readonly at: Ms;
  readonly links: readonly EgressLink[];
  readonly destinations: ReadonlyArray<DestinationObservation<N>>;
  /** By how much all rates are expected to have grown until the next decision takes effect; at least 1, 1 unless known. */
  readonly growth?: number;
}

/** Shares are 0 to 1 of a link's capacity unless said otherwise; `release` < `target` < `threshold`. */
export interface EgressPolicy {
  /** Projected load at which a link sheds destinations. */
  readonly threshold: number;
  /** Load down to which it sheds, and up to which other links are filled. */
  readonly target: number;
  /** A detour ends when the preferred link would stay below this with it. */
  readonly release: number;
  readonly overridesMax: number;
  /** A detour lasts until its destination is gone or its path is lost: what sessions want. */
  readonly isSticky?: boolean;
  readonly performance?: PerformancePolicy;
}

export interface PerformancePolicy {
  /** An alternate must be faster by this much, and by this share, to be worth leaving BGP's choice. */
  readonly gainUs: number;
  readonly gainShare: number;
  readonly samplesMin: number;
  /** Share of all traffic that may change its way for performance in one round. */
  readonly sharePerRound: number;
  /** Share of destinations that always stays on BGP's choice, to compare against. */
  readonly controlShare: number;
  /** How long a detour is left alone before the traffic's own round trips judge it. */
  readonly settleMs: number;
  /** How long a way that did not help is not tried again. */
  readonly restMs: number;
}

export type OverrideReason = 'overload' | 'performance';

/** A destination sent by another link than plain BGP would. Plain JSON, kept in history. */
export interface Override<N extends string = PrefixText> {
  readonly destination: N;
  readonly link: LinkId;
  readonly nextHop: string;
  /** The link that plain BGP prefers. */
  readonly from: LinkId;
  readonly since: Ms;
  readonly because: OverrideReason;
  readonly text: string;
  /** For performance: the traffic's own round trips when the detour began, and what the probes promised. */
  readonly expected?: { readonly before: PathTime; readonly gainUs: number };
}

/** A way that was tried for performance and did not help. */
export interface Disproved<N extends string = PrefixText> {
  readonly destination: N;
  readonly link: LinkId;
  readonly until: Ms;
}

export interface LinkProjection {
  readonly link: LinkId;
  readonly capacity: Bitps;
  /** What the link would carry without us, and with the overrides of this plan. */
  readonly plain: Bitps;
  readonly planned: Bitps;
}

export interface EgressPlan<N extends string = PrefixText> {
  readonly overrides: ReadonlyArray<Override<N>>;
  readonly added: ReadonlyArray<Override<N>>;
  readonly removed: ReadonlyArray<Override<N> & { readonly removedBecause: string }>;
  readonly disproved: ReadonlyArray<Disproved<N>>;
  readonly projection: readonly LinkProjection[];
  /** Load above a threshold that no other link had room for. */
  readonly unplaced: ReadonlyArray<{
    readonly link: LinkId;
    readonly excess: Bitps;
    readonly text: string;
  }>;
}
