import type { Sliced } from '../core/base/slices.ts';
import type { LinkId, PrefixText } from '../core/base/units.ts';
import type { HalfSegment } from '../core/model/halves.ts';
import type {
  BlockRtts,
  Driver,
  EngineSnapshot,
  HeavySession,
  NetworkCount,
  WireCount,
} from './snapshot.ts';

/** `inside`: between our hosts and the border router; `link`: between the border router and one provider. */
export type Place = 'inside' | 'link';

export interface WireOptions {
  readonly name: string;
  readonly place: Place;
  /** Interface towards our network. */
  readonly inside: string;
  /** Interface towards the border; none with `mirror`. */
  readonly outside?: string;
  readonly driver: Driver | 'auto';
  /** A port without carrier takes the other one down, so that both far ends see it. */
  readonly passesLinkState?: boolean;
  /** Packet loops that share it by session, 1 (the default) to 8; more than one with `af_packet` only. */
  readonly workers?: number;
}

/** How a packet is known to have used a link; exactly one of the keys beside `wire`, none where the wire is the link. */
export interface Attribution {
  readonly wire: string;
  /** MAC address of the border router on the wire. */
  readonly mac?: string;
  /** 802.1q id that the router sets per ingress, 1 to 4094. */
  readonly vlan?: number;
  /** DSCP that the router sets per ingress, 0 to 63. */
  readonly dscp?: number;
}

/** What outbound packets of the link carry, place `inside` only. */
export type Mark = { readonly dscp: number } | { readonly vlan: number };

export interface LinkRule {
  readonly link: LinkId;
  readonly attribute: Attribution;
  readonly mark?: Mark;
}

/** Shares of links, relative to each other; one of weight 0 is taken only while all others are down. */
export type Weights = Readonly<Record<LinkId, number>>;

/** What the wires count and mark by. Published whole, in force from one packet to the next. */
export interface EngineTables {
  /** Our own blocks, canonical text, disjoint or nested (the longest counts). */
  readonly blocks: readonly PrefixText[];
  readonly links: readonly LinkRule[];
  /**
   * Foreign prefixes by which outbound sessions are counted and, by the longest, marked: for one link, or for several by
   * weight. A session keeps its link while that is not down, whatever is published later. Without either of them sessions
   * go as `otherwise` says.
   */
  readonly destinations?: readonly Destination[];
  /** Weights that many destinations share, by the place at which `packed` and `Destination.group` name them. */
  readonly groups?: readonly DestinationGroup[];
  /** Destinations that are marked and not counted: as many as there are in a full table. */
  readonly packed?: PackedDestinations;
  /** Of sessions to anywhere else; without it they bear no mark and the router chooses. */
  readonly otherwise?: Weights;
  /** Links by which nothing leaves now: their sessions go by the others of their weights. */
  readonly down?: readonly LinkId[];
  /** Two networks with different texts spread sessions differently, so that one does not repeat the choice of the other. */
  readonly hashKey?: string;
}

/** At most one of `link`, `weights` and `group`. */
export interface Destination {
  readonly prefix: PrefixText;
  readonly link?: LinkId;
  readonly weights?: Weights;
  readonly group?: string;
}

/** A link that is not among the weights, be it with 0, is no way for these destinations: their sessions leave it. */
export interface DestinationGroup {
  readonly name: string;
  readonly weights: Weights;
  /** The group that its destinations were in: their sessions stay where they are. Unless given, in none. */
  readonly from?: string;
}

/** Made by `DestinationPacker`. */
export interface PackedDestinations {
  /** As native/abi/tables.h says, but for the way, in whose place the number of the group stands. */
  readonly records: Uint8Array;
  readonly count: number;
}

/** What may change without the tables. */
export type MarkChanges = Pick<EngineTables, 'otherwise' | 'groups' | 'down'>;

export interface HalfSampling {
  /** Of all sessions, 0 to 1. */
  readonly share: number;
  /** Units with the same text sample the same sessions and name them alike. */
  readonly key: string;
}

export interface EngineOptions {
  readonly wires: readonly WireOptions[];
  readonly tables: EngineTables;
  /** Slots of the session table per wire, a power of two; 262,144 by default (200 bytes each). Workers have equal parts. */
  readonly sessionSlots?: number;
  /** How many blocks and destinations publications may ever bring at once; by default some more than the first. */
  readonly blocksMax?: number;
  readonly destinationsMax?: number;
  /** Which TCP sessions are told of by `halves` where only one of their directions passes here; without it none. */
  readonly halves?: HalfSampling;
  /** Whether `heaviest` finds anything: it costs each packet a little. */
  readonly findsHeaviest?: boolean;
  /** Whether round trips of QUIC are read off its spin bit, `WireCount.quic`. */
  readonly followsSpin?: boolean;
}

export interface WireEngine {
  /**
   * Replaces all tables at once. Counters of blocks and links that stay go on.
   * Throws HeadgateError `bad_tables`; the old ones stay in force then.
   */
  publish(tables: EngineTables): void;
  /**
   * The same in slices, and the native part beside: for as many destinations as a full table has. The promise that the
   * last slice gives rejects as `publish` throws. Another publication before it is settled is refused.
   */
  publishSliced(tables: EngineTables): Sliced<Promise<void>>;
  /**
   * Other weights (of the same groups) or failed links for the tables in force, which stay: takes a millisecond, and the
   * sessions of a link that is down leave by another from the next packet on. Rejects as `publish` throws.
   */
  readjust(marks: MarkChanges): Promise<void>;
  /** Reckons what weights come to, so that `readjust` with them is quick. */
  prepare(weights: readonly Weights[]): Sliced<void>;
  snapshot(): EngineSnapshot;
  /** The same, decoded in slices: the counters are of the moment of the first. */
  snapshotSliced(): Sliced<EngineSnapshot>;
  /** Of the wires alone, which is cheap at any number of blocks. */
  wireStates(): ReadonlyArray<Pick<WireCount, 'wire' | 'state'>>;
  /** The foreign networks that most sessions are with, about a second old; at most 2048 of each wire. */
  networks(): readonly NetworkCount[];
  /** The sessions of ours that send most and have not ended, about a second old; at most 1024 of each wire. */
  heaviest(): readonly HeavySession[];
  /**
   * Round trips of each block, of the last `averageMs` or of the time since the look before the last if that is longer.
   * One look at a time: it ends what the next begins with.
   */
  blockRtts(averageMs: number): Sliced<BlockRtts>;
  /** Segments of half-seen sessions that passed since the last call, and how many there was no room for, ever. */
  halves(): { readonly segments: readonly HalfSegment[]; readonly lost: number };
  /** What start found out about the wires: drivers chosen and why, offloads switched off, gates in force. For the log. */
  readonly findings: readonly string[];
  /** Ends the packet loops, restores the ports. Twice is harmless. */
  close(): void;
}
