/** Half-seen sessions as the native module tells of them. */
import { createHash } from 'node:crypto';
import type { LinkId } from '../core/base/units.ts';
import type { HalfSegment } from '../core/model/halves.ts';
import { layout } from './layout.ts';
import type { HalfSampling } from './options.ts';

/** What the native module is told: the share of 2^32, and the 64 bytes of its hash's key. */
export function halfSampling({ share, key }: HalfSampling): {
  readonly halfShare: number;
  readonly halfKey: Uint8Array;
} {
  const halfKey = new Uint8Array(createHash('sha512').update(key).digest());
  return { halfShare: Math.round(share * 2 ** 32), halfKey };
}

export function readHalves(
  buffer: ArrayBuffer,
  link: (index: number) => LinkId | undefined,
): readonly HalfSegment[] {
  const { bytes, fields } = layout.records.half_segment;
  const view = new DataView(buffer);
  return Array.from({ length: Math.floor(buffer.byteLength / bytes) }, (_, i) => {
    const at = i * bytes;
    const u32 = (field: readonly [number, number]) => view.getUint32(at + field[0], true);
    const u8 = (field: readonly [number, number]) => view.getUint8(at + field[0]);
    const segment = {
      session: view
        .getBigUint64(at + fields.session[0], true)
        .toString(16)
        .padStart(16, '0'),
      timeUs: Number(view.getBigUint64(at + fields.time_ns[0], true) / 1000n),
      direction: u8(fields.direction) === 0 ? ('inbound' as const) : ('outbound' as const),
      link: link(u8(fields.link)),
      seq: u32(fields.seq),
      ack: u32(fields.ack),
      payloadBytes: u32(fields.payload_bytes),
      flags: u8(fields.flags),
    };
    const hasTimestamps = u8(fields.has_timestamps) !== 0;
    return hasTimestamps
      ? { ...segment, tsval: u32(fields.tsval), tsecr: u32(fields.tsecr) }
      : segment;
  });
}
