import { parseAddress } from '../../src/core/base/prefix.ts';

/** Which of a wire's workers carries what passes between two hosts: the model of native/kernel/spread.h. */
export function workerOf(one: string, other: string, workers: number): number {
  const [a, b] = [wordsOf(one), wordsOf(other)];
  let hash = 0x9e3779b9;
  for (const [i, word] of a.entries()) {
    const facing = b[i] ?? 0;
    hash = mix(hash, word ^ facing);
    hash = mix(hash, word + facing);
  }
  return (hash >>> 0) % workers;
}

/** As a little-endian machine reads them from the packet. */
function wordsOf(text: string): number[] {
  const address = parseAddress(text);
  if (!address.ok) throw new Error(`${text} is no address`);
  const { bytes } = address.value;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

function mix(hash: number, word: number): number {
  let h = Math.imul(hash ^ word, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
