/** Bodies of the history's tables: JSON, deflated. */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { jsonSliced } from '../core/base/json-slices.ts';
import { type Sliced, whole } from '../core/base/slices.ts';

/** Characters that are deflated at once: about a millisecond. */
const chunkLength = 65_536;
/** Level 1: three quarters of the gain at a quarter of the time, and the cycle waits for it. */
const level = 1;

export const pack = (value: unknown): Buffer => whole(packSliced(value));

/** Each chunk ends on a whole octet (a full flush), so that one after the other they are one deflated body. */
export function* packSliced(value: unknown): Sliced<Buffer> {
  const parts: Buffer[] = [];
  let texts: string[] = [];
  let length = 0;
  const flush = (finishFlush: number) => {
    parts.push(deflateRawSync(texts.join(''), { level, finishFlush }));
    texts = [];
    length = 0;
  };
  const work = jsonSliced(value, (text) => {
    texts.push(text);
    length += text.length;
  });
  while (!work.next().done) {
    if (length >= chunkLength) flush(constants.Z_FULL_FLUSH);
    yield;
  }
  flush(constants.Z_FINISH);
  return Buffer.concat(parts);
}

/** What `pack` wrote: the file is ours, and its version was compared when it was opened. */
export function unpack<T>(body: Buffer): T {
  return JSON.parse(inflateRawSync(body).toString()) as T;
}
