import { ByteWriter } from '../../base/bytes.ts';
import { headerLength } from './codes.ts';

/** A whole message: marker of ones, length, type, body. */
export function encodeMessage(type: number, body: Uint8Array): Uint8Array {
  const writer = new ByteWriter(headerLength + body.length);
  for (let i = 0; i < 4; i++) writer.u32(0xffffffff);
  return writer
    .u16(headerLength + body.length)
    .u8(type)
    .put(body)
    .finish();
}
