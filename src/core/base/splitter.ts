import { PendingBytes } from './pending-bytes.ts';
import { err, ok, type Result } from './result.ts';

/** How the messages of a stream tell their length. */
export interface Framing {
  /** Bytes needed to know a message's length. */
  readonly headerLength: number;
  /** Whole length of the message whose header is at `start`. */
  readonly lengthAt: (bytes: Uint8Array, start: number) => number;
  /** A longer (or a shorter than its header) message means that the stream is not what it should be. */
  readonly maxLength: number;
}

export interface FramingError {
  readonly code: 'frame_length';
  /** Of the message in the stream, from its beginning. */
  readonly offset: number;
  readonly length: number;
}

/**
 * Cuts a byte stream into messages that begin with their length. Feed it with `push`, then call `next` until it
 * gives undefined. After an error it gives that error for ever: the stream cannot be read further.
 */
export class Splitter {
  readonly #framing: Framing;
  readonly #pending = new PendingBytes();
  #passed = 0;
  #error: FramingError | undefined;

  constructor(framing: Framing) {
    this.#framing = framing;
  }

  push(chunk: Uint8Array): void {
    this.#pending.push(chunk);
  }

  /** A view of the next whole message. */
  next(): Result<Uint8Array, FramingError> | undefined {
    if (this.#error) return err(this.#error);
    const { headerLength, lengthAt, maxLength } = this.#framing;
    if (this.#pending.length < headerLength) return undefined;
    const length = lengthAt(this.#pending.bytes, this.#pending.start);
    if (length < headerLength || length > maxLength) {
      this.#error = { code: 'frame_length', offset: this.#passed, length };
      return err(this.#error);
    }
    if (this.#pending.length < length) return undefined;
    this.#passed += length;
    return ok(this.#pending.take(length));
  }
}

/** Big-endian, 0 to 4294967295. */
export const u32At = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0;
