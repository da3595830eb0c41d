/** Messages of the BGP Monitoring Protocol (RFC 7854), with Adj-RIB-Out (RFC 8671) and Loc-RIB (RFC 9069). */
import { ByteReader } from '../../base/bytes.ts';
import { formatAddress } from '../../base/prefix.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { type Framing, u32At } from '../../base/splitter.ts';
import { decodeUtf8 } from '../../base/utf8.ts';
import { decodeOpen, type Open } from '../bgp/open.ts';

/** Which of a router's tables a message is about, before or after its policy. */
export const bmpTables = ['in_pre', 'in_post', 'out_pre', 'out_post', 'local'] as const;
export type BmpTable = (typeof bmpTables)[number];

/** The peer of the router that a message is about (RFC 7854 section 4.2). */
export interface BmpPeer {
  readonly table: BmpTable;
  /** Eight octets as hexadecimal text: tells routing instances apart. */
  readonly distinguisher: string;
  /** Empty for the router's own table. */
  readonly address: string;
  readonly asn: number;
  readonly routerId: string;
  /** AS numbers in its UPDATEs have four octets. */
  readonly as4: boolean;
  /** Milliseconds since the Unix epoch, 0 where the router tells none. */
  readonly atMs: number;
}

export type BmpMessage =
  /** `update` is a whole BGP message. */
  | { readonly kind: 'route_monitoring'; readonly peer: BmpPeer; readonly update: Uint8Array }
  | {
      readonly kind: 'statistics';
      readonly peer: BmpPeer;
      readonly counts: ReadonlyArray<{ readonly name: string; readonly value: number }>;
    }
  | { readonly kind: 'peer_down'; readonly peer: BmpPeer; readonly reason: string }
  | {
      readonly kind: 'peer_up';
      readonly peer: BmpPeer;
      /** The router's own end. */
      readonly localAddress: string;
      readonly sent: Open;
      readonly received: Open;
    }
  | {
      readonly kind: 'initiation';
      readonly systemName: string;
      readonly description: string;
    }
  | { readonly kind: 'termination'; readonly reason: string }
  | { readonly kind: 'ignored'; readonly type: number };

export interface BmpError {
  readonly code: 'version' | 'short' | 'open' | 'table';
  /** Within the message. */
  readonly offset: number;
}

const headerLength = 6;

/** A message holds one BGP message (RFC 8654: at most 65535 octets), or two OPENs and some text. */
export const bmpFraming: Framing = {
  headerLength,
  lengthAt: (bytes, start) => u32At(bytes, start + 1),
  maxLength: 262_144,
};

/** RFC 7854 section 4.8. */
const statisticNames: readonly string[] = [
  'rejected_by_policy',
  'duplicate_prefixes',
  'duplicate_withdraws',
  'cluster_loops',
  'as_path_loops',
  'originator_loops',
  'confederation_loops',
  'routes_in',
  'routes_local',
  'routes_in_by_family',
  'routes_local_by_family',
  'updates_treated_as_withdraw',
  'prefixes_treated_as_withdraw',
  'duplicate_updates',
  'routes_out_pre',
  'routes_out_post',
];

/** RFC 7854 section 4.9 and RFC 9069; the place is the value on the wire. */
const downReasons: readonly string[] = [
  'reason 0',
  'the router closed it with a NOTIFICATION',
  'the router closed it',
  'the peer closed it with a NOTIFICATION',
  'the connection was lost',
  'it is no longer monitored',
  'its table is gone',
];

/** Decodes one whole message, as `bmpFraming` cuts them. */
export function decodeBmpMessage(bytes: Uint8Array): Result<BmpMessage, BmpError> {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== 3) return err({ code: 'version', offset: 0 });
  reader.skip(4);
  const type = reader.u8();
  const decoded = decodeBody(type, reader);
  if (!decoded.ok) return decoded;
  const short = reader.shortRead();
  return short ? err({ code: 'short', offset: short.offset }) : decoded;
}

function decodeBody(type: number, reader: ByteReader): Result<BmpMessage, BmpError> {
  if (type === 4) {
    const words = readWords(reader);
    const [systemName, description] = [words.get(2) ?? '', words.get(1) ?? ''];
    return ok({ kind: 'initiation', systemName, description });
  }
  if (type === 5) return ok({ kind: 'termination', reason: readWords(reader).get(0) ?? '' });
  // Route mirroring repeats what route monitoring tells, flaws included: nothing here reads it.
  if (type > 3) return ok({ kind: 'ignored', type });
  const peer = decodePeer(reader);
  if (!peer) return err({ code: 'table', offset: headerLength });
  switch (type) {
    case 0:
      return ok({ kind: 'route_monitoring', peer, update: reader.take(reader.remaining) });
    case 1:
      return ok({ kind: 'statistics', peer, counts: readStatistics(reader) });
    case 2: {
      const reason = reader.u8();
      return ok({ kind: 'peer_down', peer, reason: downReasons[reason] ?? `reason ${reason}` });
    }
    default:
      return decodePeerUp(peer, reader);
  }
}

function decodePeer(reader: ByteReader): BmpPeer | undefined {
  const type = reader.u8();
  const flags = reader.u8();
  const distinguisher = hexOf(reader.take(8));
  const octets = reader.take(16);
  const asn = reader.u32();
  const routerId = formatAddress(reader.take(4));
  const atMs = reader.u32() * 1000 + Math.floor(reader.u32() / 1000);
  if (reader.isShort || type > 3) return reader.isShort ? emptyPeer : undefined;
  if (type === 3)
    return { table: 'local', distinguisher, address: '', asn, routerId, as4: true, atMs };
  const side = flags & 0x10 ? 'out' : 'in';
  const table = flags & 0x40 ? (`${side}_post` as const) : (`${side}_pre` as const);
  const address = formatAddress(flags & 0x80 ? octets : octets.subarray(12));
  return { table, distinguisher, address, asn, routerId, as4: (flags & 0x20) === 0, atMs };
}

/** What a short read gives: never seen, since the error wins. */
const emptyPeer: BmpPeer = {
  table: 'in_pre',
  distinguisher: '',
  address: '',
  asn: 0,
  routerId: '0.0.0.0',
  as4: true,
  atMs: 0,
};

function decodePeerUp(peer: BmpPeer, reader: ByteReader): Result<BmpMessage, BmpError> {
  const octets = reader.take(16);
  reader.skip(4);
  const isIpv6 = peer.address.includes(':');
  const localAddress = reader.isShort ? '' : formatAddress(isIpv6 ? octets : octets.subarray(12));
  const [sentAt, sent] = [reader.position, readOpen(reader)];
  const [receivedAt, received] = [reader.position, readOpen(reader)];
  if (reader.isShort) return err({ code: 'short', offset: reader.position });
  if (!sent) return err({ code: 'open', offset: sentAt });
  if (!received) return err({ code: 'open', offset: receivedAt });
  return ok({ kind: 'peer_up', peer, localAddress, sent, received });
}

/** An OPEN with its header, whose length says where it ends. */
function readOpen(reader: ByteReader): Open | undefined {
  const { bytes, offset } = reader;
  const length = ((bytes[offset + 16] ?? 0) << 8) | (bytes[offset + 17] ?? 0);
  const open = decodeOpen(reader.take(length));
  return open.ok ? open.value : undefined;
}

/** TLVs of text; the first of each type. */
function readWords(reader: ByteReader): ReadonlyMap<number, string> {
  const words = new Map<number, string>();
  while (reader.remaining > 0 && !reader.isShort) {
    const type = reader.u16();
    const text = decodeUtf8(reader.take(reader.u16()));
    if (!words.has(type)) words.set(type, text);
  }
  return words;
}

function readStatistics(reader: ByteReader): { name: string; value: number }[] {
  const counts: { name: string; value: number }[] = [];
  const count = reader.u32();
  for (let i = 0; i < count && !reader.isShort; i++) {
    const type = reader.u16();
    const value = reader.sub(reader.u16());
    const name = statisticNames[type] ?? `type_${type}`;
    // Gauges by family begin with AFI and SAFI.
    const family = value.remaining === 11 ? `_${value.u16()}_${value.u8()}` : '';
    if (value.remaining === 4) counts.push({ name, value: value.u32() });
    else if (value.remaining === 8)
      counts.push({ name: `${name}${family}`, value: Number(value.u64()) });
  }
  return counts;
}

const hexOf = (bytes: Uint8Array): string =>
  [...bytes].map((octet) => octet.toString(16).padStart(2, '0')).join('');
