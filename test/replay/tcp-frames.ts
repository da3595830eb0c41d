/** The slow, obvious reading of a plain pcap file of Ethernet frames with TCP: for checking the tracker by. */

export interface TcpFrame {
  /** From 1, as Wireshark counts. */
  readonly frame: number;
  /** Sender and receiver with their ports. */
  readonly side: string;
  readonly seq: number;
  /** After the payload and SYN or FIN, modulo 2^32. */
  readonly end: number;
  /** The IP packet as far as it was captured: equal for copies only. */
  readonly bytes: string;
}

export function* readTcpFrames(file: Buffer): Generator<TcpFrame> {
  let frame = 0;
  for (let at = 24; at + 16 <= file.length; ) {
    const captured = file.readUInt32LE(at + 8);
    const packet = file.subarray(at + 16, at + 16 + captured);
    at += 16 + captured;
    frame++;
    let offset = 12;
    while (packet.readUInt16BE(offset) === 0x8100) offset += 4;
    const ip = packet.subarray(offset + 2);
    const isV6 = (ip.readUInt8(0) & 0xf0) === 0x60;
    const header = isV6 ? 40 : (ip.readUInt8(0) & 15) * 4;
    const total = isV6 ? ip.readUInt16BE(4) + 40 : ip.readUInt16BE(2);
    if (ip.readUInt8(isV6 ? 6 : 9) !== 6) continue;
    const tcp = ip.subarray(header);
    const flags = tcp.readUInt8(13);
    const payload = total - header - (tcp.readUInt8(12) >> 4) * 4;
    const addresses = ip.subarray(isV6 ? 8 : 12, isV6 ? 40 : 20).toString('hex');
    const seq = tcp.readUInt32BE(4);
    const length = payload + ((flags >> 1) & 1) + (flags & 1);
    yield {
      frame,
      side: `${addresses} ${tcp.readUInt32BE(0)}`,
      seq,
      end: (seq + length) >>> 0,
      bytes: ip.toString('latin1'),
    };
  }
}
