import { formatAddress } from '../core/base/prefix.ts';
import type { LinkId, PrefixText } from '../core/base/units.ts';
import type { HalfSegment } from '../core/model/halves.ts';
import type { Direction } from '../core/model/link.ts';
import { blockRttOf } from './block-rtts.ts';
import { halfSampling, readHalves } from './halves.ts';
import type { EngineTables } from './index.ts';
import { loadNative } from './native.ts';
import type { HalfSampling } from './options.ts';
import type { BlockRtt, TrafficCount } from './snapshot.ts';
import { aimsOf, encodeTables } from './tables.ts';
import { Ways } from './ways.ts';

export interface ReplayOptions {
  readonly path: string;
  /** What is counted and marked by; every packet of a capture belongs to the wire `replay`, of place `inside`. */
  readonly tables?: EngineTables;
  /** Where the packets are written as they would leave, rewritten. */
  readonly writePath?: string;
  /** Whether the frame numbers of classified segments are collected. */
  readonly withFrames?: boolean;
  /** Whether segments of half-seen sessions are collected. */
  readonly halves?: HalfSampling;
  /** Slots of the session table, a power of two; by the size of the file unless given. */
  readonly sessionSlots?: number;
  /** Threads that share the file out by session, from 1; by its size and the machine unless given. */
  readonly workers?: number;
}

/** How the file ended; all but `clean` leave a reason in `problem`. */
export type CaptureEnd = 'clean' | 'truncated' | 'damaged' | 'not_capture' | 'unreadable';

export interface ReplayRtt {
  readonly samples: number;
  /** Least and quantiles in microseconds; 0 without samples. */
  readonly min: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface ReplayTcp {
  readonly sessions: number;
  /** Segments of sessions for which the table had no slot. */
  readonly sessionsRefused: number;
  /** Jumps in sequence space that no loss explains. */
  readonly resyncs: number;
  readonly segments: number;
  readonly dataSegments: number;
  /** Payload that advanced its session. */
  readonly dataBytes: number;
  readonly lostBeyond: number;
  /** Of `lostBeyond`, what had arrived all the same, as the receiver said later: such frames are `spurious`. */
  readonly needless: number;
  readonly lostBefore: number;
  readonly spurious: number;
  readonly retransmittedBytes: number;
  readonly reordered: number;
  readonly duplicates: number;
  readonly keepAlives: number;
  readonly windowProbes: number;
}

/** Round trips of QUIC by its spin bit: too long as often as not, so that only low quantiles say something. */
export interface ReplayQuic {
  /** That sent a short header. */
  readonly sessions: number;
  /** Of these, those whose bit turned as a client's and a server's do: what the round trips cover. */
  readonly spinning: number;
  /** Of sessions for which the table had no slot. */
  readonly packetsRefused: number;
  readonly samples: number;
  /** Between the unit and either end, microseconds; 0 without samples. */
  readonly rttUsP5: number;
  readonly rttUsP25: number;
}

export interface ClassifiedSegment {
  /** In the capture file, from 1. */
  readonly frame: number;
  readonly class:
    | 'lost_beyond'
    | 'lost_before'
    | 'spurious'
    | 'reordered'
    | 'duplicate'
    | 'keep_alive'
    | 'window_probe';
}

export interface ReplayCounts {
  readonly packets: number;
  readonly frameBytes: number;
  /** By the outermost network header. */
  readonly ipv4Packets: number;
  readonly ipv6Packets: number;
  readonly otherPackets: number;
  readonly marked: number;
  readonly unparsed: Readonly<Record<string, number>>;
  readonly tcp: ReplayTcp;
  readonly rttUs: ReplayRtt;
  /** Between the unit and our hosts, and between the unit and the Internet; by blocks. */
  readonly rttInsideUs: ReplayRtt;
  readonly rttOutsideUs: ReplayRtt;
  readonly quic: ReplayQuic;
  readonly resolvers: ReadonlyArray<{ readonly address: string; readonly queries: number }>;
  /** With `halves`: of sessions of which the file has but one direction. */
  readonly halves: readonly HalfSegment[];
  /** With frames: every segment that neither is a pure acknowledgement nor simply goes on. */
  readonly classified: readonly ClassifiedSegment[];
  /** Of these the retransmissions. */
  readonly retransmissions: readonly ClassifiedSegment[];
}

export interface ReplayBlock extends TrafficCount {
  readonly block: PrefixText;
  readonly link: LinkId | undefined;
  readonly direction: Direction;
}

/** Of the whole file. */
export interface ReplayBlockRtt extends BlockRtt {
  readonly block: PrefixText;
}

export interface ReplayResult {
  readonly end: CaptureEnd;
  /** One line that names the byte offset, or what else stood in the way; empty when all went well. */
  readonly problem: string;
  /** Wall time of the pipeline with reading, seconds. */
  readonly elapsedS: number;
  /** Absent when nothing could be read. */
  readonly counts?: ReplayCounts & {
    readonly blocks: readonly ReplayBlock[];
    readonly blockRtts: readonly ReplayBlockRtt[];
  };
}

export interface Replay {
  readonly result: Promise<ReplayResult>;
  /** Share of the file that was read, 0 to 1. */
  readonly progress: () => number;
}

/** Rows of block, link, direction, packets, IP bytes, layer-2 bytes. */
const trafficColumns = 6;
/** Rows of block, samples, median, 95th percentile. */
const rttColumns = 4;

interface NativeCounts extends Omit<ReplayCounts, 'resolvers' | 'retransmissions' | 'halves'> {
  readonly traffic: Float64Array;
  readonly blockRtts: Uint32Array;
  readonly resolvers: ReadonlyArray<{ readonly address: Uint8Array; readonly queries: number }>;
  readonly halves: ArrayBuffer;
}
interface NativeResult {
  readonly error: string;
  readonly end: CaptureEnd;
  readonly fileError: string;
  readonly elapsedS: number;
  readonly counts?: NativeCounts;
}
interface NativeExports {
  replayStart(options: {
    readonly path: string;
    readonly tables?: Uint8Array;
    readonly writePath?: string;
    readonly withFrames?: boolean;
    readonly sessionSlots?: number;
    readonly workers?: number;
    readonly halfShare?: number;
    readonly halfKey?: Uint8Array;
  }): { readonly result: Promise<NativeResult>; readonly progress: () => number };
}

/** Starts to run a capture file through the pipeline, with the capture's own clock, on a thread of its own. */
export function startReplay(options: ReplayOptions): Replay {
  const { tables, halves, ...rest } = options;
  const links = tables?.links.map(({ link }) => link) ?? [];
  const destinations = new Map(tables?.destinations?.map(({ prefix }, i) => [prefix, i]));
  const blocks = new Map(tables?.blocks.map((block, i) => [block, i]));
  const ways = new Ways();
  if (tables) ways.aim(aimsOf(tables), 0n);
  const encoded = tables && {
    tables: encodeTables(
      tables,
      [{ name: 'replay', place: 'inside' }],
      {
        block: (block) => blocks.get(block) ?? -1,
        destination: (prefix) => destinations.get(prefix) ?? -1,
        link: (link) => links.indexOf(link),
      },
      ways,
    ),
  };
  const started = loadNative<NativeExports>().replayStart({
    ...rest,
    ...encoded,
    ...(halves ? halfSampling(halves) : {}),
  });
  return {
    result: started.result.then((native) => toResult(native, tables?.blocks ?? [], links)),
    progress: started.progress,
  };
}

function toResult(
  native: NativeResult,
  blocks: readonly PrefixText[],
  links: readonly LinkId[],
): ReplayResult {
  const ended = {
    end: native.end,
    problem: native.error || native.fileError,
    elapsedS: native.elapsedS,
  };
  if (!native.counts) return ended;
  const { traffic, blockRtts: rtts, ...counts } = native.counts;
  const rows: ReplayBlock[] = [];
  for (let at = 0; at < traffic.length; at += trafficColumns) {
    const [block = 0, link = 0, direction = 0, packets = 0, ipBytes = 0, l2Bytes = 0] =
      traffic.subarray(at, at + trafficColumns);
    const prefix = blocks[block];
    if (prefix === undefined) continue;
    rows.push({
      block: prefix,
      link: links[link],
      direction: direction === 0 ? 'inbound' : 'outbound',
      packets,
      ipBytes,
      l2Bytes,
    });
  }
  const blockRtts: ReplayBlockRtt[] = [];
  for (let at = 0; at < rtts.length; at += rttColumns) {
    const [index = 0, samples = 0, p50Us = 0, p95Us = 0] = rtts.subarray(at, at + rttColumns);
    const block = blocks[index];
    if (block !== undefined) blockRtts.push({ block, ...blockRttOf(samples, p50Us, p95Us) });
  }
  const queriesOf = new Map<string, number>();
  for (const { address: bytes, queries } of counts.resolvers) {
    const address = formatAddress(bytes);
    queriesOf.set(address, (queriesOf.get(address) ?? 0) + queries);
  }
  const resolvers = [...queriesOf]
    .map(([address, queries]) => ({ address, queries }))
    .sort((a, b) => b.queries - a.queries || (a.address < b.address ? -1 : 1));
  const retransmissions = counts.classified.filter((segment) =>
    ['lost_beyond', 'lost_before', 'spurious'].includes(segment.class),
  );
  const halves = readHalves(counts.halves, (index) => links[index]);
  return {
    ...ended,
    counts: { ...counts, resolvers, retransmissions, halves, blocks: rows, blockRtts },
  };
}
