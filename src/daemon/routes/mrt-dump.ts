import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { encodeMrtMessage, encodeMrtState, type MrtTime } from '../../core/wire/mrt/encode.ts';
import type { HeardMessage, HeardState } from '../../speaker/index.ts';

export interface MrtDumpOptions {
  readonly path: string;
  /** The file is renamed to `PATH.1` and begun anew before it grows beyond this. */
  readonly bytesMax: number;
  /** Milliseconds since the Unix epoch. */
  readonly wall: () => number;
}

/**
 * Writes what sessions hear as MRT records (RFC 6396, BGP4MP_ET), for bug reports. Each record goes to the system's
 * cache at once, so that a crash loses none. A disk that fails loses the dump, counted and said, and nothing else.
 */
export class MrtDump {
  readonly #options: MrtDumpOptions;
  #file: number | undefined;
  #bytes = 0;
  #lost = 0;
  #failure: string | undefined;

  /** Appends to what is there. */
  constructor(options: MrtDumpOptions) {
    this.#options = options;
    this.#attempt(() => this.#open());
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

  /** Twice is harmless. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #write(record: Uint8Array): void {
    this.#attempt(() => {
      if (this.#bytes > 0 && this.#bytes + record.length > this.#options.bytesMax) {
        this.close();
        renameSync(this.#options.path, `${this.#options.path}.1`);
        this.#open();
      }
      if (this.#file === undefined) this.#lost++;
      else this.#bytes += writeSync(this.#file, record);
    });
  }

  #open(): void {
    this.#file = openSync(this.#options.path, 'a');
    this.#bytes = fstatSync(this.#file).size;
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      this.#lost++;
      this.close();
    }
  }

  #now(): MrtTime {
    const wallMs = this.#options.wall();
    const timestampS = Math.floor(wallMs / 1000);
    return { timestampS, microseconds: Math.floor((wallMs - timestampS * 1000) * 1000) };
  }
}
