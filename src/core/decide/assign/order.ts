/**
 * Indices of `keys` in ascending order; keys are 0 or more. Sorting numbers alone is many times faster than by a
 * comparison: each key's last bits give way to its index, so keys that differ by less than about 2^(bits - 52) of
 * their size count as equal and stand in the order of their indices.
 */
export function ascending(keys: Float64Array): Int32Array {
  const count = keys.length;
  const mask = 2 ** indexBits(count) - 1;
  const packed = Float64Array.from(keys);
  const words = new Uint32Array(packed.buffer);
  // Where the lower half of a number is: the machines we run on are little-endian, but it costs nothing to ask.
  const low = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 0 : 1;
  for (let i = 0; i < count; i++) {
    const at = 2 * i + low;
    words[at] = (((words[at] ?? 0) & ~mask) | i) >>> 0;
  }
  packed.sort();
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) order[i] = (words[2 * i + low] ?? 0) & mask;
  return order;
}

/** Keys whose difference is at most this share of their size may stand in either order. */
export const resolution = (count: number): number => 2 ** (indexBits(count) - 51);

const indexBits = (count: number): number => Math.max(1, Math.ceil(Math.log2(Math.max(2, count))));
