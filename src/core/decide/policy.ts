import type { Bitps, LinkId, Ms, PrefixText } from '../base/units.ts';

/** Weights of the objective's terms; 0 switches a term off. Only their ratios matter. */
export interface Weights {
  /** Utilisation that the average bit meets: lowest when all links are equally full. */
  readonly balance: number;
  /** Loss, and load above the high threshold. */
  readonly congestion: number;
  /** Round-trip time, weighted by traffic. */
  readonly response: number;
  /** Price of the next bit on a link. */
  readonly price: number;
}

/** The one quality by which a `best` group always takes its link. */
export type Quality = 'congestion' | 'load' | 'capacity' | 'price' | 'proximity';

export interface LinkPolicy {
  readonly link: LinkId;
  /** Configured capacity; a lower live capacity in the observation wins. */
  readonly capacity: Bitps;
  /** Links of one port share its capacity. */
  readonly port?: string;
  /** Marginal price per Mb/s and month in the reference currency; absent counts as 0. */
  readonly pricePerMbps?: number;
}

export interface GroupPolicy {
  readonly group: string;
  readonly blocks: readonly PrefixText[];
  readonly objective?: Weights;
  readonly best?: Quality;
  /** Links that may be chosen; absent means all. */
  readonly links?: readonly LinkId[];
}

/** A link to be drained between two times (in the spirit of RFC 8326). */
export interface MaintenanceWindow {
  readonly link: LinkId;
  readonly from: Ms;
  readonly to: Ms;
}

/** The limits. Shares are 0 to 1; times are milliseconds, already scaled by whoever runs the loop. */
export interface RailsPolicy {
  /** Least time between two changes of one block's announcement. */
  readonly dwellMs: Ms;
  readonly movesPerHour: number;
  /** What `movesPerHour` calls an hour: scaled down with the other timers in a lab. */
  readonly hourMs: Ms;
  /** Changes of one block per 24 of those hours. */
  readonly movesPerDay: number;
  /** Share of all inbound traffic that may be on the move at once (within one settle time). */
  readonly sharePerRound: number;
  /** A target link is never planned above this share of its capacity. */
  readonly headroom: number;
  /** From a change until its effect can be judged: convergence plus one measuring interval. */
  readonly settleMs: Ms;
  /** Utilisation of any link at which relief starts, and to which it works down. */
  readonly high: number;
  readonly low: number;
  /** Difference between the fullest and emptiest link at which balancing starts, and to which it works. */
  readonly spreadHigh: number;
  readonly spreadLow: number;
  /** Older samples freeze. */
  readonly maxAgeMs: Ms;
  /** Lower coverage freezes. */
  readonly minCoverage: number;
  /** What measures one link (its counter, its blocks, other sources) may differ by this share before that is a contradiction. */
  readonly contradiction: number;
  /** Frozen for this long: return to plain BGP. */
  readonly holdMs: Ms;
  /** Share of blocks that is left alone, to compare against. */
  readonly controlShare: number;
  /** A block may return to a link it left after this many dwell times; eight times that once it has returned. */
  readonly oscillationDwells: number;
  /** Half-life of the simulated route-flap penalty (RFC 2439; Cisco's default is 15 minutes). */
  readonly dampingHalfLifeMs: Ms;
  /** Penalty that may not be exceeded; 1500 is added per change (500 times path exploration 3). */
  readonly dampingLimit: number;
}

/** What the operator wants. Plain JSON. */
export interface Policy {
  readonly links: readonly LinkPolicy[];
  /** Blocks that no group names are groups of their own. */
  readonly groups: readonly GroupPolicy[];
  readonly objective: Weights;
  readonly rails: RailsPolicy;
  /** Highest rung of the escalation ladder, whose rung 0 is unbiased. */
  readonly rungs: number;
  /** What each rung from 0 on does to the links that a block should leave, in words; prepends unless given. */
  readonly rungNames?: readonly string[];
  /** Gain of the objective per moved share of traffic below which a move is not worth its disturbance. */
  readonly moveCost: number;
  readonly pins: ReadonlyArray<{ readonly block: PrefixText; readonly link: LinkId }>;
  readonly maintenance: readonly MaintenanceWindow[];
}

const minute = 60_000;

/** Production defaults; `scale` divides every timer (a lab runs at 100 or so). */
export function defaultRails(scale = 1): RailsPolicy {
  // The one place that brands computed durations.
  const time = (value: number): Ms => (value / scale) as Ms;
  return {
    dwellMs: time(30 * minute),
    movesPerHour: 30,
    hourMs: time(60 * minute),
    movesPerDay: 8,
    sharePerRound: 0.1,
    headroom: 0.9,
    settleMs: time(5 * minute),
    high: 0.85,
    low: 0.8,
    spreadHigh: 0.4,
    spreadLow: 0.2,
    maxAgeMs: time(5 * minute),
    minCoverage: 0.5,
    contradiction: 0.25,
    holdMs: time(60 * minute),
    controlShare: 0,
    oscillationDwells: 4,
    dampingHalfLifeMs: time(15 * minute),
    dampingLimit: 2000,
  };
}

export const defaultWeights: Weights = { balance: 1, congestion: 4, response: 0, price: 0 };

/** A policy that balances load over `links`, everything else at its default. */
export function defaultPolicy(links: readonly LinkPolicy[], scale = 1): Policy {
  return {
    links,
    groups: [],
    objective: defaultWeights,
    rails: defaultRails(scale),
    rungs: 3,
    moveCost: 0.05,
    pins: [],
    maintenance: [],
  };
}
