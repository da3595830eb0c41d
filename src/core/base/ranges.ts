import type { Family, Prefix } from './prefix.ts';

/**
 * An immutable longest-prefix table for hot loops: nested prefixes flattened to disjoint ranges that are
 * searched by bisection. It reads the address where it stands, so that a lookup allocates nothing.
 * Made anew when the prefixes change; `PrefixTrie` is the slow, obvious model it is tested against.
 */
export class PrefixRanges {
  readonly #v4: Ranges;
  readonly #v6: Ranges;

  /** A prefix is known by its index here; of equal prefixes the last counts. */
  constructor(prefixes: readonly Prefix[]) {
    this.#v4 = flatten(prefixes, 4);
    this.#v6 = flatten(prefixes, 6);
  }

  /** Index of the longest prefix that covers the address at `at`, or -1. */
  match(family: Family, bytes: Uint8Array, at: number): number {
    return family === 4 ? matchIpv4(this.#v4, bytes, at) : matchIpv6(this.#v6, bytes, at);
  }
}

/** Range `i` begins at `starts[i]` and ends where the next begins; `owners` is -1 where no prefix covers it. */
interface Ranges {
  /** One 32-bit word each for IPv4, four for IPv6. */
  readonly starts: Uint32Array;
  readonly owners: Int32Array;
  /** IPv4: the range that holds the first address of each /16, so that the bisection begins within it. */
  readonly roots: Uint32Array;
}

function matchIpv4(ranges: Ranges, bytes: Uint8Array, at: number): number {
  const { starts, owners, roots } = ranges;
  const address = wordAt(bytes, at);
  const root = address >>> 16;
  let low = roots[root] ?? 0;
  let high = (roots[root + 1] ?? 0) + 1;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? 0) <= address) low = middle;
    else high = middle;
  }
  return owners[low] ?? -1;
}

function matchIpv6(ranges: Ranges, bytes: Uint8Array, at: number): number {
  const { starts, owners } = ranges;
  const word0 = wordAt(bytes, at);
  const word1 = wordAt(bytes, at + 4);
  let low = 0;
  let high = owners.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    const start0 = starts[middle * 4] ?? 0;
    const start1 = starts[middle * 4 + 1] ?? 0;
    const isBefore =
      start0 !== word0
        ? start0 < word0
        : start1 !== word1
          ? start1 < word1
          : isLowerHalfBefore(starts, middle * 4 + 2, bytes, at + 8);
    if (isBefore) low = middle;
    else high = middle;
  }
  return owners[low] ?? -1;
}

function isLowerHalfBefore(
  starts: Uint32Array,
  index: number,
  bytes: Uint8Array,
  at: number,
): boolean {
  const word2 = wordAt(bytes, at);
  const start2 = starts[index] ?? 0;
  return start2 !== word2 ? start2 < word2 : (starts[index + 1] ?? 0) <= wordAt(bytes, at + 4);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

interface OpenPrefix {
  readonly owner: number;
  /** First address behind the prefix. */
  readonly end: bigint;
}

function flatten(prefixes: readonly Prefix[], family: Family): Ranges {
  const bits = family === 4 ? 32n : 128n;
  const sorted = prefixes
    .map((prefix, owner) => ({ prefix, owner }))
    .filter(({ prefix }) => prefix.family === family)
    .map(({ prefix, owner }) => {
      const start = toBigint(prefix.bytes);
      return { owner, start, end: start + (1n << (bits - BigInt(prefix.length))) };
    })
    // Wider ranges first, so that a nested one finds its cover open.
    .sort((a, b) => (a.start === b.start ? compare(b.end, a.end) : compare(a.start, b.start)));
  const bounds: { start: bigint; owner: number }[] = [{ start: 0n, owner: -1 }];
  const open: OpenPrefix[] = [];
  const closeBefore = (address: bigint) => {
    for (let top = open.at(-1); top && top.end <= address; top = open.at(-1)) {
      open.pop();
      setBound(bounds, top.end, open.at(-1)?.owner ?? -1);
    }
  };
  for (const { owner, start, end } of sorted) {
    closeBefore(start);
    setBound(bounds, start, owner);
    open.push({ owner, end });
  }
  closeBefore(1n << bits);
  // The bound behind the last address of all begins no range.
  const inside = bounds.filter(({ start }) => start < 1n << bits);
  const words = Number(bits) / 32;
  const starts = new Uint32Array(inside.length * words);
  for (const [i, { start }] of inside.entries()) {
    for (let word = 0; word < words; word++) {
      starts[i * words + word] = Number((start >> BigInt((words - 1 - word) * 32)) & 0xffffffffn);
    }
  }
  const owners = Int32Array.from(inside, ({ owner }) => owner);
  return { starts, owners, roots: family === 4 ? rootsOf(starts) : new Uint32Array(0) };
}

function rootsOf(starts: Uint32Array): Uint32Array {
  const roots = new Uint32Array(65_537);
  let range = 0;
  for (let root = 0; root < 65_536; root++) {
    while ((starts[range + 1] ?? Number.POSITIVE_INFINITY) <= root * 65_536) range++;
    roots[root] = range;
  }
  roots[65_536] = starts.length - 1;
  return roots;
}

function setBound(bounds: { start: bigint; owner: number }[], start: bigint, owner: number): void {
  const last = bounds.at(-1);
  if (last?.start === start) last.owner = owner;
  else bounds.push({ start, owner });
}

function toBigint(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const octet of bytes) value = (value << 8n) | BigInt(octet);
  return value;
}

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
