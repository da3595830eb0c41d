import { ByteWriter } from '../core/base/bytes.ts';
import type { Address } from '../core/base/prefix.ts';

/** What a probe asks with. */
export type Method = 'icmp' | 'tcp' | 'udp';

/** Ports that answer where nobody names one: DNS, and what most servers serve. */
export const usualPorts = { icmp: 0, tcp: 443, udp: 53 } as const;

export interface ProbePacket {
  readonly method: Method;
  readonly source: Address;
  readonly destination: Address;
  /** 0 to 63; by it the border router chooses the link out. */
  readonly dscp: number;
  /** ICMP identifier, or our port. */
  readonly id: number;
  /** ICMP sequence number, DNS id, or the low half of the TCP sequence number. */
  readonly sequence: number;
  /** Port at the destination; not for icmp. */
  readonly port: number;
}

const protocols = { tcp: 6, udp: 17 } as const;
const hopLimit = 64;
/** Echo payload: long enough for a name that tells an operator at the other end whose probes these are. */
const payload = new TextEncoder().encode('headgate path probe');

/** The whole IP packet: header, and ICMP echo, TCP SYN or DNS query for the root's name servers. */
export function encodeProbe(probe: ProbePacket): Uint8Array {
  const isV4 = probe.source.family === 4;
  const body = encodeBody(probe);
  const protocol = probe.method === 'icmp' ? (isV4 ? 1 : 58) : protocols[probe.method];
  const checksumAt = { icmp: 2, tcp: 16, udp: 6 }[probe.method];
  const needsPseudoHeader = !(isV4 && probe.method === 'icmp');
  const sum = checksum(
    needsPseudoHeader ? concat(pseudoHeader(probe, protocol, body.length), body) : body,
  );
  // UDP writes a sum of zero as all ones, since zero means none (RFC 768).
  new DataView(body.buffer).setUint16(
    checksumAt,
    sum === 0 && probe.method === 'udp' ? 0xffff : sum,
  );
  return concat(
    isV4 ? ipv4Header(probe, protocol, body.length) : ipv6Header(probe, protocol, body.length),
    body,
  );
}

function encodeBody({ method, source, id, sequence, port }: ProbePacket): Uint8Array {
  const writer = new ByteWriter();
  switch (method) {
    case 'icmp':
      return writer
        .u8(source.family === 4 ? 8 : 128)
        .u8(0)
        .u16(0)
        .u16(id)
        .u16(sequence)
        .put(payload)
        .finish();
    case 'tcp':
      // A SYN with the usual MSS option: some filters drop SYNs without it.
      return writer
        .u16(id)
        .u16(port)
        .u32(tcpSequence(sequence))
        .u32(0)
        .u8(6 << 4)
        .u8(2)
        .u16(65_535)
        .u32(0)
        .u32(0x0204_05a0)
        .finish();
    case 'udp': {
      const query = dnsQuery(sequence);
      return writer
        .u16(id)
        .u16(port)
        .u16(8 + query.length)
        .u16(0)
        .put(query)
        .finish();
    }
  }
}

/** The SYN's sequence number; the answer acknowledges it plus one. */
export const tcpSequence = (sequence: number): number => 0x6867_0000 + sequence;

/** `. NS IN`: every resolver can answer it from its cache. */
function dnsQuery(id: number): Uint8Array {
  return new ByteWriter().u16(id).u16(0x0100).u16(1).u16(0).u32(0).u8(0).u16(2).u16(1).finish();
}

function ipv4Header({ source, destination, dscp }: ProbePacket, protocol: number, length: number) {
  // The kernel fills in the identification and the checksum.
  return new ByteWriter()
    .u8(0x45)
    .u8(dscp << 2)
    .u16(20 + length)
    .u32(0)
    .u8(hopLimit)
    .u8(protocol)
    .u16(0)
    .put(source.bytes)
    .put(destination.bytes)
    .finish();
}

function ipv6Header({ source, destination, dscp }: ProbePacket, protocol: number, length: number) {
  return new ByteWriter()
    .u32(0x6000_0000 + dscp * 2 ** 22)
    .u16(length)
    .u8(protocol)
    .u8(hopLimit)
    .put(source.bytes)
    .put(destination.bytes)
    .finish();
}

function pseudoHeader({ source, destination }: ProbePacket, protocol: number, length: number) {
  const writer = new ByteWriter().put(source.bytes).put(destination.bytes);
  if (source.family === 4) return writer.u8(0).u8(protocol).u16(length).finish();
  return writer.u32(length).u32(protocol).finish();
}

/** RFC 1071, over bytes whose own checksum field is zero. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
