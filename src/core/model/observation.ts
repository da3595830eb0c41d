import type { Bitps, LinkId, Ms, PrefixText } from '../base/units.ts';
import type { CongestionVerdict } from './congestion.ts';
import type { Direction } from './link.ts';

/** Where a measured value came from. */
export type Source =
  | 'wire'
  | 'mirror'
  | 'snmp'
  | 'netflow'
  | 'ipfix'
  | 'sflow'
  | 'probe'
  | 'bgp'
  | 'dns';

/** A value with what it takes to trust it. `coverage` is the share (0 to 1) of the subject that was really measured. */
export interface Sampled<T> {
  readonly value: T;
  /** Age at the observation's time. */
  readonly ageMs: Ms;
  readonly coverage: number;
  readonly source: Source;
}

/** Two sources that measured the same rate. */
export interface Comparison {
  readonly direction: Direction;
  readonly rates: readonly [
    { readonly source: Source; readonly rate: Bitps },
    { readonly source: Source; readonly rate: Bitps },
  ];
  /** Share of the larger rate that cannot be true of both, 0 to 1: what sampling or place explains is no part of it. */
  readonly ratio: number;
}

export interface LinkObservation {
  readonly link: LinkId;
  readonly isUp: boolean;
  /** Live capacity; may be below the configured one when a bundle is degraded. */
  readonly capacity: Bitps;
  readonly inbound?: Sampled<Bitps>;
  readonly outbound?: Sampled<Bitps>;
  /** Retransmitted / data segments, 0 to 1, of losses on the provider's side of the unit. */
  readonly retransmissionRatio?: Sampled<number>;
  /** Packet loss from probes, 0 to 1. */
  readonly lossRatio?: Sampled<number>;
  /** Median round-trip time towards outside, microseconds. */
  readonly rttUs?: Sampled<number>;
  /** Mean of the autonomous systems between the provider and the networks that traffic is with, weighed by it. */
  readonly asHops?: Sampled<number>;
  /** What more inbound traffic costs nothing up to; absent where the price has no percentile. */
  readonly billing?: LinkBilling;
  /** One verdict per direction, from all signs; absent where nothing told of it. */
  readonly congestion?: readonly CongestionVerdict[];
  /** Where several sources measured the link: each pair of them. */
  readonly comparisons?: readonly Comparison[];
}

/** Where a link that is billed by a percentile stands in its month. */
export interface LinkBilling {
  /** Inbound bit/s up to which the month's bill does not grow: committed, charged already, or planned to be. */
  readonly paid: Bitps;
  /** The same of outbound traffic, at the inbound rate of late. */
  readonly paidOutbound?: Bitps;
  /** 5-minute samples above the charged level that are still free. */
  readonly freeSamplesLeft: number;
  /** What `paid` stands on, in words. */
  readonly reason: string;
}

/** What the routers say about a block: the rails' view of BGP and RPKI. */
export interface BlockRouting {
  /** Somebody else announces it (blackhole, scrubbing, another unit): hands off. */
  readonly isForeign?: boolean;
  /** Who, and by which announcement. */
  readonly foreignReason?: string;
  /** The operator took it back, until `headgate resume`. */
  readonly isWithheld?: boolean;
  /** A unit that announces it is silent: nobody changes it until that unit has surely let go. */
  readonly frozenReason?: string;
  /** Whether our own announcement of it would be RPKI valid (RFC 6811); `stale`: the VRPs are lost or too old. */
  readonly roa?: 'valid' | 'invalid' | 'not_found' | 'stale';
  /** Which ROA is missing, or what is wrong with it. */
  readonly roaReason?: string;
  /** Links whose routers carry the block as announced; absent when not known. */
  readonly carriedOn?: readonly LinkId[];
  /** Links whose routers do not carry it yet, and have not had the time to: their sessions have just come up. */
  readonly awaitedOn?: readonly LinkId[];
}

export interface BlockObservation {
  readonly block: PrefixText;
  /** Inbound rate by the link it came in by; links not named carried nothing. */
  readonly inbound: ReadonlyArray<{ readonly link: LinkId; readonly rate: Bitps }>;
  readonly outbound: ReadonlyArray<{ readonly link: LinkId; readonly rate: Bitps }>;
  readonly ageMs: Ms;
  readonly coverage: number;
  readonly routing?: BlockRouting;
}

/** All samples of one interval, merged: the only input of a decision beside policy and state. Plain JSON. */
export interface Observation {
  /** End of the interval, milliseconds since the Unix epoch. */
  readonly at: Ms;
  readonly intervalMs: Ms;
  readonly links: readonly LinkObservation[];
  readonly blocks: readonly BlockObservation[];
}
