import { err, ok, type Result } from '../../base/result.ts';
import { headerLength, maxMessageLength, messageType } from './codes.ts';
import { type BgpError, headerError } from './error.ts';

/** One whole message: `bytes` starts at the marker. A view of the stream's buffer, not a copy. */
export interface Frame {
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** The least length of each type of message (RFC 4271 section 4, RFC 2918). */
const minLengths: Readonly<Record<number, number>> = {
  [messageType.open]: 29,
  [messageType.update]: 23,
  [messageType.notification]: 21,
  [messageType.keepalive]: 19,
  [messageType.routeRefresh]: 23,
};

/**
 * Cuts a byte stream into messages. Feed it with `push`, then call `next` until it gives undefined.
 * After an error it gives that error for ever: the stream cannot be read further.
 */
export class MessageSplitter {
  /** 4096, or 65535 once extended messages are agreed (RFC 8654). */
  maxLength: number;
  #pending: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #error: BgpError | undefined;

  constructor(maxLength = maxMessageLength) {
    this.maxLength = maxLength;
  }

  /** Bytes that wait for the rest of their message, or to be taken. */
  get pendingBytes(): number {
    return this.#pending.length - this.#offset;
  }

  push(chunk: Uint8Array): void {
    const rest = this.#pending.subarray(this.#offset);
    this.#offset = 0;
    if (rest.length === 0) {
      this.#pending = chunk;
      return;
    }
    const joined = new Uint8Array(rest.length + chunk.length);
    joined.set(rest);
    joined.set(chunk, rest.length);
    this.#pending = joined;
  }

  next(): Result<Frame, BgpError> | undefined {
    if (this.#error) return err(this.#error);
    const bytes = this.#pending;
    const start = this.#offset;
    if (bytes.length - start < headerLength) return undefined;
    const length = ((bytes[start + 16] ?? 0) << 8) | (bytes[start + 17] ?? 0);
    const type = bytes[start + 18] ?? 0;
    const error = checkHeader(bytes, start, length, type, this.maxLength);
    if (error) {
      this.#error = error;
      return err(error);
    }
    if (bytes.length - start < length) return undefined;
    this.#offset = start + length;
    return ok({ type, bytes: bytes.subarray(start, start + length) });
  }
}

/** RFC 4271 section 6.1, in its order: marker, length, type. */
function checkHeader(
  bytes: Uint8Array,
  start: number,
  length: number,
  type: number,
  maxLength: number,
): BgpError | undefined {
  for (let i = 0; i < 16; i++) {
    if (bytes[start + i] !== 0xff) return headerError('marker', 1, i);
  }
  const wrongLength = () => headerError('length', 2, 16, bytes.slice(start + 16, start + 18));
  const limit =
    type === messageType.open || type === messageType.keepalive ? maxMessageLength : maxLength;
  if (length < headerLength || length > limit) return wrongLength();
  const least = minLengths[type];
  if (least === undefined) return headerError('type', 3, 18, bytes.slice(start + 18, start + 19));
  const isWrong = type === messageType.keepalive ? length !== least : length < least;
  // A ROUTE-REFRESH of a wrong length has an error of its own (RFC 7313 section 5), found by its decoder.
  if (isWrong && type !== messageType.routeRefresh) return wrongLength();
  return undefined;
}
