import { formatAddress } from '../core/base/prefix.ts';
import { type LinkId, type PrefixText, prefixText } from '../core/base/units.ts';
import { drivers } from './drivers.ts';
import { layout } from './layout.ts';
import type {
  DestinationCount,
  Driver,
  HeavySession,
  NetworkCount,
  PathCount,
  QuicCount,
  RttCount,
  TcpCount,
} from './snapshot.ts';

/** What engineSnapshot() of the native module hands over: records of native/abi/engine.h. */
export interface NativeSnapshot {
  readonly blocks: ArrayBuffer;
  readonly destinations: ArrayBuffer;
  readonly links: ArrayBuffer;
  readonly wires: ArrayBuffer;
  readonly pipeline: ArrayBuffer;
  readonly resolvers: ArrayBuffer;
}

const records = layout.records;
type Field = readonly [offset: number, bytes: number];

/** A cursor over records of one kind. */
class Cursor {
  readonly view: DataView;
  readonly at: number;

  constructor(view: DataView, at: number) {
    this.view = view;
    this.at = at;
  }

  /** Exact up to 2^53: at 400 Gbit/s that is 5.7 years of bytes. */
  u64(field: Field, index = 0): number {
    const at = this.at + field[0] + index * 8;
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32;
  }

  u32(field: Field): number {
    return this.view.getUint32(this.at + field[0], true);
  }

  u16(field: Field): number {
    return this.view.getUint16(this.at + field[0], true);
  }

  u8(field: Field): number {
    return this.view.getUint8(this.at + field[0]);
  }

  bytes(field: Field, length: number): Uint8Array {
    return new Uint8Array(this.view.buffer, this.at + field[0], length);
  }

  /** The `index`-th record within this one. */
  within(field: Field, size: number, index: number): Cursor {
    return new Cursor(this.view, this.at + field[0] + index * size);
  }
}

export interface Names {
  /** undefined for an index that is nobody's any more. */
  readonly block: (index: number) => PrefixText | undefined;
  readonly destination: (index: number) => PrefixText | undefined;
  readonly link: (index: number) => LinkId | undefined;
}

export function readDestinations(buffer: ArrayBuffer, names: Names): DestinationCount[] {
  const { destination_cell: cell } = records;
  return map(buffer, cell.bytes, (record) => ({
    prefix: names.destination(record.u32(cell.fields.destination)),
    packets: record.u64(cell.fields.packets),
    l2Bytes: record.u64(cell.fields.l2_bytes),
  })).flatMap(({ prefix, ...counts }) => (prefix === undefined ? [] : [{ prefix, ...counts }]));
}

/** By link index; the last is the unknown link. */
export function readLinks(
  buffer: ArrayBuffer,
): { tcp: readonly [TcpCount, TcpCount]; rtt: readonly [RttCount, RttCount] }[] {
  const { link_counts: link, tcp_counts: tcp, rtt_counts: rtt } = records;
  return map(buffer, link.bytes, (record) => ({
    tcp: [
      readTcp(record.within(link.fields.tcp, tcp.bytes, 0)),
      readTcp(record.within(link.fields.tcp, tcp.bytes, 1)),
    ],
    rtt: [
      readRtt(record.within(link.fields.rtt, rtt.bytes, 0)),
      readRtt(record.within(link.fields.rtt, rtt.bytes, 1)),
    ],
  }));
}

function readTcp(record: Cursor): TcpCount {
  const { fields } = records.tcp_counts;
  const lostBeyond = record.u64(fields.lost_beyond);
  const lostBefore = record.u64(fields.lost_before);
  const spurious = record.u64(fields.spurious);
  return {
    dataSegments: record.u64(fields.data_segments),
    dataBytes: record.u64(fields.data_bytes),
    retransmittedSegments: lostBeyond + lostBefore + spurious,
    retransmittedBytes: record.u64(fields.retransmitted_bytes),
    lostBeyond,
    needless: record.u64(fields.needless),
    lostBefore,
    spurious,
    reordered: record.u64(fields.reordered),
    duplicates: record.u64(fields.duplicates),
    keepAlives: record.u64(fields.keep_alives),
    windowProbes: record.u64(fields.window_probes),
  };
}

function readRtt(record: Cursor): RttCount {
  const { fields } = records.rtt_counts;
  const samples = record.u64(fields.samples);
  const quantile = (field: Field) => (samples === 0 ? undefined : record.u64(field));
  const bounds: readonly number[] = [...layout.rttBoundsUs, Number.POSITIVE_INFINITY];
  return {
    samples,
    p50Us: quantile(fields.p50_us),
    p95Us: quantile(fields.p95_us),
    p99Us: quantile(fields.p99_us),
    buckets: bounds.map((boundUs, i) => ({ boundUs, count: record.u64(fields.bucket, i) })),
  };
}

export interface WireRecord {
  readonly unit: readonly [PathCount, PathCount];
  readonly bypass: readonly [PathCount, PathCount];
  readonly workers: ReadonlyArray<readonly [PathCount, PathCount]>;
  readonly lost: Readonly<Record<string, number>>;
  readonly discarded: number;
  readonly copies: { readonly due: number; readonly lost: number; readonly leftOut: number };
  readonly unmarked: number;
  readonly quic: QuicCount;
  readonly driver: Driver;
  readonly state: 'forwarding' | 'bypass' | 'down';
}

export function readWires(buffer: ArrayBuffer): WireRecord[] {
  const { wire_counts: wire, passed } = records;
  return map(buffer, wire.bytes, (record) => {
    /** The `index`-th of those in the field. */
    const pair = (field: Field, index = 0) =>
      [
        readPath(record.within(field, passed.bytes, 2 * index)),
        readPath(record.within(field, passed.bytes, 2 * index + 1)),
      ] as const;
    const workers = record.u64(wire.fields.workers);
    const lost: Record<string, number> = {};
    for (const [i, reason] of layout.losses.entries())
      lost[reason] =
        record.u64(wire.fields.lost_inbound, i) + record.u64(wire.fields.lost_outbound, i);
    const state = (['forwarding', 'bypass', 'down'] as const)[record.u64(wire.fields.state)];
    return {
      unit: pair(wire.fields.unit),
      bypass: pair(wire.fields.bypass),
      workers: Array.from({ length: workers }, (_, i) => pair(wire.fields.by_worker, i)),
      lost,
      discarded: record.u64(wire.fields.discarded),
      copies: {
        due: record.u64(wire.fields.copies_due),
        lost: record.u64(wire.fields.copies_lost),
        leftOut: record.u64(wire.fields.copies_left_out),
      },
      unmarked: record.u64(wire.fields.unmarked),
      quic: readQuic(record.within(wire.fields.quic, records.quic_counts.bytes, 0)),
      driver: drivers[record.u64(wire.fields.driver)] ?? 'af_packet',
      state: state ?? 'down',
    };
  });
}

function readQuic(record: Cursor): QuicCount {
  const { fields } = records.quic_counts;
  const samples = record.u64(fields.samples);
  const quantile = (field: Field) => (samples === 0 ? undefined : record.u64(field));
  return {
    sessions: record.u64(fields.sessions),
    spinning: record.u64(fields.spinning),
    packetsRefused: record.u64(fields.refused),
    samples,
    rttUsP5: quantile(fields.p5_us),
    rttUsP25: quantile(fields.p25_us),
  };
}

/** What a gate has let past: inbound and outbound. */
export function readBypassed(buffer: ArrayBuffer): readonly [PathCount, PathCount] {
  const view = new DataView(buffer);
  return [readPath(new Cursor(view, 0)), readPath(new Cursor(view, records.passed.bytes))];
}

function readPath(record: Cursor): PathCount {
  const { fields } = records.passed;
  return {
    packets: record.u64(fields.packets),
    frames: record.u64(fields.frames),
    bytes: record.u64(fields.bytes),
  };
}

export function readPipeline(buffer: ArrayBuffer) {
  const { fields } = records.pipeline_counts;
  const record = new Cursor(new DataView(buffer), 0);
  const unparsed: Record<string, number> = {};
  for (const [i, reason] of layout.unparsed.entries()) {
    const packets = record.u64(fields.unparsed, i);
    if (packets > 0) unparsed[reason] = packets;
  }
  return {
    generation: record.u64(fields.generation),
    unparsed,
    sessions: {
      begun: record.u64(fields.sessions_begun),
      live: record.u64(fields.sessions_occupied),
      capacity: record.u64(fields.session_slots),
    },
    unmeasured: {
      session_table_full: record.u64(fields.sessions_refused),
      sequence_jumped: record.u64(fields.resyncs),
      resolver_table_full: record.u64(fields.resolvers_refused),
      network_table_full: record.u64(fields.networks_refused),
    },
    marked: record.u64(fields.marked),
    cleared: record.u64(fields.cleared),
    sessionsKept: record.u64(fields.sessions_kept),
    sessionsRemarked: record.u64(fields.sessions_remarked),
    exceptions: record.u64(fields.exceptions),
    exceptionsMax: record.u64(fields.exceptions_max),
    exceptionsLost: record.u64(fields.exceptions_lost),
    sessionsMarked: Array.from({ length: layout.linksMax }, (_, i) =>
      record.u64(fields.sessions_marked, i),
    ),
  };
}

export function readResolvers(buffer: ArrayBuffer): { address: string; queries: number }[] {
  const { resolver } = records;
  return map(buffer, resolver.bytes, (record) => ({
    address: formatAddress(
      record.bytes(resolver.fields.address, record.u8(resolver.fields.family) === 4 ? 4 : 16),
    ),
    queries: record.u32(resolver.fields.queries),
  }));
}

/** Several wires may have met one network: their records stand side by side. */
export function readNetworks(
  buffer: ArrayBuffer,
  linkOf: (index: number) => LinkId | undefined,
): NetworkCount[] {
  const { network, network_rtt: rtt } = records;
  const { fields } = network;
  return map(buffer, network.bytes, (record) => {
    const family = record.u8(fields.family);
    const addressOf = (field: Field, of: number) =>
      formatAddress(record.bytes(field, of === 4 ? 4 : 16));
    const rtts = Array.from({ length: fields.rtt[1] / rtt.bytes }, (_, i) => {
      const one = record.within(fields.rtt, rtt.bytes, i);
      return {
        link: linkOf(one.u8(rtt.fields.link)),
        rttUs: one.u32(rtt.fields.rtt_us),
        samples: one.u16(rtt.fields.samples),
      };
    });
    const votes = record.u32(fields.resolver_votes);
    const resolver = addressOf(fields.resolver, record.u8(fields.resolver_family));
    return {
      prefix: prefixText(`${addressOf(fields.prefix, family)}/${family === 4 ? 24 : 48}`),
      host: addressOf(fields.host, family),
      sessions: record.u32(fields.sessions),
      rtts: rtts.flatMap(({ link, ...sampled }) =>
        link === undefined || sampled.samples === 0 ? [] : [{ link, ...sampled }],
      ),
      ...(votes === 0 ? {} : { resolver: { address: resolver, votes } }),
    };
  });
}

/** Several wires may see one session: their records stand side by side. */
export function readHeaviest(buffer: ArrayBuffer): HeavySession[] {
  const { heavy_session: heavy } = records;
  const { fields } = heavy;
  return map(buffer, heavy.bytes, (record) => {
    const addressOf = (field: Field) =>
      formatAddress(record.bytes(field, record.u8(fields.family) === 4 ? 4 : 16));
    return {
      protocol: record.u8(fields.protocol) === 17 ? 'udp' : 'tcp',
      source: addressOf(fields.source),
      sourcePort: record.u16(fields.source_port),
      destination: addressOf(fields.destination),
      destinationPort: record.u16(fields.destination_port),
      l2Bytes: record.u64(fields.l2_bytes),
    };
  });
}

function map<T>(buffer: ArrayBuffer, size: number, read: (record: Cursor) => T): T[] {
  const view = new DataView(buffer);
  const all: T[] = [];
  for (let at = 0; at + size <= buffer.byteLength; at += size) all.push(read(new Cursor(view, at)));
  return all;
}
