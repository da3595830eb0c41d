/** One metric as Prometheus's text format has it: a name with its samples at the moment of the scrape. */
export interface Family {
  /** `headgate_…`, ending in the base unit and, for counters, `_total`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Names of the labels, as documented; a sample has all of them. */
  readonly labels: readonly string[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A histogram's samples: cumulative counts at ascending upper bounds, then the sum and count of all. */
export interface HistogramSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly buckets: ReadonlyArray<{ readonly bound: number; readonly count: number }>;
  readonly count: number;
  readonly sum: number;
}

/** A family and how its samples are read from `Source` when somebody asks. */
export type Reading<Source> = Family &
  (
    | { readonly type: 'counter' | 'gauge'; readonly read: (source: Source) => readonly Sample[] }
    | { readonly type: 'histogram'; readonly read: (source: Source) => readonly HistogramSample[] }
  );
