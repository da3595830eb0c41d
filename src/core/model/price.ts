import type { Bitps, Micros } from '../base/units.ts';

/** Direction that a provider bills. For a percentile, `larger` compares the two percentiles, `sum` adds before sorting. */
export type BilledDirection = 'inbound' | 'outbound' | 'larger' | 'sum';

interface Common {
  /** ISO 4217 code. */
  readonly currency: string;
  /** Day of the month on which the billing month begins, 1 to 28. */
  readonly billingDay: number;
  /** IANA zone in which that day begins. */
  readonly timeZone: string;
  /** Octets that the provider counts. */
  readonly billBytes: 'l2' | 'ip';
  readonly direction: BilledDirection;
}

export interface PercentilePrice extends Common {
  readonly model: 'percentile';
  /** 50 to 100; 95 leaves the highest 5 % of the 5-minute samples free. */
  readonly percentile: number;
  /** Paid for whether used or not. */
  readonly commit: Bitps;
  readonly perMbps: Micros;
  /** Per Mb/s above the commit, where it differs. */
  readonly overagePerMbps?: Micros;
}

export interface TieredPrice extends Common {
  readonly model: 'tiered';
  readonly percentile: number;
  readonly commit: Bitps;
  /** Ascending; each prices the traffic from `from` to the next tier. */
  readonly tiers: ReadonlyArray<{ readonly from: Bitps; readonly perMbps: Micros }>;
}

export interface VolumePrice extends Common {
  readonly model: 'volume';
  /** Per 10^9 bytes. */
  readonly perGb: Micros;
}

export interface FlatPrice extends Common {
  readonly model: 'flat';
  readonly perMonth: Micros;
}

/** What a provider charges for a link. */
export type Price = PercentilePrice | TieredPrice | VolumePrice | FlatPrice;
