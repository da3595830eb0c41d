import { linkId, prefixText } from '../../src/core/base/units.ts';
import type { EngineSnapshot, QuicCount } from '../../src/engine/index.ts';

type Buckets = EngineSnapshot['links'][number]['rtt']['inside']['buckets'];

export interface Traffic {
  /** Cumulative inbound layer-2 bytes by `block link`; link `-` is unknown. */
  readonly inbound: Readonly<Record<string, number>>;
  /** Of the links: data segments and those lost before the unit. */
  readonly segments?: number;
  readonly lostBefore?: number;
  /** Outbound: data segments, those lost beyond the unit, and what of these the receiver had. */
  readonly outboundSegments?: number;
  readonly lostBeyond?: number;
  readonly needless?: number;
  readonly rttUs?: Buckets;
  readonly wires?: readonly string[];
  readonly bypassPackets?: number;
  readonly unitPackets?: number;
  readonly state?: 'forwarding' | 'bypass' | 'down';
  readonly quic?: QuicCount;
}

const none = { packets: 0, ipBytes: 0, l2Bytes: 0 };
const noTcp = {
  dataSegments: 0,
  dataBytes: 0,
  retransmittedSegments: 0,
  retransmittedBytes: 0,
  lostBeyond: 0,
  lostBefore: 0,
  spurious: 0,
  reordered: 0,
  duplicates: 0,
  needless: 0,
  keepAlives: 0,
  windowProbes: 0,
};
const noRtt = { samples: 0, p50Us: undefined, p95Us: undefined, p99Us: undefined, buckets: [] };

const path = (packets = 0) => ({ packets, frames: packets, bytes: 0 });

/** An engine's counters as they would be after this much traffic. */
export function snapshotOf(monotonicMs: number, traffic: Traffic): EngineSnapshot {
  const cells = Object.entries(traffic.inbound).map(([key, bytes]) => {
    const [block = '', link = ''] = key.split(' ');
    return { block: prefixText(block), link: link === '-' ? undefined : linkId(link), bytes };
  });
  const links = [...new Set(cells.map((cell) => cell.link))];
  return {
    monotonicMs,
    generation: 1,
    blocks: cells.map(({ block, link, bytes }) => ({
      block,
      link,
      direction: 'inbound',
      packets: bytes / 1000,
      ipBytes: bytes,
      l2Bytes: bytes,
    })),
    destinations: [],
    links: links.map((link) => ({
      link,
      inbound: {
        ...none,
        l2Bytes: cells.filter((c) => c.link === link).reduce((sum, c) => sum + c.bytes, 0),
      },
      outbound: none,
      tcp: {
        inbound: {
          ...noTcp,
          dataSegments: traffic.segments ?? 0,
          lostBefore: traffic.lostBefore ?? 0,
          retransmittedSegments: traffic.lostBefore ?? 0,
        },
        outbound: {
          ...noTcp,
          dataSegments: traffic.outboundSegments ?? 0,
          lostBeyond: traffic.lostBeyond ?? 0,
          needless: traffic.needless ?? 0,
          retransmittedSegments: traffic.lostBeyond ?? 0,
        },
      },
      rtt: { inside: noRtt, outside: { ...noRtt, buckets: traffic.rttUs ?? [] } },
    })),
    wires: (traffic.wires ?? ['n', 's']).map((wire) => ({
      wire,
      driver: 'af_packet',
      driverReason: 'set',
      state: traffic.state ?? 'forwarding',
      unit: { inbound: path(traffic.unitPackets), outbound: path() },
      bypass: { inbound: path(traffic.bypassPackets), outbound: path() },
      lost: {},
      coverage: 1,
      unmarked: 0,
      workers: [path(traffic.unitPackets), path()].map((inbound) => ({
        inbound,
        outbound: path(),
      })),
      discarded: 0,
      ...(traffic.quic ? { quic: traffic.quic } : {}),
    })),
    unparsed: {},
    unmeasured: {},
    resolvers: [],
    marks: {
      set: 0,
      cleared: 0,
      sessions: links.flatMap((link) => (link === undefined ? [] : [{ link, sessions: 0 }])),
      kept: 0,
      remarked: 0,
      exceptions: 0,
      exceptionsMax: 0,
      exceptionsLost: 0,
      waysForgotten: 0,
    },
    sessions: { begun: 0, live: 0, capacity: 1024 },
  };
}
