/** The datagrams of the bench: NetFlow v9 as a border router sends it, 24 records of 57 bytes each. */
import { ByteWriter } from '../../../src/core/base/bytes.ts';
import { field, netflow9, set, template } from '../../support/flow-exports.ts';

export const exporterAddress = '127.0.0.1';
export const recordsPerDatagram = 24;
/** 256 blocks of ours. */
export const networks = Array.from({ length: 256 }, (_, i) => `198.18.${i}.0/24`);

/** What a usual v9 template of a router holds. */
const fields = [
  [1, 4],
  [2, 4],
  [4, 1],
  [5, 1],
  [6, 1],
  [7, 2],
  [8, 4],
  [9, 1],
  [10, 4],
  [11, 2],
  [12, 4],
  [13, 1],
  [14, 4],
  [15, 4],
  [16, 4],
  [17, 4],
  [21, 4],
  [22, 4],
  [61, 1],
  [48, 1],
  [89, 1],
  [60, 1],
] as const;

const uptimeMs = 1_000_000;

export const templateDatagram = (): Uint8Array =>
  netflow9(
    0,
    [
      set(
        0,
        template(
          256,
          fields.map(([element, length]) => field(element, length)),
        ),
      ),
    ],
    {
      uptimeMs,
    },
  );

/** `count` different datagrams of inbound flows from up to 65,536 foreign networks. */
export function dataDatagrams(count: number): Uint8Array[] {
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
  return Array.from({ length: count }, () => {
    const records = Array.from({ length: recordsPerDatagram }, () => {
      const packets = 1 + random(100);
      return new ByteWriter()
        .u32(packets * (40 + random(1460)))
        .u32(packets)
        .u8(6)
        .u8(0)
        .u8(0x1b)
        .u16(443)
        .u32(0x0b00_0000 + random(65_536) * 256 + random(256))
        .u8(24)
        .u32(1)
        .u16(1024 + random(60_000))
        .u32(0xc612_0000 + random(65_536))
        .u8(24)
        .u32(2)
        .u32(0)
        .u32(64_500 + random(1000))
        .u32(64_512)
        .u32(uptimeMs - random(5000))
        .u32(uptimeMs - 5000 - random(5000))
        .u8(0)
        .u8(0)
        .u8(64)
        .u8(4)
        .finish();
    });
    return netflow9(0, [set(256, ...records)], { uptimeMs });
  });
}

/** Writes what changes from datagram to datagram: the sequence number and the exporter's clock. */
export function stamp(datagram: Uint8Array, sequence: number, nowMs: number): void {
  const view = new DataView(datagram.buffer, datagram.byteOffset);
  view.setUint32(8, Math.floor(nowMs / 1000));
  view.setUint32(12, sequence);
}
