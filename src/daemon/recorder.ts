import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { HeadgateError } from '../core/base/error.ts';
import { jsonSliced } from '../core/base/json-slices.ts';
import type { Sliced } from '../core/base/slices.ts';
import type { Cycle, CycleInput } from '../history/index.ts';

export interface RecorderOptions {
  readonly path: string;
  /** At this size the file becomes PATH.1, in place of the one before: twice this much is on disk at most. */
  readonly bytesMax: number;
}

/**
 * Writes the input of each decision as one line of JSON: what tests and a replay of decisions read. A bug report
 * is this file. A disk that refuses loses the line and counts it.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  #file: number | undefined;
  #bytes = 0;
  /** Lines that were not written. */
  lost = 0;

  /** Throws HeadgateError `record_failed`. */
  constructor(options: RecorderOptions) {
    this.#options = options;
    try {
      mkdirSync(dirname(options.path), { recursive: true });
      this.#open();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new HeadgateError(
        'record_failed',
        `cannot record to ${options.path}: ${reason}; set record.path to a place that can be written`,
        { cause },
      );
    }
  }

  *writeSliced({ observation, policy, before, mode, isCarriedOut }: Cycle): Sliced<void> {
    const input: CycleInput = { observation, policy, before, mode, isCarriedOut };
    const texts: string[] = [];
    yield* jsonSliced(input, (text) => texts.push(text));
    const line = Buffer.from(`${texts.join('')}\n`);
    yield;
    try {
      if (this.#bytes > 0 && this.#bytes + line.length > this.#options.bytesMax) this.#rotate();
      if (this.#file === undefined) this.#open();
      if (this.#file === undefined) return;
      const written = writeSync(this.#file, line);
      // A disk that is nearly full takes a part: no half line may stand before the next one.
      if (written < line.length) {
        ftruncateSync(this.#file, this.#bytes);
        throw new Error('short write');
      }
      this.#bytes += written;
    } catch {
      this.lost++;
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #rotate(): void {
    this.close();
    renameSync(this.#options.path, `${this.#options.path}.1`);
    this.#open();
  }

  #open(): void {
    this.#file = openSync(this.#options.path, 'a', 0o600);
    this.#bytes = fstatSync(this.#file).size;
  }
}
