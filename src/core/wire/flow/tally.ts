/** Why a part of a datagram gave no record. */
export const flowSkips = [
  'unknown_template',
  'template_table_full',
  'template_too_wide',
  'template_empty',
  'domain_table_full',
  'sampler_table_full',
  'no_addresses',
  'no_counters',
  'set_truncated',
  'record_truncated',
  'reserved_set',
  'unknown_sample',
  'unknown_sample_record',
  'sampled_header_unreadable',
] as const;
export type FlowSkip = (typeof flowSkips)[number];

/** What one exporter has sent so far; every count only grows. */
export interface FlowTally {
  datagrams: number;
  records: number;
  optionRecords: number;
  counterSamples: number;
  templates: number;
  /** Templates whose definition changed while they were in force. */
  templatesRedefined: number;
  templatesExpired: number;
  /** Missing by sequence number, in the exporter's unit (see `SequenceTracker`). */
  lost: number;
  /** Received, in the same unit: `received / (received + lost)` is the coverage. */
  received: number;
  reordered: number;
  restarts: number;
  readonly skipped: Record<FlowSkip, number>;
}

export function makeTally(): FlowTally {
  return {
    datagrams: 0,
    records: 0,
    optionRecords: 0,
    counterSamples: 0,
    templates: 0,
    templatesRedefined: 0,
    templatesExpired: 0,
    lost: 0,
    received: 0,
    reordered: 0,
    restarts: 0,
    skipped: {
      unknown_template: 0,
      template_table_full: 0,
      template_too_wide: 0,
      template_empty: 0,
      domain_table_full: 0,
      sampler_table_full: 0,
      no_addresses: 0,
      no_counters: 0,
      set_truncated: 0,
      record_truncated: 0,
      reserved_set: 0,
      unknown_sample: 0,
      unknown_sample_record: 0,
      sampled_header_unreadable: 0,
    },
  };
}

/** Why a whole datagram was refused; `offset` is where it went wrong. */
export interface FlowError {
  readonly code: 'short_read' | 'unknown_version' | 'bad_count' | 'bad_address_type';
  readonly offset: number;
}
