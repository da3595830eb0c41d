import type { ReplayResult, ReplayRtt } from '../../engine/replay.ts';

interface RttReport {
  readonly samples: number;
  readonly min: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

interface TcpReport {
  readonly sessions: number;
  readonly sessions_refused: number;
  readonly resyncs: number;
  readonly segments: number;
  readonly data_segments: number;
  readonly data_bytes: number;
  /** lost_beyond + lost_before + spurious */
  readonly retransmitted_segments: number;
  readonly retransmitted_bytes: number;
  readonly lost_beyond: number;
  readonly lost_before: number;
  readonly spurious: number;
  readonly reordered: number;
  readonly duplicates: number;
  readonly keep_alives: number;
  readonly window_probes: number;
}

/** What `headgate replay --json` prints of one file (DESIGN.md section 9). */
export interface ReplayReport {
  readonly file: string;
  readonly truncated?: true;
  /** Names the byte offset, or what else stood in the way. */
  readonly error?: string;
  readonly packets?: number;
  readonly frame_bytes?: number;
  readonly ipv4_packets?: number;
  readonly ipv6_packets?: number;
  readonly other_packets?: number;
  readonly marked_packets?: number;
  readonly unparsed?: Readonly<Record<string, number>>;
  readonly tcp?: TcpReport;
  readonly rtt_us?: RttReport;
  /** Between the unit and our hosts, and between the unit and the Internet. */
  readonly rtt_inside_us?: RttReport;
  readonly rtt_outside_us?: RttReport;
  /** By the spin bit of those QUIC sessions that spin: of its round trips only low quantiles say something. */
  readonly quic?: {
    readonly sessions: number;
    readonly spinning: number;
    readonly packets_refused: number;
    readonly rtt_us: { readonly samples: number; readonly p5: number; readonly p25: number };
  };
  readonly blocks?: ReadonlyArray<{
    readonly prefix: string;
    readonly direction: string;
    readonly link: string | null;
    readonly packets: number;
    readonly ip_bytes: number;
    readonly l2_bytes: number;
  }>;
  /** Between the unit and the Internet, by block of ours; null with less than 20 samples. */
  readonly block_rtt_us?: ReadonlyArray<{
    readonly prefix: string;
    readonly samples: number;
    readonly p50: number | null;
    readonly p95: number | null;
  }>;
  readonly resolvers?: ReadonlyArray<{ readonly address: string; readonly queries: number }>;
  readonly retransmissions?: ReadonlyArray<{ readonly frame: number; readonly class: string }>;
  readonly elapsed_s: number;
  readonly packets_per_s?: number;
}

export function toReport(
  file: string,
  result: ReplayResult,
  options: { readonly withFrames: boolean },
): ReplayReport {
  const { counts, elapsedS } = result;
  const head = {
    file,
    ...(result.end === 'truncated' && { truncated: true as const }),
    ...(result.problem !== '' && { error: result.problem }),
  };
  if (!counts) return { ...head, elapsed_s: elapsedS };
  const { tcp } = counts;
  return {
    ...head,
    packets: counts.packets,
    frame_bytes: counts.frameBytes,
    ipv4_packets: counts.ipv4Packets,
    ipv6_packets: counts.ipv6Packets,
    other_packets: counts.otherPackets,
    marked_packets: counts.marked,
    unparsed: counts.unparsed,
    tcp: {
      sessions: tcp.sessions,
      sessions_refused: tcp.sessionsRefused,
      resyncs: tcp.resyncs,
      segments: tcp.segments,
      data_segments: tcp.dataSegments,
      data_bytes: tcp.dataBytes,
      retransmitted_segments: tcp.lostBeyond + tcp.lostBefore + tcp.spurious,
      retransmitted_bytes: tcp.retransmittedBytes,
      lost_beyond: tcp.lostBeyond - tcp.needless,
      lost_before: tcp.lostBefore,
      spurious: tcp.spurious + tcp.needless,
      reordered: tcp.reordered,
      duplicates: tcp.duplicates,
      keep_alives: tcp.keepAlives,
      window_probes: tcp.windowProbes,
    },
    rtt_us: toRtt(counts.rttUs),
    rtt_inside_us: toRtt(counts.rttInsideUs),
    rtt_outside_us: toRtt(counts.rttOutsideUs),
    quic: {
      sessions: counts.quic.sessions,
      spinning: counts.quic.spinning,
      packets_refused: counts.quic.packetsRefused,
      rtt_us: { samples: counts.quic.samples, p5: counts.quic.rttUsP5, p25: counts.quic.rttUsP25 },
    },
    blocks: counts.blocks.map((row) => ({
      prefix: row.block,
      direction: row.direction,
      link: row.link ?? null,
      packets: row.packets,
      ip_bytes: row.ipBytes,
      l2_bytes: row.l2Bytes,
    })),
    block_rtt_us: counts.blockRtts.map(({ block, samples, p50Us, p95Us }) => ({
      prefix: block,
      samples,
      p50: p50Us ?? null,
      p95: p95Us ?? null,
    })),
    resolvers: counts.resolvers,
    ...(options.withFrames && { retransmissions: counts.retransmissions }),
    elapsed_s: elapsedS,
    packets_per_s: elapsedS > 0 ? Math.round(counts.packets / elapsedS) : 0,
  };
}

const toRtt = ({ samples, min, p50, p95, p99 }: ReplayRtt): RttReport => ({
  samples,
  min: Math.round(min),
  p50: Math.round(p50),
  p95: Math.round(p95),
  p99: Math.round(p99),
});
