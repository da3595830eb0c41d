/** What of a byte stream has come and was not taken yet, for those who cut it into messages. */
export class PendingBytes {
  /** What waits begins at `start`; valid until the next `push`. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;

  get length(): number {
    return this.bytes.length - this.start;
  }

  /** The chunk is kept, not copied, where nothing waits: its owner must not write to it again. */
  push(chunk: Uint8Array): void {
    const rest = this.bytes.subarray(this.start);
    this.start = 0;
    if (rest.length === 0) {
      this.bytes = chunk;
      return;
    }
    const joined = new Uint8Array(rest.length + chunk.length);
    joined.set(rest);
    joined.set(chunk, rest.length);
    this.bytes = joined;
  }

  /** A view of the next `length` octets, which no longer wait. */
  take(length: number): Uint8Array {
    this.start += length;
    return this.bytes.subarray(this.start - length, this.start);
  }
}
