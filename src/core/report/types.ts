import type { Bitps, LinkId, Ms, PrefixText } from '../base/units.ts';

/** One link over the time of a report; all series have the length of `times`, `null` where nothing was measured. */
export interface LinkSeries {
  readonly link: LinkId;
  readonly capacity: Bitps;
  readonly inbound: ReadonlyArray<number | null>;
  readonly outbound: ReadonlyArray<number | null>;
  /** Retransmitted / data segments, 0 to 1. */
  readonly retransmission: ReadonlyArray<number | null>;
  /** Lost probes, 0 to 1. */
  readonly lossRatio: ReadonlyArray<number | null>;
  /** Median round-trip time, microseconds. */
  readonly rttUs: ReadonlyArray<number | null>;
  /** Charged level so far and committed level, where the price has them. */
  readonly percentile?: Bitps;
  readonly commit?: Bitps;
}

export interface ReportMove {
  readonly at: Ms;
  readonly block: PrefixText;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly outcome: string;
}

export interface ReportBill {
  readonly link: LinkId;
  /** Formatted with currency. */
  readonly soFar: string;
  readonly forecast: string;
}

/** All that a report shows. Plain JSON. */
export interface Report {
  readonly unit: string;
  readonly from: Ms;
  readonly to: Ms;
  readonly times: readonly Ms[];
  readonly links: readonly LinkSeries[];
  readonly moves: readonly ReportMove[];
  /** What the rails refused or postponed, and how often. */
  readonly rails: ReadonlyArray<{
    readonly rail: string;
    readonly refused: number;
    readonly postponed: number;
  }>;
  readonly bills: readonly ReportBill[];
}

/** The charting library, as text: a report needs no network. */
export interface ReportAssets {
  readonly chartScript: string;
  readonly chartStyle: string;
}
