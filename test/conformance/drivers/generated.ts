/** Frames by a seed, of kinds that drivers treat each in a way of its own: families, tags, marks, fragments, options. */
import { seeded } from '../../../src/core/simulate/random.ts';
import { insideAddress, insideAddress6 } from '../../wire/border.ts';

/** Where outbound frames go that are marked: by a DSCP, by a tag. */
export const [byDscp, byTag] = ['198.51.100.0/24', '203.0.113.0/24'] as const;
export const byDscp6 = '2001:db8:100::/48';

const hosts = { [byDscp]: '198.51.100.7', [byTag]: '203.0.113.9', none: '192.0.2.5' } as const;
const host6 = '2001:db8:100::7';
const [ours, theirs] = ['02 00 5e 00 53 01', '02 00 5e 00 53 02'];

export interface Generated {
  readonly outbound: readonly Buffer[];
  readonly inbound: readonly Buffer[];
}

/** Some of `count` frames each way; outbound TCP segments of one session in order, some of them twice. */
export function generatedFrames(seed: number, count: number): Generated {
  const random = seeded(seed);
  const below = (n: number) => Math.floor(random() * n);
  const pick = <T>(of: readonly T[]): T => {
    const one = of[below(of.length)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  };
  let id = 1;
  let sequence = 1000;
  const transport = (protocol: number, isSession: boolean): Buffer => {
    const payload = Buffer.alloc(below(200), below(256));
    if (protocol === 17) {
      const header = Buffer.alloc(8);
      header.writeUInt16BE(1024 + below(60_000), 0);
      header.writeUInt16BE(pick([53, 443, 5000]), 2);
      header.writeUInt16BE(8 + payload.length, 4);
      return Buffer.concat([header, payload]);
    }
    if (protocol !== 6) return payload;
    // Without options, with timestamps, with as many as fit.
    const words = pick([5, 8, 15]);
    const header = Buffer.alloc(words * 4, 1);
    header.writeUInt16BE(isSession ? 40_000 : 1024 + below(60_000), 0);
    header.writeUInt16BE(443, 2);
    header.writeUInt32BE(isSession ? sequence : below(2 ** 32), 4);
    header.writeUInt32BE(0, 8);
    header[12] = words << 4;
    header[13] = 0x10;
    header.writeUInt32BE(0, 16);
    if (isSession) sequence += payload.length;
    return Buffer.concat([header, payload]);
  };
  const ipv4 = (source: string, destination: string, isSession: boolean): Buffer => {
    const protocol = isSession ? 6 : pick([6, 17, 1, 47]);
    const body = transport(protocol, isSession);
    const options = isSession ? 0 : pick([0, 0, 0, 8]);
    const header = Buffer.alloc(20 + options, 1);
    header[0] = 0x40 | (header.length / 4);
    header[1] = pick([0, 0, 1, 10 << 2, (10 << 2) | 3, 46 << 2]);
    header.writeUInt16BE(header.length + body.length, 2);
    header.writeUInt16BE(id++ & 0xffff, 4);
    header.writeUInt16BE(isSession ? 0x4000 : pick([0, 0, 0x4000, 0x2000, 0x00b9]), 6);
    header[8] = 64;
    header[9] = protocol;
    header.writeUInt16BE(0, 10);
    Buffer.from(source.split('.').map(Number)).copy(header, 12);
    Buffer.from(destination.split('.').map(Number)).copy(header, 16);
    header.writeUInt16BE(checksum(header), 10);
    return Buffer.concat([header, body]);
  };
  const ipv6 = (source: string, destination: string): Buffer => {
    const protocol = pick([6, 17, 58]);
    const body = transport(protocol, false);
    const extension = pick([false, false, true]);
    const header = Buffer.alloc(40);
    header.writeUInt32BE((0x6 << 28) | (pick([0, 1, 10 << 2, 46 << 2]) << 20) | below(2 ** 20), 0);
    header.writeUInt16BE(body.length + (extension ? 8 : 0), 4);
    header[6] = extension ? 60 : protocol;
    header[7] = 64;
    octets6(source).copy(header, 8);
    octets6(destination).copy(header, 24);
    return Buffer.concat([
      header,
      extension ? Buffer.from([protocol, 0, 1, 4, 0, 0, 0, 0]) : Buffer.alloc(0),
      body,
    ]);
  };
  const frame = (isOutbound: boolean, isSession: boolean): Buffer => {
    const isSix = !isSession && below(4) === 0;
    const [near, far] = isSix
      ? [insideAddress6, host6]
      : [insideAddress, isSession ? hosts[byDscp] : pick(Object.values(hosts))];
    const [source, destination] = isOutbound ? [near, far] : [far, near];
    const packet = isSix ? ipv6(source, destination) : ipv4(source, destination, isSession);
    const tags = isSession ? '' : pick(['', '', '', '8100 60c8', '8100 00c8 8100 0007']);
    const [to, from] = isOutbound ? [theirs, ours] : [ours, theirs];
    const link = [to, from, tags, isSix ? '86dd' : '0800'].join('').replaceAll(' ', '');
    return Buffer.concat([Buffer.from(link, 'hex'), packet]);
  };
  const outbound: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const isSession = below(3) === 0;
    const made = frame(true, isSession);
    outbound.push(made);
    if (!isSession || below(5) !== 0) continue;
    // Sent again: the same bytes in another packet.
    const again = Buffer.from(made);
    again.writeUInt16BE(id++ & 0xffff, 18);
    again.writeUInt16BE(0, 24);
    again.writeUInt16BE(checksum(again.subarray(14, 34)), 24);
    outbound.push(again);
  }
  return { outbound, inbound: Array.from({ length: count }, () => frame(false, false)) };
}

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Of an address with one `::`. */
function octets6(text: string): Buffer {
  const [front = [], back = []] = text.split('::').map((part) => part.split(':').filter(Boolean));
  const words = [
    ...front,
    ...Array.from({ length: 8 - front.length - back.length }, () => '0'),
    ...back,
  ];
  return Buffer.from(words.map((word) => word.padStart(4, '0')).join(''), 'hex');
}
