import { readFileSync, writeFileSync } from 'node:fs';

/** Writes Ethernet frames as a little-endian microsecond pcap, a millisecond apart. */
export function writePcap(path: string, frames: readonly Uint8Array[]): void {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262144, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.map((frame, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(i / 1000), 0);
    record.writeUInt32LE((i % 1000) * 1000, 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  writeFileSync(path, Buffer.concat([header, ...records]));
}

/** The complete frames of a little-endian pcap of Ethernet; a record still being written is left out. */
export function readPcap(path: string): Buffer[] {
  const file = readFileSync(path);
  const frames: Buffer[] = [];
  if (file.length < 24) return frames;
  const magic = file.readUInt32LE(0);
  if (magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d)
    throw new Error(`${path}: not a little-endian pcap`);
  for (let at = 24; at + 16 <= file.length; ) {
    const captured = file.readUInt32LE(at + 8);
    const frame = file.subarray(at + 16, at + 16 + captured);
    if (frame.length < captured) break;
    frames.push(frame);
    at += 16 + captured;
  }
  return frames;
}
