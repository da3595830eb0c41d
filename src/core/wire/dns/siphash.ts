/**
 * SipHash-2-4 with 64 bits of output (Aumasson and Bernstein, 2012), as interoperable DNS cookies use
 * it (RFC 9018 section 4.4). 64-bit words as pairs of 32-bit halves: no BigInt on the path of a query.
 * `key` has 16 octets; the result 8, in the little-endian order of the paper.
 */
export function sipHash24(key: Uint8Array, message: Uint8Array): Uint8Array {
  const k = words(key, 16);
  const [k0l = 0, k0h = 0, k1l = 0, k1h = 0] = k;
  // v0..v3 as (low, high).
  const v = Int32Array.of(
    k0l ^ 0x70736575,
    k0h ^ 0x736f6d65,
    k1l ^ 0x6e646f6d,
    k1h ^ 0x646f7261,
    k0l ^ 0x6e657261,
    k0h ^ 0x6c796765,
    k1l ^ 0x79746573,
    k1h ^ 0x74656462,
  );
  const padded = new Uint8Array((message.length + 8) & ~7);
  padded.set(message);
  padded[padded.length - 1] = message.length;
  const m = words(padded, padded.length);
  for (let i = 0; i < m.length; i += 2) {
    xor(v, 3, m[i] ?? 0, m[i + 1] ?? 0);
    round(v);
    round(v);
    xor(v, 0, m[i] ?? 0, m[i + 1] ?? 0);
  }
  xor(v, 2, 0xff, 0);
  for (let i = 0; i < 4; i++) round(v);
  const low = at(v, 0) ^ at(v, 2) ^ at(v, 4) ^ at(v, 6);
  const high = at(v, 1) ^ at(v, 3) ^ at(v, 5) ^ at(v, 7);
  return Uint8Array.of(
    ...[0, 8, 16, 24].map((shift) => low >>> shift),
    ...[0, 8, 16, 24].map((shift) => high >>> shift),
  );
}

function round(v: Int32Array): void {
  add(v, 0, 1);
  rotate(v, 1, 13);
  xor(v, 1, at(v, 0), at(v, 1));
  rotate(v, 0, 32);
  add(v, 2, 3);
  rotate(v, 3, 16);
  xor(v, 3, at(v, 4), at(v, 5));
  add(v, 0, 3);
  rotate(v, 3, 21);
  xor(v, 3, at(v, 0), at(v, 1));
  add(v, 2, 1);
  rotate(v, 1, 17);
  xor(v, 1, at(v, 4), at(v, 5));
  rotate(v, 2, 32);
}

const at = (v: Int32Array, index: number): number => v[index] ?? 0;

function xor(v: Int32Array, word: number, low: number, high: number): void {
  v[word * 2] = at(v, word * 2) ^ low;
  v[word * 2 + 1] = at(v, word * 2 + 1) ^ high;
}

/** v[a] += v[b]. */
function add(v: Int32Array, a: number, b: number): void {
  const low = (at(v, a * 2) >>> 0) + (at(v, b * 2) >>> 0);
  v[a * 2] = low;
  v[a * 2 + 1] = at(v, a * 2 + 1) + at(v, b * 2 + 1) + (low > 0xffffffff ? 1 : 0);
}

function rotate(v: Int32Array, word: number, bits: number): void {
  let low = at(v, word * 2);
  let high = at(v, word * 2 + 1);
  if (bits >= 32) [low, high] = [high, low];
  const rest = bits & 31;
  if (rest > 0)
    [low, high] = [(low << rest) | (high >>> (32 - rest)), (high << rest) | (low >>> (32 - rest))];
  v[word * 2] = low;
  v[word * 2 + 1] = high;
}

/** Little-endian 32-bit words. */
function words(bytes: Uint8Array, length: number): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  return Int32Array.from({ length: length / 4 }, (_, i) => view.getInt32(i * 4, true));
}
