/** What the commands answer: the JSON that `--json` prints as it is. Rates in bit/s at layer 2, times in ms since the epoch. */
import type { Mode } from '../core/settings/index.ts';

export interface StatusView {
  readonly mode: Mode;
  /** `ok`: all measures and acts as set; `attention`: see `reasons`. */
  readonly state: 'ok' | 'attention';
  readonly reasons: ReadonlyArray<{ readonly what: string; readonly since: number }>;
  readonly started: number;
  readonly at: number;
  readonly cycles: number;
  /** Announcements are taken back until `headgate resume`. */
  readonly is_withdrawn: boolean;
  readonly wires: readonly WireView[];
  readonly routers: readonly RouterView[];
  readonly plan: {
    readonly generation: number;
    readonly at: number;
    readonly steered: number;
    readonly blocks: number;
  };
  /** Absent where the unit is alone. */
  readonly cluster?: ClusterView;
  /** A plan that waits for `headgate approve` (mode `advise`). */
  readonly proposal?: { readonly id: string; readonly moves: number };
}

/** What this unit knows of the others; absent where it is alone. */
export interface ClusterView {
  readonly unit: string;
  readonly leader: string | null;
  /** `holding`: no leader is heard, the last plan is kept; `released`: back to plain BGP. */
  readonly standing: 'led' | 'holding' | 'released';
  /** With NATS. */
  readonly is_connected: boolean;
  readonly hold_left_ms?: number;
  readonly live: readonly string[];
  readonly frozen: readonly string[];
  readonly gone: readonly string[];
  /** The plan that it goes by: equal everywhere when all is well. */
  readonly plan: { readonly fence: number; readonly serial: number } | null;
  /** Blocks of that plan that its own rails refuse. */
  readonly refused: ReadonlyArray<{ readonly block: string; readonly reason: string }>;
  /** Of a pair: which of the two decides over outbound traffic; null while nobody may. */
  readonly outbound_by?: string | null;
}

/** A line of `headgate units`. */
export interface UnitView {
  readonly name: string;
  readonly state: 'live' | 'frozen' | 'gone';
  readonly is_leader: boolean;
  readonly portion?: readonly string[];
  readonly report_age_ms?: number;
  readonly has_same_settings?: boolean;
  readonly wires?: { readonly forwarding: number; readonly all: number };
  readonly routers?: { readonly established: number; readonly all: number };
  readonly refused_blocks?: number;
  /** Counted since its start, of hosts of its portion and of others. */
  readonly outbound_bytes?: { readonly portion: number; readonly others: number };
}

export interface WireView {
  readonly name: string;
  /** Whose it is, where several units were asked. */
  readonly unit?: string;
  readonly driver: string;
  readonly driver_reason: string;
  readonly state: 'forwarding' | 'bypass' | 'down';
  readonly inbound_packets: number;
  readonly outbound_packets: number;
  /** Share of the packets worth measuring that were measured, 0 to 1. */
  readonly coverage: number;
  readonly lost: Readonly<Record<string, number>>;
  /** With `measure: { quic_spin: true }`; never part of a decision. */
  readonly quic?: QuicView;
}

/** Round trips of QUIC by its spin bit: too long as often as not, so that only low quantiles say something. */
export interface QuicView {
  /** That sent a short header, and those of them whose bit turned as it should: what the round trips cover. */
  readonly sessions: number;
  readonly spinning: number;
  /** Packets of sessions for which there was no room. */
  readonly packets_refused: number;
  /** Between the unit and either end, microseconds; null without samples. */
  readonly rtt_us: {
    readonly samples: number;
    readonly p5: number | null;
    readonly p25: number | null;
  };
}

export interface RouterView {
  readonly name: string;
  /** Whose session with it this is, where several units were asked. */
  readonly unit?: string;
  readonly address: string;
  readonly asn: number;
  readonly phase: string;
  readonly phase_ms: number;
  readonly paths_received: number;
  readonly prefixes_announced: number;
  readonly last_error?: string;
}

/** Congestion of one direction from all signs. */
export interface CongestionView {
  readonly direction: 'inbound' | 'outbound';
  /** 0 free, 1 certainly congested. */
  readonly value: number;
  readonly is_congested: boolean;
  /** The strongest first. Ratios 0 to 1, `delay_growth` in microseconds; `evidence` is what the sign alone says. */
  readonly reasons: ReadonlyArray<{
    readonly kind: string;
    readonly value: number;
    readonly evidence: number;
  }>;
}

/** Two sources that measure the same rate. */
export interface ComparisonView {
  readonly direction: 'inbound' | 'outbound';
  readonly rates: ReadonlyArray<{ readonly source: string; readonly bitps: number }>;
  /** Share of the larger that cannot be true of both; past `rails.contradiction` nothing is moved. */
  readonly ratio: number;
}

export interface LinkView {
  readonly name: string;
  readonly asn: number;
  readonly router?: string;
  readonly is_up: boolean;
  readonly capacity_bitps: number;
  /** Absent while nothing was measured. */
  readonly inbound_bitps?: number;
  readonly outbound_bitps?: number;
  /** The larger direction over capacity, 0 to 1 and above. */
  readonly utilisation?: number;
  /** 0 to 1, of losses on the provider's side. */
  readonly retransmission_ratio?: number;
  readonly loss_ratio?: number;
  readonly rtt_us?: number;
  /** Absent where nothing tells of it. */
  readonly congestion?: readonly CongestionView[];
  /** Absent where one source measures it. */
  readonly comparisons?: readonly ComparisonView[];
  readonly age_ms?: number;
  readonly coverage?: number;
  /** Counted since the start, layer 2. */
  readonly inbound_bytes: number;
  readonly outbound_bytes: number;
  /** When they were read, on the machine's monotonic clock: two views give an exact rate. */
  readonly counted_monotonic_ms?: number;
}

export interface BlockView {
  readonly prefix: string;
  readonly group?: string;
  /** The link that the plan prefers; null is unbiased. */
  readonly link: string | null;
  readonly rung: number;
  readonly reason: string;
  readonly inbound_bitps: number;
  readonly outbound_bitps: number;
  readonly inbound: ReadonlyArray<{ readonly link: string; readonly bitps: number }>;
  readonly outbound: ReadonlyArray<{ readonly link: string; readonly bitps: number }>;
  readonly coverage?: number;
  /** Counted since the start, layer 2. */
  readonly inbound_bytes: number;
  readonly outbound_bytes: number;
  /** As the wires of the unit that answers see it; absent where they have no sample. */
  readonly rtt_us?: BlockRttView;
}

/** Round trips between the unit and the Internet of the sessions of one block: TCP's, of late. */
export interface BlockRttView {
  /** The time that they are of. */
  readonly over_ms: number;
  readonly samples: number;
  /** Microseconds, to half an octave and at most 524,288; null with less than 20 samples. */
  readonly p50: number | null;
  readonly p95: number | null;
}

export interface MoveView {
  readonly at: number;
  readonly block: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly rung: number;
  readonly outcome: string;
  readonly reason: string;
  readonly predicted_shift_bitps: number;
  /** Share of the block on `to`, 0 to 1, as predicted and as seen when the move was judged. */
  readonly share_predicted?: number;
  readonly share_seen?: number;
  /** The rail that stopped it, where one did. */
  readonly rail?: string;
  readonly rail_reason?: string;
}

export interface PlanView {
  readonly mode: Mode;
  readonly generation: number;
  readonly at: number;
  readonly is_withdrawn: boolean;
  readonly frozen?: { readonly since: number; readonly reasons: readonly string[] };
  readonly blocks: ReadonlyArray<{
    readonly prefix: string;
    readonly link: string | null;
    readonly rung: number;
    readonly reason: string;
  }>;
  /** Of the last decision: carried out, or (mode `advise`) waiting for approval under `id`. */
  readonly proposal?: { readonly id: string; readonly moves: readonly MoveView[] };
  /** How blocks were cut, joined and grouped anew, newest first; absent where settings do not allow it. */
  readonly regroupings?: ReadonlyArray<{
    readonly at: number;
    readonly kind: string;
    readonly blocks: readonly string[];
    readonly reason: string;
    /** By how much the best assignment became cheaper, 0 to 1. */
    readonly gain: number;
  }>;
  /** The latest moves that were carried out, newest first. */
  readonly moves: readonly MoveView[];
  /** Moves that a rail stopped in the last cycle. */
  readonly stopped: readonly MoveView[];
}

export interface TcpView {
  readonly data_segments: number;
  readonly retransmitted_segments: number;
  readonly lost_before: number;
  readonly lost_beyond: number;
  readonly spurious: number;
  readonly reordered: number;
}

/** Microseconds; null without samples. */
export interface RttView {
  readonly samples: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

export interface SessionsView {
  readonly live: number;
  readonly capacity: number;
  readonly links: ReadonlyArray<{
    readonly link: string | null;
    readonly inbound: TcpView;
    readonly outbound: TcpView;
    readonly rtt_us: { readonly inside: RttView; readonly outside: RttView };
  }>;
}

export interface ResolverView {
  readonly address: string;
  readonly queries: number;
  /** Of all queries seen. */
  readonly share: number;
  /** Where the plan sends its clients; absent where it has none of its own. */
  readonly plan?: ReadonlyArray<{ readonly link: string; readonly share: number }>;
  /** Networks whose clients connect after it asked, the busiest first; absent where none is known. */
  readonly clients?: readonly string[];
}

export interface ExplainView {
  readonly prefix: string;
  readonly at: number;
  readonly text: string;
  readonly age_ms: number;
  readonly coverage: number;
  /** Best first. */
  readonly candidates: ReadonlyArray<{
    readonly link: string | null;
    readonly rung: number;
    readonly score: number;
    readonly terms: {
      readonly balance: number;
      readonly congestion: number;
      readonly response: number;
      readonly price: number;
    };
    /** Expected share of the block's traffic on the link. */
    readonly share: number;
    readonly rejected_by?: string;
  }>;
  readonly verdicts: ReadonlyArray<{
    readonly rail: string;
    readonly result: string;
    readonly reason: string;
  }>;
  readonly moves: readonly MoveView[];
  /** As in `BlockView`; absent where an earlier time was asked for. */
  readonly rtt_us?: BlockRttView;
}

/** Money as decimal text, in the currency beside it. */
export interface BillView {
  readonly at: number;
  /** Of the two totals. */
  readonly currency: string;
  readonly to_date: string;
  readonly forecast: string;
  /** To date if nothing had been steered, of the links that can be compared; and what that is more. */
  readonly without_headgate?: string;
  readonly saved?: string;
  /** Links with a price that are not in the comparison. */
  readonly not_compared: readonly string[];
  /** Currencies without a rate in settings: their links are in no total. */
  readonly unconverted: readonly string[];
  readonly links: ReadonlyArray<{
    readonly link: string;
    readonly from: number;
    readonly to: number;
    readonly currency: string;
    readonly amount: string;
    readonly forecast: string;
    readonly charged_bitps: number;
    /** Paid for whether used or not; absent where the price has no commit. */
    readonly commit_bitps?: number;
    readonly forecast_bitps: number;
    readonly samples: number;
    readonly missing: number;
    readonly free_samples: number;
    readonly free_samples_left: number;
    readonly without_headgate?: string;
    readonly without_headgate_bitps?: number;
  }>;
}

/** What blocks (or groups) carried over a time, layer 2; heaviest inbound first. */
export interface BlockUsageView {
  readonly from: number;
  readonly to: number;
  /** Share of the time and of its traffic that was measured, 0 to 1. */
  readonly coverage: number;
  readonly rows: ReadonlyArray<{
    readonly name: string;
    readonly inbound_bytes: number;
    readonly outbound_bytes: number;
    /** Means over the time that was measured. */
    readonly inbound_bitps: number;
    readonly outbound_bitps: number;
    /** Of all inbound traffic, 0 to 1. */
    readonly share: number;
  }>;
}

export interface HistoryView {
  readonly from: number;
  readonly to: number;
  /** Newest first. */
  readonly moves: readonly MoveView[];
  /** How often each rail stopped a move. */
  readonly rails: ReadonlyArray<{
    readonly rail: string;
    readonly result: string;
    readonly count: number;
  }>;
  /** With `samples`: octets of each 5-minute sample, layer 2 unless named. */
  readonly usage?: ReadonlyArray<{
    readonly at: number;
    readonly link: string;
    readonly inbound_bytes: number;
    readonly outbound_bytes: number;
    readonly inbound_ip_bytes: number;
    readonly outbound_ip_bytes: number;
    readonly covered_ms: number;
  }>;
  readonly quality?: ReadonlyArray<{
    readonly at: number;
    readonly link: string;
    readonly retransmission_ratio: number | null;
    readonly rtt_us: number | null;
    readonly loss_ratio: number | null;
  }>;
}

/** Outbound: where destinations leave, by load and by detour. */
export interface DestinationsView {
  readonly at: number;
  /** Who counted the destinations; absent before the first cycle. */
  readonly source?: 'wire' | 'flows';
  readonly routers: ReadonlyArray<{
    readonly router: string;
    readonly action: 'control' | 'advise';
    /** Why detours are only advised. */
    readonly reason?: string;
    /** What each link would carry without us, and with the detours. */
    readonly links: ReadonlyArray<{
      readonly link: string;
      readonly capacity_bitps: number;
      readonly without_bitps: number;
      readonly planned_bitps: number;
    }>;
    /** Load above a threshold that no other link had room for. */
    readonly unplaced: ReadonlyArray<{
      readonly link: string;
      readonly excess_bitps: number;
      readonly text: string;
    }>;
  }>;
  /** Heaviest first. */
  readonly destinations: ReadonlyArray<{
    readonly prefix: string;
    readonly router: string;
    readonly bitps: number;
    /** The link of plain BGP, and the one that the plan gives. */
    readonly preferred: string | null;
    readonly link: string | null;
    readonly routes: ReadonlyArray<{ readonly link: string; readonly next_hop: string }>;
    /** Where sessions are spread: the class of `marks` that it is of. */
    readonly class?: string;
  }>;
  /** Present where sessions are spread over the links of a router by marks on their packets. */
  readonly marks?: MarksView;
  /** Oldest first. */
  readonly detours: readonly DetourView[];
  /** Paths that were no way out at the last look, by reason. */
  readonly useless_paths: Readonly<Record<string, number>>;
}

/** Destinations whose sessions are shared alike. */
export interface ClassView {
  readonly class: string;
  /** Destinations of the routers' tables that are of it. */
  readonly prefixes: number;
  readonly bitps: number;
  readonly since: number;
  readonly reason: string;
  readonly links: ReadonlyArray<{
    readonly link: string;
    /** Shares of the sessions that begin, 0 to 1: now, and where they go in steps. */
    readonly share: number;
    readonly wanted: number;
    /** By term of the objective, what the next bit would cost. */
    readonly terms: Readonly<Record<string, number>>;
  }>;
}

/** Sessions that each get a link of their own, by weight. */
export interface MarksView {
  readonly router: string;
  /** False: the router chooses for all sessions; the weights are what would be. */
  readonly is_on: boolean;
  /** The class of what no route that the router told covers. */
  readonly otherwise: string;
  readonly classes: readonly ClassView[];
  readonly links: ReadonlyArray<{
    readonly link: string;
    readonly capacity_bitps: number;
    readonly planned_bitps: number;
    readonly is_down: boolean;
    /** Why nothing is marked for it. */
    readonly reason?: string;
    /** Sessions begun that were marked for it. */
    readonly sessions: number;
  }>;
  /** Sessions that got another link because theirs went down; that stay where the weights would not put them now. */
  readonly remarked: number;
  readonly kept: number;
  readonly exceptions: number;
  readonly exceptions_max: number;
  readonly exceptions_lost: number;
}

/** One foreign prefix, or a part of one: by which weights its sessions get their links, and why. */
export interface DestinationExplainView extends ClassView {
  readonly prefix: string;
  readonly router: string;
  readonly is_on: boolean;
  /** Links by which nothing leaves now, whatever their weight. */
  readonly down: ReadonlyArray<{ readonly link: string; readonly reason: string }>;
}

export interface DetourView {
  /** A foreign prefix, or where a router is told of single sessions such as `tcp 198.51.100.1:40000 > 203.0.113.1:443`. */
  readonly prefix: string;
  readonly router: string;
  readonly from: string;
  readonly to: string;
  readonly next_hop: string;
  readonly bitps: number;
  readonly since: number;
  readonly age_ms: number;
  readonly because: 'overload' | 'performance';
  readonly reason: string;
  /** Whether the router was told, waits to be, or is not told since detours are only advised. */
  readonly state: 'sent' | 'waiting' | 'refused' | 'advised';
  readonly state_reason: string;
}
