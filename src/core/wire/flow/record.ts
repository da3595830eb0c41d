import type { Family } from '../../base/prefix.ts';

/**
 * One decoded flow record. The decoder fills the same object again for every record, since a busy
 * exporter sends a million a second: read what is needed inside `FlowSink.flow`, keep nothing.
 */
export interface FlowRecord {
  /** 0 when the record carries no IP addresses. */
  family: Family | 0;
  /** The datagram; `sourceAt` and `destinationAt` are offsets of the addresses in it. */
  bytes: Uint8Array;
  sourceAt: number;
  destinationAt: number;
  /** IP bytes as exported, not yet scaled by sampling. */
  ipBytes: number;
  /** Frame bytes where the exporter says them, else 0. */
  l2Bytes: number;
  packets: number;
  protocol: number;
  tos: number;
  sourcePort: number;
  destinationPort: number;
  /** ifIndex of the interface by which the packets came in; 0 unknown. */
  input: number;
  /** ifIndex of the interface by which they went out; 0 unknown, also where the router dropped or kept them. */
  output: number;
  /** Where the router metered them (IANA element 61). */
  metered: 'ingress' | 'egress' | 'unknown';
  /** Offset of the source MAC address in `bytes`, or -1. */
  sourceMacAt: number;
  /** 802.1q VLAN id, or 0. */
  vlan: number;
  /** Milliseconds since the Unix epoch of the last packet; 0 unknown. */
  lastMs: number;
  /** One of `samplingRate` packets was looked at; 1 unsampled, 0 the exporter did not say. */
  samplingRate: number;
}

/** Counters of one interface as sFlow delivers them (generic interface counters, format 1). */
export interface InterfaceCounters {
  readonly ifIndex: number;
  /** Bits per second. */
  readonly speed: number;
  readonly isUp: boolean;
  readonly inBytes: bigint;
  readonly outBytes: bigint;
  readonly inDiscards: number;
  readonly outDiscards: number;
  readonly inErrors: number;
  readonly outErrors: number;
}

/** Receives what a datagram holds, in its order. */
export interface FlowSink {
  flow(record: FlowRecord): void;
  counters?(counters: InterfaceCounters): void;
}

export function makeRecord(): FlowRecord {
  return {
    family: 0,
    bytes: new Uint8Array(0),
    sourceAt: 0,
    destinationAt: 0,
    ipBytes: 0,
    l2Bytes: 0,
    packets: 0,
    protocol: 0,
    tos: 0,
    sourcePort: 0,
    destinationPort: 0,
    input: 0,
    output: 0,
    metered: 'unknown',
    sourceMacAt: -1,
    vlan: 0,
    lastMs: 0,
    samplingRate: 0,
  };
}
