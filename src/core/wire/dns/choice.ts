import type { Prefix } from '../../base/prefix.ts';

/** Weights are whole numbers up to this: shares in ten-thousandths. */
export const weightMax = 10_000;

/**
 * Weighted rendezvous hashing: every provider draws a number from (name, network, provider) alone and
 * the lowest `-log2(draw) / weight` wins. Each network keeps its provider for as long as the weights
 * stay; when one weight changes, only networks that move to or from that provider change.
 * Whole numbers throughout, so that the native server chooses the same, bit for bit.
 * Returns the index, or -1 where no weight is above 0.
 */
export function chooseProvider(
  seed: number,
  providerHashes: Uint32Array,
  weights: ArrayLike<number>,
): number {
  let best = -1;
  let bestCost = 0;
  let bestWeight = 0;
  for (let i = 0; i < providerHashes.length; i++) {
    const weight = weights[i] ?? 0;
    if (weight === 0) continue;
    const cost = -log2Fixed(mix(seed ^ (providerHashes[i] ?? 0)));
    // cost / weight < bestCost / bestWeight, without the division; below 2^21 * 10^4.
    if (best < 0 || cost * bestWeight < bestCost * weight) {
      best = i;
      bestCost = cost;
      bestWeight = weight;
    }
  }
  return best;
}

/** FNV-1a, 32 bits, over `octets`, continued from `hash`. */
export function fnv1a(octets: Uint8Array, hash = 0x811c9dc5): number {
  let value = hash;
  for (const octet of octets) value = Math.imul(value ^ octet, 0x01000193);
  return value >>> 0;
}

/** FNV-1a over the characters of a name's key, each one octet. */
export function fnv1aText(key: string, hash = 0x811c9dc5): number {
  let value = hash;
  for (let i = 0; i < key.length; i++) value = Math.imul(value ^ key.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

/** The seed of a choice: the folded name's hash, then the network's address octets and length. */
export function choiceSeed(nameHash: number, network: Prefix): number {
  return fnv1a(network.bytes.subarray(0, (network.length + 7) >> 3), nameHash);
}

/** log2 of (x / 2^32) in 2^-16ths: 0 down to -2^21. Linear between 257 points, off by less than 2e-6. */
function log2Fixed(x: number): number {
  if (x === 0) return -32 * 65536;
  const exponent = 31 - Math.clz32(x);
  const mantissa = exponent === 0 ? 0 : (x << (32 - exponent)) >>> 0;
  const index = mantissa >>> 24;
  const low = log2Table[index] ?? 0;
  const high = log2Table[index + 1] ?? 0;
  const between = Math.floor(((high - low) * ((mantissa >>> 8) & 0xffff)) / 65536);
  return (exponent - 32) * 65536 + low + between;
}

/** 2^16 * log2(1 + i/256), rounded. Handed to the native server as it is. */
export const log2Table: Uint32Array = Uint32Array.from({ length: 257 }, (_, i) =>
  Math.round(65536 * Math.log2(1 + i / 256)),
);

/** The finaliser of MurmurHash3 (public domain, A. Appleby): every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
