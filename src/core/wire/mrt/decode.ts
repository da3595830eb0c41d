import { ByteReader } from '../../base/bytes.ts';
import {
  addressBits,
  type Family,
  formatAddress,
  makePrefix,
  type Prefix,
} from '../../base/prefix.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { familyOf, headerLength } from '../bgp/codes.ts';
import { bgp4mp, mrtType, tableDumpV2 } from './codes.ts';

/** One record's header (RFC 6396 section 2) and body, a view of the file. */
export interface MrtFrame {
  /** Seconds since the Unix epoch. */
  readonly timestampS: number;
  /** 0 unless the record is of an extended type (section 3). */
  readonly microseconds: number;
  readonly type: number;
  readonly subtype: number;
  readonly body: Uint8Array;
  /** Of the header, from the start of the file. */
  readonly offset: number;
}

export interface MrtPeer {
  readonly routerId: string;
  readonly address: string;
  readonly asn: number;
}

export interface MrtRibEntry {
  /** Index into the peers of the preceding peer index table. */
  readonly peerIndex: number;
  readonly originatedS: number;
  readonly pathId?: number;
  /** Path attributes with four-octet AS numbers and a shortened MP_REACH_NLRI (section 4.3.4). */
  readonly attributes: Uint8Array;
}

export type MrtRecord =
  | { readonly kind: 'peer_index'; readonly viewName: string; readonly peers: readonly MrtPeer[] }
  | { readonly kind: 'rib'; readonly prefix: Prefix; readonly entries: readonly MrtRibEntry[] }
  | {
      readonly kind: 'message';
      readonly peer: MrtEnds;
      readonly as4: boolean;
      readonly hasPathIds: boolean;
      /** A whole BGP message. */
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'state';
      readonly peer: MrtEnds;
      /** Numbers of RFC 4271's states, Idle being 1. */
      readonly from: number;
      readonly to: number;
    }
  /** A type or family that we do not read. */
  | { readonly kind: 'other' };

/** The two ends of a session whose messages were recorded. */
export interface MrtEnds {
  readonly peerAsn: number;
  readonly localAsn: number;
  readonly peerAddress: string;
  readonly localAddress: string;
}

export interface MrtError {
  readonly code: 'mrt_short' | 'mrt_family' | 'mrt_prefix';
  /** Bytes from the start of the file. */
  readonly offset: number;
}

const mrtHeaderLength = 12;

/** The records of a file, in order. The last value is an error when the file ends within a record. */
export function* readMrtFrames(bytes: Uint8Array): Generator<Result<MrtFrame, MrtError>> {
  let offset = 0;
  while (offset < bytes.length) {
    const reader = new ByteReader(bytes.subarray(offset), offset);
    const timestampS = reader.u32();
    const type = reader.u16();
    const subtype = reader.u16();
    const length = reader.u32();
    const isExtended = type === mrtType.bgp4mpEt;
    const microseconds = isExtended ? reader.u32() : 0;
    const body = reader.take(isExtended ? length - 4 : length);
    if (reader.isShort) {
      yield err({ code: 'mrt_short', offset });
      return;
    }
    yield ok({ timestampS, microseconds, type, subtype, body, offset });
    offset += mrtHeaderLength + length;
  }
}

export function decodeMrtRecord(frame: MrtFrame): Result<MrtRecord, MrtError> {
  const reader = new ByteReader(frame.body, frame.offset + mrtHeaderLength);
  if (frame.type === mrtType.tableDumpV2) return decodeTableDump(reader, frame.subtype);
  if (frame.type === mrtType.bgp4mp || frame.type === mrtType.bgp4mpEt)
    return decodeBgp4mp(reader, frame.subtype);
  return ok({ kind: 'other' });
}

function decodeTableDump(reader: ByteReader, subtype: number): Result<MrtRecord, MrtError> {
  if (subtype === tableDumpV2.peerIndexTable) return decodePeerIndex(reader);
  const kind = ribSubtypes[subtype];
  if (kind) {
    reader.skip(4); // Sequence number.
    return decodeRib(reader, kind.family, kind.hasPathIds);
  }
  if (subtype !== tableDumpV2.ribGeneric && subtype !== tableDumpV2.ribGenericAddPath)
    return ok({ kind: 'other' });
  reader.skip(4);
  const family = familyOf(reader.u16(), reader.u8());
  if (!family) return ok({ kind: 'other' });
  return decodeRib(reader, family, subtype === tableDumpV2.ribGenericAddPath);
}

/** RFC 6396 section 4.3.2, RFC 8050 section 4. Multicast tables are left out. */
const ribSubtypes: Readonly<
  Record<number, { readonly family: Family; readonly hasPathIds: boolean }>
> = {
  [tableDumpV2.ribIpv4]: { family: 4, hasPathIds: false },
  [tableDumpV2.ribIpv6]: { family: 6, hasPathIds: false },
  [tableDumpV2.ribIpv4AddPath]: { family: 4, hasPathIds: true },
  [tableDumpV2.ribIpv6AddPath]: { family: 6, hasPathIds: true },
};

function decodePeerIndex(reader: ByteReader): Result<MrtRecord, MrtError> {
  reader.skip(4); // The collector's identifier.
  const name = reader.take(reader.u16());
  const viewName = Array.from(name, (octet) => String.fromCharCode(octet)).join('');
  const peers: MrtPeer[] = [];
  const count = reader.u16();
  for (let i = 0; i < count && !reader.isShort; i++) {
    const type = reader.u8();
    const routerId = formatAddress(reader.take(4));
    const address = formatAddress(reader.take(type & 1 ? 16 : 4));
    peers.push({ routerId, address, asn: type & 2 ? reader.u32() : reader.u16() });
  }
  return finish(reader, { kind: 'peer_index', viewName, peers });
}

function decodeRib(
  reader: ByteReader,
  family: Family,
  hasPathIds: boolean,
): Result<MrtRecord, MrtError> {
  const at = reader.position;
  const length = reader.u8();
  if (length > addressBits(family)) return err({ code: 'mrt_prefix', offset: at });
  const address = new Uint8Array(addressBits(family) / 8);
  address.set(reader.take((length + 7) >> 3));
  const entries: MrtRibEntry[] = [];
  const count = reader.u16();
  for (let i = 0; i < count && !reader.isShort; i++) {
    const peerIndex = reader.u16();
    const originatedS = reader.u32();
    const pathId = hasPathIds ? { pathId: reader.u32() } : {};
    entries.push({ peerIndex, originatedS, ...pathId, attributes: reader.take(reader.u16()) });
  }
  return finish(reader, { kind: 'rib', prefix: makePrefix(family, address, length), entries });
}

function decodeBgp4mp(reader: ByteReader, subtype: number): Result<MrtRecord, MrtError> {
  const isState = subtype === bgp4mp.stateChange || subtype === bgp4mp.stateChangeAs4;
  const kind = messageSubtypes[subtype];
  if (!isState && !kind) return ok({ kind: 'other' });
  const as4 = kind?.as4 ?? subtype === bgp4mp.stateChangeAs4;
  const peerAsn = as4 ? reader.u32() : reader.u16();
  const localAsn = as4 ? reader.u32() : reader.u16();
  reader.skip(2); // Interface index.
  const at = reader.position;
  const afi = reader.u16();
  if (afi !== 1 && afi !== 2 && !reader.isShort) return err({ code: 'mrt_family', offset: at });
  const octets = afi === 1 ? 4 : 16;
  const peerAddress = formatAddress(reader.take(octets));
  const localAddress = formatAddress(reader.take(octets));
  const peer = { peerAsn, localAsn, peerAddress, localAddress };
  if (!kind) return finish(reader, { kind: 'state', peer, from: reader.u16(), to: reader.u16() });
  const rest = reader.take(reader.remaining);
  // Some records are padded: the message is as long as its own header says.
  const stated = ((rest[16] ?? 0) << 8) | (rest[17] ?? 0);
  const bytes = stated >= headerLength && stated < rest.length ? rest.subarray(0, stated) : rest;
  return finish(reader, { kind: 'message', peer, as4, hasPathIds: kind.hasPathIds, bytes });
}

const messageSubtypes: Readonly<
  Record<number, { readonly as4: boolean; readonly hasPathIds: boolean }>
> = {
  [bgp4mp.message]: { as4: false, hasPathIds: false },
  [bgp4mp.messageAs4]: { as4: true, hasPathIds: false },
  [bgp4mp.messageLocal]: { as4: false, hasPathIds: false },
  [bgp4mp.messageAs4Local]: { as4: true, hasPathIds: false },
  [bgp4mp.messageAddPath]: { as4: false, hasPathIds: true },
  [bgp4mp.messageAs4AddPath]: { as4: true, hasPathIds: true },
};

function finish(reader: ByteReader, record: MrtRecord): Result<MrtRecord, MrtError> {
  const short = reader.shortRead();
  return short ? err({ code: 'mrt_short', offset: short.offset }) : ok(record);
}
