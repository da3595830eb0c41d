import { StringDecoder } from 'node:string_decoder';

/**
 * Cuts a byte stream into lines. Gives `undefined` once for a line above `bytesMax` and nothing after it:
 * the stream is then of no use.
 */
export class LineCutter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #bytesMax: number;
  /** Pieces of a line not ended yet: joined once, so that a long response costs its length and not its square. */
  #pieces: string[] = [];
  #length = 0;

  constructor(bytesMax = Number.POSITIVE_INFINITY) {
    this.#bytesMax = bytesMax;
  }

  *push(chunk: Buffer): Generator<string | undefined> {
    const parts = this.#decoder.write(chunk).split('\n');
    for (const [i, part] of parts.entries()) {
      this.#pieces.push(part);
      this.#length += part.length;
      if (this.#length > this.#bytesMax) {
        yield undefined;
        return;
      }
      if (i === parts.length - 1) return;
      yield this.#pieces.join('');
      this.#pieces = [];
      this.#length = 0;
    }
  }
}
