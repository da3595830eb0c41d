import { createWriteStream, renameSync, statSync, type WriteStream } from 'node:fs';
import { HeadgateError } from '../core/base/error.ts';
import { encodeMrtMessage, encodeMrtState, type MrtTime } from '../core/wire/mrt/encode.ts';
import type { HeardMessage, HeardState } from '../speaker/index.ts';

export interface MrtDumpOptions {
  readonly path: string;
  /** The file is renamed to `PATH.1` and begun anew before it grows beyond this. */
  readonly bytesMax: number;
  /** Milliseconds since the Unix epoch. */
  readonly wall: () => number;
}

/** Bytes that wait for the disk; more are dropped and counted, so that a slow disk stops no session. */
const waitingMax = 16 << 20;

/** Writes what sessions hear as MRT records (RFC 6396, BGP4MP_ET), for bug reports. */
export class MrtDump {
  readonly #options: MrtDumpOptions;
  #stream: WriteStream;
  #bytes: number;
  #lost = 0;
  #failure: string | undefined;

  /** Appends. Throws HeadgateError `mrt_failed` when the file's folder is not there. */
  constructor(options: MrtDumpOptions) {
    this.#options = options;
    try {
      this.#bytes = statSync(options.path, { throwIfNoEntry: false })?.size ?? 0;
    } catch (cause) {
      throw new HeadgateError('mrt_failed', `${options.path} cannot be written`, { cause });
    }
    this.#stream = this.#open();
  }

  /** Records that were not written. */
  get lost(): number {
    return this.#lost;
  }

  /** Why nothing is written any more; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure;
  }

  addMessage({ ends, bytes, hasPathIds }: HeardMessage): void {
    this.#write(encodeMrtMessage(this.#now(), ends, bytes, { as4: true, hasPathIds }));
  }

  addState({ ends, from, to }: HeardState): void {
    this.#write(encodeMrtState(this.#now(), ends, from, to));
  }

  /** Resolves when everything is on disk. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stream.closed) resolve();
      else this.#stream.once('close', resolve).end();
    });
  }

  #write(record: Uint8Array): void {
    if (this.#failure !== undefined || this.#stream.writableLength > waitingMax) {
      this.#lost++;
      return;
    }
    if (this.#bytes > 0 && this.#bytes + record.length > this.#options.bytesMax) this.#turnOver();
    this.#bytes += record.length;
    this.#stream.write(record);
  }

  #turnOver(): void {
    this.#stream.end();
    renameSync(this.#options.path, `${this.#options.path}.1`);
    this.#bytes = 0;
    this.#stream = this.#open();
  }

  #open(): WriteStream {
    const stream = createWriteStream(this.#options.path, { flags: 'a' });
    stream.on('error', (error) => {
      this.#failure = error.message;
    });
    return stream;
  }

  #now(): MrtTime {
    const wallMs = this.#options.wall();
    const timestampS = Math.floor(wallMs / 1000);
    return { timestampS, microseconds: Math.floor((wallMs - timestampS * 1000) * 1000) };
  }
}
