/**
 * Captures of plain Ethernet rewritten frame by frame into other link layers and into tunnels: the same TCP, the same
 * times, so that what is known of the plain capture is known of these too.
 */

/** One frame of a capture, without its link layer. */
export interface Frame {
  /** The IP packet as far as it was captured. */
  readonly ip: Buffer;
  /** Its length on the wire. */
  readonly ipBytes: number;
  readonly isV6: boolean;
  readonly ethernet: Buffer;
  /** Seconds, and what is left in units of the file. */
  readonly time: readonly [number, number];
}

export interface PlainCapture {
  readonly ticksPerSecond: 1e6 | 1e9;
  readonly frames: readonly Frame[];
}

/** What stands before the IP packet of a frame. */
export interface Wrapping {
  readonly name: string;
  /** Of the capture formats' list (tcpdump.org); Ethernet unless given. */
  readonly linkType?: number;
  readonly head: (frame: Frame) => Buffer;
}

/** A little-endian pcap of Ethernet with at most one tag a frame, of either resolution. */
export function readPlain(file: Buffer): PlainCapture {
  const ticksPerSecond = file.readUInt32LE(0) === 0xa1b23c4d ? 1e9 : 1e6;
  const frames: Frame[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const captured = file.readUInt32LE(at + 8);
    const packet = file.subarray(at + 16, at + 16 + captured);
    const start = packet.readUInt16BE(12) === 0x8100 ? 18 : 14;
    frames.push({
      ip: packet.subarray(start),
      ipBytes: file.readUInt32LE(at + 12) - start,
      isV6: packet.readUInt16BE(start - 2) === 0x86dd,
      ethernet: packet.subarray(0, 12),
      time: [file.readUInt32LE(at), file.readUInt32LE(at + 4)],
    });
    at += 16 + captured;
  }
  return { ticksPerSecond, frames };
}

/** Bytes of the frame on the wire. */
export const frameBytes = (frame: Frame, { head }: Wrapping): number =>
  head(frame).length + frame.ipBytes;

/** A pcap of the same resolution. */
export function writeWrapped(capture: PlainCapture, wrapping: Wrapping): Buffer {
  const magic = capture.ticksPerSecond === 1e9 ? 0xa1b23c4d : 0xa1b2c3d4;
  const head = Buffer.concat([
    words(magic, 0x0004_0002, 0, 0, 262_144, wrapping.linkType ?? 1), // version 2.4
  ]);
  const records = capture.frames.flatMap((frame) => {
    const content = Buffer.concat([wrapping.head(frame), frame.ip]);
    return [words(...frame.time, content.length, frameBytes(frame, wrapping)), content];
  });
  return Buffer.concat([head, ...records]);
}

/** The same as pcapng: one section, one interface, a block for each packet. */
export function writeWrappedNg(capture: PlainCapture, wrapping: Wrapping): Buffer {
  const resolution = Math.log10(capture.ticksPerSecond);
  const blocks = [
    block(0x0a0d0d0a, words(0x1a2b3c4d, 1, 0xffff_ffff, 0xffff_ffff)), // version 1.0, of unknown length
    // Option if_tsresol (9) of one byte, then the end of options.
    block(1, words(wrapping.linkType ?? 1, 262_144, 0x0001_0009, resolution, 0)),
  ];
  for (const frame of capture.frames) {
    const content = Buffer.concat([wrapping.head(frame), frame.ip]);
    const [seconds, rest] = frame.time;
    const time = BigInt(seconds) * BigInt(capture.ticksPerSecond) + BigInt(rest);
    const high = Number(time >> 32n);
    const low = Number(time & 0xffff_ffffn);
    const head = words(0, high, low, content.length, frameBytes(frame, wrapping));
    const padding = Buffer.alloc((4 - (content.length % 4)) % 4);
    blocks.push(block(6, Buffer.concat([head, content, padding])));
  }
  return Buffer.concat(blocks);
}

const block = (type: number, body: Buffer): Buffer =>
  Buffer.concat([words(type, body.length + 12), body, words(body.length + 12)]);

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) buffer.writeUInt32LE(value, i * 4);
  return buffer;
}

const bytes = (...values: readonly number[]): Buffer => Buffer.from(values);
const word = (value: number): Buffer => bytes(value >> 8, value & 0xff);
const etherType = ({ isV6 }: Frame): Buffer => word(isV6 ? 0x86dd : 0x0800);
const qinq = bytes(0x88, 0xa8, 0x60, 0x64, 0x81, 0x00, 0x00, 0x07);
const ppp = ({ isV6 }: Frame): Buffer => word(isV6 ? 0x0057 : 0x0021);

/** RFC 2516 section 4: version and type 1, code 0, session 0x1234; its length has the PPP protocol in it. */
const pppoe = (frame: Frame): Buffer =>
  Buffer.concat([bytes(0x88, 0x64, 0x11, 0, 0x12, 0x34), word(frame.ipBytes + 2), ppp(frame)]);

/** RFC 3032: 20 bits of label, 3 of class, the last label's bit, 8 of time to live. */
const mpls = (...labels: readonly number[]): Buffer =>
  Buffer.concat([
    word(0x8847),
    ...labels.map((label, i) =>
      bytes(
        label >> 12,
        (label >> 4) & 0xff,
        ((label << 4) & 0xf0) | Number(i === labels.length - 1),
        63,
      ),
    ),
  ]);

const over = (name: string, rest: (frame: Frame) => Buffer): Wrapping => ({
  name,
  head: (frame) => Buffer.concat([frame.ethernet, rest(frame)]),
});

export const plain: Wrapping = over('plain', etherType);

/** Behind which a session is followed as if it were not there. */
export const linkLayers: readonly Wrapping[] = [
  over('one tag', (frame) => Buffer.concat([bytes(0x81, 0x00, 0x20, 0x64), etherType(frame)])),
  over('QinQ', (frame) => Buffer.concat([qinq, etherType(frame)])),
  over('PPPoE', pppoe),
  over('PPPoE in QinQ', (frame) => Buffer.concat([qinq, pppoe(frame)])),
  over('one MPLS label', () => mpls(0x12345)),
  over('three MPLS labels', () => mpls(16, 0xfffff, 3)),
  over('MPLS behind a tag', () => Buffer.concat([bytes(0x81, 0x00, 0x00, 0x65), mpls(17)])),
  { name: 'PPP', linkType: 9, head: (frame) => Buffer.concat([bytes(0xff, 0x03), ppp(frame)]) },
  { name: 'IP alone', linkType: 101, head: () => Buffer.alloc(0) },
];

/** Two tunnels a direction, so that blocks are told apart; by the session's ports, both directions alike. */
export function tunnelEnds(frame: Frame): { readonly from: number; readonly to: number } {
  const tcp = frame.ip.subarray(frame.isV6 ? 40 : ((frame.ip[0] ?? 0) & 15) * 4);
  const [source, destination] = [tcp.readUInt16BE(0), tcp.readUInt16BE(2)];
  const tunnel = (Math.max(source, destination) >> 1) & 1; // Linux draws even ports
  const isTowardsServer = destination < source;
  return isTowardsServer
    ? { from: 1 + tunnel, to: 17 + tunnel }
    : { from: 17 + tunnel, to: 1 + tunnel };
}

function ipv4(protocol: number, payloadBytes: number, frame: Frame): Buffer {
  const { from, to } = tunnelEnds(frame);
  const ip = bytes(
    0x45,
    0,
    0,
    0,
    0,
    0,
    0x40,
    0,
    64,
    protocol,
    0,
    0,
    192,
    0,
    2,
    from,
    192,
    0,
    2,
    to,
  );
  ip.writeUInt16BE(20 + payloadBytes, 2);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += ip.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  ip.writeUInt16BE(~sum & 0xffff, 10);
  return ip;
}

function ipv6(next: number, payloadBytes: number, frame: Frame): Buffer {
  const { from, to } = tunnelEnds(frame);
  const ip = Buffer.alloc(40);
  ip.writeUInt32BE(0x6000_0000, 0);
  ip.writeUInt16BE(payloadBytes, 4);
  ip.set([next, 64], 6);
  for (const [at, end] of [
    [8, from],
    [24, to],
  ] as const)
    ip.set([0x20, 0x01, 0x0d, 0xb8, 0, end], at);
  return ip;
}

/** Behind an outer IP header; `inner` stands before the IP packet that the tunnel carries. */
const tunnel = (
  name: string,
  family: 4 | 6,
  protocol: (frame: Frame) => number,
  inner: (frame: Frame) => Buffer,
): Wrapping =>
  over(name, (frame) => {
    const before = inner(frame);
    const outer = (family === 4 ? ipv4 : ipv6)(
      protocol(frame),
      before.length + frame.ipBytes,
      frame,
    );
    return Buffer.concat([word(family === 4 ? 0x0800 : 0x86dd), outer, before]);
  });

const gre = (frame: Frame): Buffer => Buffer.concat([bytes(0, 0), etherType(frame)]);
const greWithKey = (frame: Frame): Buffer =>
  Buffer.concat([bytes(0x30, 0), etherType(frame), bytes(0, 0, 0, 9, 0, 0, 0, 1)]);
const carriesIp = ({ isV6 }: Frame): number => (isV6 ? 41 : 4);
const nothing = (): Buffer => Buffer.alloc(0);

function udp(port: number, frame: Frame, head: Buffer): Buffer {
  const ports = Buffer.concat([word(50_000), word(port)]);
  return Buffer.concat([ports, word(8 + head.length + frame.ipBytes), bytes(0, 0), head]);
}
const vxlan = (frame: Frame): Buffer =>
  udp(4789, frame, Buffer.concat([bytes(8, 0, 0, 0, 0, 0, 42, 0), plain.head(frame)]));
/** GTP-U, version 1, a G-PDU of tunnel 5 (3GPP TS 29.281). */
const gtp = (frame: Frame): Buffer =>
  udp(2152, frame, Buffer.concat([bytes(0x30, 0xff), word(frame.ipBytes), bytes(0, 0, 0, 5)]));

export interface Tunnel extends Wrapping {
  readonly family: 4 | 6;
}

/** Of which only the outer addresses count, and no session inside. */
export const tunnels: readonly Tunnel[] = ([4, 6] as const).flatMap((family) => [
  { family, ...tunnel(`GRE over IPv${family}`, family, () => 47, gre) },
  { family, ...tunnel(`GRE with key over IPv${family}`, family, () => 47, greWithKey) },
  { family, ...tunnel(`IP in IPv${family}`, family, carriesIp, nothing) },
  { family, ...tunnel(`VXLAN over IPv${family}`, family, () => 17, vxlan) },
  { family, ...tunnel(`GTP over IPv${family}`, family, () => 17, gtp) },
]);
