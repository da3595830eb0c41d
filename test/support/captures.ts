import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** Where the real captures are; they are never part of the project. */
export const capturesFolder = resolve(process.env.HEADGATE_CAPTURES ?? '../shared/captures');

/** The reason to skip a test that needs captures, or false to run it. */
export const skipWithoutCaptures: string | false = existsSync(`${capturesFolder}/MANIFEST.json`)
  ? false
  : 'captures are absent (set HEADGATE_CAPTURES)';

export interface UdpDatagram {
  /** Record number in the file, from 1. */
  readonly frame: number;
  readonly source: string;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** The UDP payloads of a little-endian microsecond pcap of plain Ethernet and unfragmented IPv4. */
export function readUdpDatagrams(name: string): UdpDatagram[] {
  const file = readFileSync(`${capturesFolder}/${name}`);
  if (file.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error(`${name}: not a little-endian pcap`);
  const datagrams: UdpDatagram[] = [];
  for (let at = 24, frame = 1; at + 16 <= file.length; frame++) {
    const captured = file.readUInt32LE(at + 8);
    const packet = file.subarray(at + 16, at + 16 + captured);
    at += 16 + captured;
    if (packet.readUInt16BE(12) !== 0x0800 || packet[23] !== 17) continue;
    const udp = packet.subarray(14 + ((packet[14] ?? 0) & 15) * 4);
    datagrams.push({
      frame,
      source: packet.subarray(26, 30).join('.'),
      destinationPort: udp.readUInt16BE(2),
      payload: Uint8Array.from(udp.subarray(8, udp.readUInt16BE(4))),
    });
  }
  return datagrams;
}
