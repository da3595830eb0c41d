import type { Domain, DomainTable } from './domain.ts';
import type { FlowRecord, FlowSink } from './record.ts';
import type { FlowTally } from './tally.ts';

/** Buffers that live as long as the decoder, so that a record costs no allocation. */
export interface Workspace {
  readonly scratch: Float64Array;
  readonly record: FlowRecord;
}

/** A datagram of an exporter, with what its decoder keeps between datagrams. */
export interface Datagram {
  readonly bytes: Uint8Array;
  /** Of all of `bytes`. */
  readonly view: DataView;
  /** When it arrived, Unix milliseconds. */
  readonly nowMs: number;
  readonly domains: DomainTable;
  readonly work: Workspace;
  readonly tally: FlowTally;
  readonly sink: FlowSink;
}

export type TemplatedForm = 'netflow9' | 'ipfix';

/** One whose records are described by templates. */
export interface TemplatedDatagram extends Datagram {
  readonly form: TemplatedForm;
  /** Where its sets end, in `bytes`. */
  readonly end: number;
  /** Unix milliseconds at which the exporter's uptime was zero; undefined where the protocol has no uptime. */
  readonly bootMs: number | undefined;
  readonly domain: Domain;
}
