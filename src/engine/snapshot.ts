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
  /** Payload that advanced the sessions. */
  readonly dataBytes: number;
  readonly retransmittedSegments: number;
  readonly retransmittedBytes: number;
  /** The same bytes seen twice: lost after they passed the unit. */
  readonly lostBeyond: number;
  /** Of `lostBeyond`, what had arrived all the same, as the receiver said later (DSACK, RFC 2883). */
  readonly needless: number;
  /** A hole filled later than reordering explains: lost before they reached the unit. */
  readonly lostBefore: number;
  readonly spurious: number;
  readonly reordered: number;
  readonly duplicates: number;
  readonly keepAlives: number;
  readonly windowProbes: number;
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

/** Round trips between the unit and the Internet of the sessions of one block. */
export interface BlockRtt {
  readonly samples: number;
  /** Quantiles in microseconds, to half an octave and at most 524,288; `undefined` with less than 20 samples. */
  readonly p50Us: number | undefined;
  readonly p95Us: number | undefined;
}

/** Of all blocks, of late: some bytes each, however many there are. */
export interface BlockRtts {
  /** The time that they are of, milliseconds. */
  readonly overMs: number;
  /** `undefined` of what was no block at that time. */
  readonly of: (block: PrefixText) => BlockRtt | undefined;
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

/** What went through, before any parsing. */
export interface PathCount {
  /** A super-packet counts as the segments it becomes. */
  readonly packets: number;
  /** Frames and their bytes as the interfaces count them. */
  readonly frames: number;
  readonly bytes: number;
}

/** Outbound traffic to one of the published destinations, all links together. */
export interface DestinationCount {
  readonly prefix: PrefixText;
  readonly packets: number;
  readonly l2Bytes: number;
}

export interface WireCount {
  readonly wire: string;
  readonly driver: Driver;
  /** Why `auto` chose this driver, or `set`. */
  readonly driverReason: string;
  /** `forwarding`: packets pass; `bypass`: the kernel forwards without the unit, or without one of its workers; `down`: a port is down or gone. */
  readonly state: 'forwarding' | 'bypass' | 'down';
  /** What passed through the unit and, while it was away, past it; by direction. */
  readonly unit: { readonly inbound: PathCount; readonly outbound: PathCount };
  readonly bypass: { readonly inbound: PathCount; readonly outbound: PathCount };
  /** Of `unit`, what each of the packet loops has sent on that share the wire: one, unless more are set. */
  readonly workers: ReadonlyArray<{ readonly inbound: PathCount; readonly outbound: PathCount }>;
  /** Frames that came in and could not be sent on, by reason. Not a decision of ours: the machine refused. */
  readonly lost: Readonly<Record<string, number>>;
  /**
   * Share of the packets worth measuring (TCP, questions to name servers) that were measured since the engine opened,
   * 0 to 1. Below 1 whole sessions were left out, because the unit could not keep up: rates and times are those of a
   * sample then. Counts of blocks, destinations and links are exact whatever this is.
   */
  readonly coverage: number;
  /** Packets that should have been marked, and that the machine would not change: forwarded as they were. */
  readonly unmarked: number;
  /**
   * Copies of frames that the kernel forwarded while the unit was silent, thrown away on its return: not lost.
   * Of a mirror that gets wrapped copies: frames that wrapped none.
   */
  readonly discarded: number;
  /** With `followsSpin`. */
  readonly quic?: QuicCount;
}

/** Round trips of QUIC by its spin bit: too long as often as not, so that only low quantiles say something. */
export interface QuicCount {
  /** That sent a short header. */
  readonly sessions: number;
  /** Of these, those whose bit turned as a client's and a server's do: what the round trips cover. */
  readonly spinning: number;
  /** Of sessions for which the table had no slot. */
  readonly packetsRefused: number;
  readonly samples: number;
  /** Between the unit and either end, microseconds; `undefined` without samples. */
  readonly rttUsP5: number | undefined;
  readonly rttUsP25: number | undefined;
}

export type Driver = 'af_packet' | 'tc' | 'xdp' | 'mirror';

/** A foreign /24 or /48 that TCP sessions of ours were begun with. */
export interface NetworkCount {
  readonly prefix: PrefixText;
  /** The latest that was seen there. */
  readonly host: string;
  readonly sessions: number;
  /** Passive round trips by link: a mean that forgets, and how many were sampled. */
  readonly rtts: ReadonlyArray<{
    readonly link: LinkId;
    readonly rttUs: number;
    readonly samples: number;
  }>;
  /** Which resolver asked for our names before most of its sessions; votes for it less votes for others. */
  readonly resolver?: { readonly address: string; readonly votes: number };
}

/** A session of ours that sends much and has not ended, as far as the wires saw. */
export interface HeavySession {
  readonly protocol: 'tcp' | 'udp';
  /** Our host. */
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** Cumulative, estimated from samples; falls where others push it out of its place. */
  readonly l2Bytes: number;
}

/** What became of outbound packets and their sessions. */
export interface MarkCounts {
  /** Packets that got a mark, and those that lost one that was not theirs to set. */
  readonly set: number;
  readonly cleared: number;
  /** Sessions begun, by the link that they were marked for: TCP, and UDP where it is QUIC. */
  readonly sessions: ReadonlyArray<{ readonly link: LinkId; readonly sessions: number }>;
  /** Sessions that stayed on a link which publications have given to others, and those whose link went down. */
  readonly kept: number;
  readonly remarked: number;
  /** Sessions written down for either now, how many fit, and those that had to go for others while they spoke. */
  readonly exceptions: number;
  readonly exceptionsMax: number;
  readonly exceptionsLost: number;
  /** How often destinations forgot where their sessions were because there were too many ways. */
  readonly waysForgotten: number;
}

/** Cumulative counters at one instant. Differences of two snapshots are samples. */
export interface EngineSnapshot {
  /** Monotonic clock of the machine, milliseconds. */
  readonly monotonicMs: number;
  /** Counts `publish` calls that took effect; counters of blocks survive a publication that keeps them. */
  readonly generation: number;
  readonly blocks: readonly BlockCount[];
  readonly destinations: readonly DestinationCount[];
  /** Every published link, and last the unknown one. */
  readonly links: readonly LinkCount[];
  readonly wires: readonly WireCount[];
  /** Frames that could not be parsed (and were forwarded unchanged), by reason. */
  readonly unparsed: Readonly<Record<string, number>>;
  /** Measurements that were given up (never packets), by reason: table full, ring full. */
  readonly unmeasured: Readonly<Record<string, number>>;
  /** Foreign sources of DNS queries to our name servers. */
  readonly resolvers: ReadonlyArray<{ readonly address: string; readonly queries: number }>;
  readonly marks: MarkCounts;
  /** TCP sessions ever begun, those in the table (with some that ended lately), and its slots. */
  readonly sessions: {
    readonly begun: number;
    readonly live: number;
    readonly capacity: number;
  };
}
