import { PendingBytes } from '../../base/pending-bytes.ts';
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
  readonly #pending = new PendingBytes();
  #error: BgpError | undefined;

  constructor(maxLength = maxMessageLength) {
    this.maxLength = maxLength;
  }

  /** Bytes that wait for the rest of their message, or to be taken. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  push(chunk: Uint8Array): void {
    this.#pending.push(chunk);
  }

  next(): Result<Frame, BgpError> | undefined {
    if (this.#error) return err(this.#error);
    if (this.#pending.length < headerLength) return undefined;
    const { bytes, start } = this.#pending;
    const length = ((bytes[start + 16] ?? 0) << 8) | (bytes[start + 17] ?? 0);
    const type = bytes[start + 18] ?? 0;
    const error = checkHeader(bytes, start, length, type, this.maxLength);
    if (error) {
      this.#error = error;
      return err(error);
    }
    if (this.#pending.length < length) return undefined;
    return ok({ type, bytes: this.#pending.take(length) });
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
