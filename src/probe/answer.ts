import type { Family } from '../core/base/prefix.ts';
import { type Method, tcpSequence } from './packet.ts';

/** What an incoming packet says about one of our probes. */
export interface Answer {
  readonly method: Method;
  readonly id: number;
  readonly sequence: number;
  readonly kind: 'reached' | 'unreachable' | 'prohibited';
}

/**
 * Reads an ICMP or ICMPv6 message: an echo reply, or an error that quotes a probe of ours.
 * `message` begins at the ICMP header. Anything else is undefined.
 */
export function readIcmp(family: Family, message: Uint8Array): Answer | undefined {
  if (message.length < 8) return undefined;
  const [type = 0, code = 0] = message;
  if (type === (family === 4 ? 0 : 129)) {
    return { method: 'icmp', id: u16(message, 4), sequence: u16(message, 6), kind: 'reached' };
  }
  const isError = family === 4 ? type === 3 || type === 11 : type === 1 || type === 3;
  if (!isError) return undefined;
  const quoted = readQuoted(family, message.subarray(8));
  if (!quoted) return undefined;
  return { ...quoted, kind: errorKind(family, type, code, quoted.method) };
}

/** Reads a TCP segment: SYN-ACK and RST both mean that the host was reached. */
export function readTcp(segment: Uint8Array): Answer | undefined {
  if (segment.length < 20) return undefined;
  const flags = segment[13] ?? 0;
  const isSynAck = (flags & 0x12) === 0x12;
  const isRst = (flags & 0x04) !== 0;
  const acknowledged = u16(segment, 8) * 65_536 + u16(segment, 10);
  const sequence = acknowledged - 1 - tcpSequence(0);
  if (!(isSynAck || isRst) || sequence < 0 || sequence > 0xffff) return undefined;
  return { method: 'tcp', id: u16(segment, 2), sequence, kind: 'reached' };
}

/** Reads a DNS answer that came to `port`. */
export function readDns(message: Uint8Array, port: number): Answer | undefined {
  const isResponse = message.length >= 12 && ((message[2] ?? 0) & 0x80) !== 0;
  if (!isResponse) return undefined;
  return { method: 'udp', id: port, sequence: u16(message, 0), kind: 'reached' };
}

/** Behind the IPv4 header that raw sockets leave in place. */
export function ipv4Payload(packet: Uint8Array): Uint8Array {
  return packet.subarray(((packet[0] ?? 0) & 15) * 4);
}

/** The head of our own probe inside an ICMP error. */
function readQuoted(family: Family, packet: Uint8Array): Omit<Answer, 'kind'> | undefined {
  const protocol = packet[family === 4 ? 9 : 6] ?? 0;
  const body = family === 4 ? ipv4Payload(packet) : packet.subarray(40);
  if (body.length < 8) return undefined;
  if (protocol === (family === 4 ? 1 : 58)) {
    return { method: 'icmp', id: u16(body, 4), sequence: u16(body, 6) };
  }
  if (protocol === 6) {
    return { method: 'tcp', id: u16(body, 0), sequence: u16(body, 6) };
  }
  // The quotation of a UDP probe reaches at least into the DNS id.
  if (protocol === 17 && body.length >= 10) {
    return { method: 'udp', id: u16(body, 0), sequence: u16(body, 8) };
  }
  return undefined;
}

/** RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.1. */
function errorKind(family: Family, type: number, code: number, method: Method): Answer['kind'] {
  const isProhibited =
    family === 4
      ? type === 3 && (code === 9 || code === 10 || code === 13)
      : type === 1 && (code === 1 || code === 5 || code === 6);
  if (isProhibited) return 'prohibited';
  const isPortClosed = family === 4 ? type === 3 && code === 3 : type === 1 && code === 4;
  // A closed port is answered by the host itself: the path works.
  return isPortClosed && method !== 'icmp' ? 'reached' : 'unreachable';
}

const u16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
