import { closeSync, fstatSync, openSync, readSync, writeFileSync } from 'node:fs';

/** Writes Ethernet frames as a little-endian microsecond pcap, a millisecond apart unless `timesUs` says otherwise. */
export function writePcap(
  path: string,
  frames: readonly Uint8Array[],
  timesUs: (index: number) => number = (index) => index * 1000,
): void {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262144, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.map((frame, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(timesUs(i) / 1e6), 0);
    record.writeUInt32LE(timesUs(i) % 1e6, 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  writeFileSync(path, Buffer.concat([header, ...records]));
}

/** The frames of a little-endian pcap of Ethernet. */
export function readPcap(path: string): Buffer[] {
  return new PcapTail(path).read();
}

/** Reads a pcap that is still being written: each call gives the complete frames since the last. */
export class PcapTail {
  readonly #path: string;
  #at = 0;

  constructor(path: string) {
    this.#path = path;
  }

  read(): Buffer[] {
    const bytes = this.#unread();
    const frames: Buffer[] = [];
    let at = 0;
    if (this.#at === 0) {
      if (bytes.length < 24) return frames;
      const magic = bytes.readUInt32LE(0);
      if (magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d)
        throw new Error(`${this.#path}: not a little-endian pcap`);
      at = 24;
    }
    while (at + 16 <= bytes.length) {
      const end = at + 16 + bytes.readUInt32LE(at + 8);
      if (end > bytes.length) break;
      frames.push(bytes.subarray(at + 16, end));
      at = end;
    }
    this.#at += at;
    return frames;
  }

  #unread(): Buffer {
    const file = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#at);
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, this.#at));
    } finally {
      closeSync(file);
    }
  }
}
