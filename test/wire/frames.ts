/** Frames of every kind that a wire must pass, by what makes them special. Bytes are ours; addresses are for documentation. */
import { insideAddress, outsideAddress } from './border.ts';

const stationA = '02 00 5e 00 53 01';
const stationB = '02 00 5e 00 53 02';

/** `payload` behind both addresses. */
function frame(to: string, ...parts: readonly string[]): Buffer {
  return Buffer.from([to, stationA, ...parts].join('').replaceAll(/\s/g, ''), 'hex');
}

const ipv4 = (length: number, protocol: number, fragment = '00 00') =>
  `0800 45 b8 ${hex(length, 2)} 1234 ${fragment} 40 ${hex(protocol, 1)} 0000 ${octets(insideAddress)} ${octets(outsideAddress)}`;
const ipv6 = (length: number, next: number) =>
  `86dd 60 00 00 00 ${hex(length, 2)} ${hex(next, 1)} 40 20010db8007700000000000000000001 20010db8007700000000000000000002`;
const filler = (length: number) =>
  Buffer.from(Array.from({ length }, (_, i) => i & 255)).toString('hex');
const udp = (payload: number) => `1388 1389 ${hex(payload + 8, 2)} dead ${filler(payload)}`;

export const framesOfEveryKind: ReadonlyArray<{ readonly kind: string; readonly bytes: Buffer }> = [
  { kind: 'one byte of payload', bytes: frame(stationB, '88b5', '00') },
  {
    kind: 'ARP request, 42 bytes',
    bytes: frame(
      'ff ff ff ff ff ff',
      `0806 0001 0800 06 04 0001 ${stationA} ${octets(insideAddress)} 000000000000 ${octets('10.77.0.9')}`,
    ),
  },
  { kind: 'LACP', bytes: frame('01 80 c2 00 00 02', `8809 01 01 ${filler(108)}`) },
  { kind: 'pause', bytes: frame('01 80 c2 00 00 01', `8808 0001 00ff ${filler(42)}`) },
  {
    kind: 'spanning tree, 802.3 length field',
    bytes: frame('01 80 c2 00 00 00', `0026 42 42 03 ${filler(35)}`),
  },
  { kind: 'LLDP', bytes: frame('01 80 c2 00 00 0e', `88cc 02 07 04 ${stationA} 0000`) },
  {
    kind: 'BFD by multicast',
    bytes: frame(
      '01 00 5e 00 00 6c',
      `${ipv4(20 + 8 + 24, 17)} c000 0ec8 ${hex(32, 2)} 0000 ${filler(24)}`,
    ),
  },
  { kind: 'IPv4 UDP of full size', bytes: frame(stationB, ipv4(1500, 17), udp(1472)) },
  {
    kind: 'IPv4 first fragment',
    bytes: frame(stationB, ipv4(20 + 1480, 17, '20 00'), filler(1480)),
  },
  { kind: 'IPv4 last fragment', bytes: frame(stationB, ipv4(20 + 13, 17, '00 b9'), filler(13)) },
  {
    kind: 'IPv4 with trailing bytes',
    bytes: frame(stationB, ipv4(20 + 8 + 2, 17), udp(2), filler(16)),
  },
  {
    kind: 'TCP with a wrong checksum',
    bytes: frame(stationB, ipv4(40, 6), `0bad 0050 00000001 00000000 50 02 ffff badc 0000`),
  },
  { kind: 'IPv4 that lies about its length', bytes: frame(stationB, ipv4(9000, 17), udp(10)) },
  {
    kind: 'IPv6 neighbour solicitation',
    bytes: frame(
      '33 33 ff 00 00 02',
      ipv6(24, 58),
      `87 00 dead 00000000 20010db8007700000000000000000002`,
    ),
  },
  { kind: 'IPv6 UDP of full size', bytes: frame(stationB, ipv6(1460, 17), udp(1452)) },
  { kind: 'tag', bytes: frame(stationB, `8100 6064 ${ipv4(20 + 8 + 20, 17)}`, udp(20)) },
  { kind: 'tag and full size', bytes: frame(stationB, `8100 0fff ${ipv4(1500, 17)}`, udp(1472)) },
  {
    kind: 'priority tag, no VLAN',
    bytes: frame(stationB, `8100 e000 ${ipv4(20 + 8 + 20, 17)}`, udp(20)),
  },
  { kind: 'tag with drop eligibility', bytes: frame(stationB, `8100 1001 0806 ${filler(28)}`) },
  { kind: '802.1ad tag', bytes: frame(stationB, `88a8 0065 ${ipv4(20 + 8 + 20, 17)}`, udp(20)) },
  {
    kind: '802.1ad tag over 802.1q tag',
    bytes: frame(stationB, `88a8 0065 8100 0066 ${ipv4(20 + 8 + 20, 17)}`, udp(20)),
  },
  {
    kind: 'two 802.1q tags',
    bytes: frame(stationB, `8100 0065 8100 0066 ${ipv6(8 + 20, 17)}`, udp(20)),
  },
  {
    kind: 'PPPoE session',
    bytes: frame(stationB, `8864 11 00 0001 ${hex(2 + 28, 2)} 0021`, ipv4(28, 17).slice(4), udp(0)),
  },
  {
    kind: 'MPLS, two labels',
    bytes: frame(stationB, `8847 00064 0 40 000c8 1 40`, ipv4(28, 17).slice(4), udp(0)),
  },
  { kind: 'an ethertype that nobody knows', bytes: frame(stationB, `fffe ${filler(60)}`) },
];

/** Full-size frames and one-byte ones, more than a ring or a batch holds at once. */
export function manyFrames(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) =>
    frame(stationB, `88b5 ${hex(i, 4)} ${filler(i % 3 === 0 ? 1496 : i % 61)}`),
  );
}

function hex(value: number, bytes: number): string {
  return value.toString(16).padStart(bytes * 2, '0');
}

function octets(address: string): string {
  return address
    .split('.')
    .map((part) => hex(Number(part), 1))
    .join('');
}
