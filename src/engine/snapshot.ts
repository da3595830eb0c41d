import type { LinkId, PrefixText } from '../core/base/units.ts';
import type { Direction } from '../core/model/link.ts';

/** The three counts of DESIGN.md section 4, cumulative since the engine opened. */
export interface TrafficCount {
  /** Packets on the wire: a super-packet counts as the segments it becomes. */
  readonly packets: number;
  /** From the first byte of the IP header to the end of the IP packet. */
  readonly ipBytes: number;
  /** Ethernet header and tags included, preamble and frame check sequence not: as interface counters count. */
  readonly l2Bytes: number;
}

/** One cell of block × link × direction. Cells that never counted anything are left out. */
export interface BlockCount extends TrafficCount {
  readonly block: PrefixText;
  /** `undefined` where the link is not known (place `inside`, no rule matched). */
  readonly link: LinkId | undefined;
  readonly direction: Direction;
}

/** TCP as seen from the wire, of the data that flows in one direction; retransmitted = beyond + before + spurious. */
export interface TcpCount {
  readonly dataSegments: number;
  readonly retransmittedSegments: number;
  readonly retransmittedBytes: number;
  /** The same bytes seen twice: lost after they passed the unit. */
  readonly lostBeyond: number;
  /** A hole filled later than reordering explains: lost before they reached the unit. */
  readonly lostBefore: number;
  readonly spurious: number;
  readonly reordered: number;
  readonly duplicates: number;
  readonly keepAlives: number;
}

/** Round-trip times from the unit to one side and back. */
export interface RttCount {
  readonly samples: number;
  /** Quantiles in microseconds, `undefined` without samples. */
  readonly p50Us: number | undefined;
  readonly p95Us: number | undefined;
  readonly p99Us: number | undefined;
  /** Cumulative since open: `count` samples in (previous bound, `boundUs`]. */
  readonly buckets: ReadonlyArray<{ readonly boundUs: number; readonly count: number }>;
}

export interface LinkCount {
  readonly link: LinkId | undefined;
  readonly inbound: TrafficCount;
  readonly outbound: TrafficCount;
  /** By the direction in which the data flows: inbound data is sent by the Internet. */
  readonly tcp: { readonly inbound: TcpCount; readonly outbound: TcpCount };
  /** Towards our hosts and towards the Internet. */
  readonly rtt: { readonly inside: RttCount; readonly outside: RttCount };
}

/** Frames as interfaces count them, before any parsing; a super-packet counts as the segments it becomes. */
export interface PathCount {
  readonly packets: number;
  readonly bytes: number;
}

export interface WireCount {
  readonly wire: string;
  readonly driver: Driver;
  /** Why `auto` chose this driver, or `set` */
  readonly driverReason: string;
  /** `forwarding`: packets pass; `bypass`: the kernel forwards without the unit; `down`: a port is down or gone. */
  readonly state: 'forwarding' | 'bypass' | 'down';
  /** What passed through the unit and, while it was away, past it; by direction. */
  readonly unit: { readonly inbound: PathCount; readonly outbound: PathCount };
  readonly bypass: { readonly inbound: PathCount; readonly outbound: PathCount };
  /** Frames that came in and could not be sent on, by reason. Not a decision of ours: the machine refused. */
  readonly lost: Readonly<Record<string, number>>;
}

export type Driver = 'af_packet' | 'tc' | 'xdp' | 'mirror';

/** Cumulative counters at one instant. Differences of two snapshots are samples. */
export interface EngineSnapshot {
  /** Monotonic clock of the machine, milliseconds. */
  readonly monotonicMs: number;
  /** Counts `publish` calls that took effect; counters of blocks survive a publication that keeps them. */
  readonly generation: number;
  readonly blocks: readonly BlockCount[];
  readonly links: readonly LinkCount[];
  readonly wires: readonly WireCount[];
  /** Frames that could not be parsed (and were forwarded unchanged), by reason. */
  readonly unparsed: Readonly<Record<string, number>>;
  /** Measurements that were given up (never packets), by reason: table full, ring full. */
  readonly unmeasured: Readonly<Record<string, number>>;
  /** Foreign sources of DNS queries to our name servers. */
  readonly resolvers: ReadonlyArray<{ readonly address: string; readonly queries: number }>;
  /** TCP sessions in the table now, and its size. */
  readonly sessions: { readonly live: number; readonly capacity: number };
}
