import { assert, err, ok, type Result } from './result.ts';
import { type PrefixText, prefixText } from './units.ts';

export type Family = 4 | 6;

/** An IPv4 or IPv6 prefix. `bytes` holds 4 or 16 octets in network order with the host bits zero. */
export interface Prefix {
  readonly family: Family;
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** An address is a prefix of full length. */
export type Address = Prefix;

export interface PrefixError {
  readonly code: 'bad_address' | 'bad_length' | 'host_bits_set';
  readonly text: string;
}

export const addressBits = (family: Family): 32 | 128 => (family === 4 ? 32 : 128);

/** Makes a prefix from raw octets; host bits are cleared. */
export function makePrefix(family: Family, bytes: Uint8Array, length: number): Prefix {
  return { family, length, bytes: clearHostBits(bytes, length) };
}

/** Parses `198.51.100.0/24` or `2001:db8::/32`; host bits set is an error, so that a typing mistake is seen. */
export function parsePrefix(text: string): Result<Prefix, PrefixError> {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!address.ok) return err({ code: 'bad_address', text });
  const { family, bytes } = address.value;
  const lengthText = slash < 0 ? String(addressBits(family)) : text.slice(slash + 1);
  const length = /^\d{1,3}$/.test(lengthText) ? Number(lengthText) : Number.NaN;
  if (!(length <= addressBits(family))) return err({ code: 'bad_length', text });
  const cleared = clearHostBits(bytes, length);
  if (cleared.some((octet, i) => octet !== bytes[i])) return err({ code: 'host_bits_set', text });
  return ok({ family, length, bytes: cleared });
}

/** The prefix of a canonical text, which is valid by its type. */
export function prefixOf(text: PrefixText): Prefix {
  const parsed = parsePrefix(text);
  assert(parsed.ok, `${text} is canonical prefix text`);
  return parsed.value;
}

/** Parses an IPv4 address in dotted decimal or an IPv6 address (RFC 4291 section 2.2, without zone). */
export function parseAddress(text: string): Result<Address, PrefixError> {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text);
  if (!bytes) return err({ code: 'bad_address', text });
  return ok({ family: bytes.length === 4 ? 4 : 6, length: bytes.length * 8, bytes });
}

/** Canonical text: the key by which blocks and destinations are known. */
export function formatPrefix(prefix: Prefix): PrefixText {
  return prefixText(`${formatAddress(prefix.bytes)}/${prefix.length}`);
}

/** Dotted decimal, or RFC 5952 text. */
export function formatAddress(bytes: Uint8Array): string {
  return bytes.length === 4 ? bytes.join('.') : formatIpv6(bytes);
}

/** Whether `outer` covers `inner` (equal counts as covered). */
export function covers(outer: Prefix, inner: Prefix): boolean {
  if (outer.family !== inner.family || outer.length > inner.length) return false;
  return sharedBits(outer.bytes, inner.bytes) >= outer.length;
}

export function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && covers(a, b);
}

/** IPv4 before IPv6, then by address, then shorter first. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  if (a.family !== b.family) return a.family - b.family;
  for (let i = 0; i < a.bytes.length; i++) {
    const difference = (a.bytes[i] ?? 0) - (b.bytes[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The equal parts of `prefix` with the longer `length`, in address order; at most 2^16 of them. */
export function dividePrefix(prefix: Prefix, length: number): Prefix[] {
  const extra = length - prefix.length;
  if (extra <= 0) return [prefix];
  if (extra > 16)
    throw new RangeError(`dividing /${prefix.length} into /${length} gives too many parts`);
  const parts: Prefix[] = [];
  for (let index = 0; index < 2 ** extra; index++) {
    const bytes = prefix.bytes.slice();
    for (let bit = 0; bit < extra; bit++) {
      if ((index >> (extra - 1 - bit)) & 1) {
        const at = prefix.length + bit;
        bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (0x80 >> (at & 7));
      }
    }
    parts.push({ family: prefix.family, length, bytes });
  }
  return parts;
}

/** Bit `index` of an address, 0 being the most significant. */
export function bitAt(bytes: Uint8Array, index: number): 0 | 1 {
  return ((bytes[index >> 3] ?? 0) >> (7 - (index & 7))) & 1 ? 1 : 0;
}

function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) ^ (b[i] ?? 0);
    if (difference !== 0) return i * 8 + Math.clz32(difference) - 24;
  }
  return a.length * 8;
}

function clearHostBits(bytes: Uint8Array, length: number): Uint8Array {
  const cleared = bytes.slice();
  for (let i = length >> 3; i < cleared.length; i++) {
    const kept = Math.max(0, length - i * 8);
    cleared[i] = (cleared[i] ?? 0) & (kept >= 8 ? 0xff : 0xff00 >> kept);
  }
  return cleared;
}

/** By characters: thousands of blocks are read from their text in every cycle. */
function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  let place = 0;
  let octet = 0;
  let digits = 0;
  for (let i = 0; i <= text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) {
      // A leading zero is octal to some programs and decimal to others: refused.
      if (digits > 0 && octet === 0) return undefined;
      octet = octet * 10 + digit;
      digits++;
      if (octet > 255) return undefined;
      continue;
    }
    const isEnd = i === text.length;
    if ((!isEnd && text[i] !== '.') || digits === 0 || place === 4) return undefined;
    bytes[place++] = octet;
    octet = 0;
    digits = 0;
  }
  return place === 4 ? bytes : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '');
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '') : [];
  if (!head || !tail) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const octets: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    if (group.includes('.') && i === groups.length - 1) {
      const embedded = parseIpv4(group);
      if (!embedded) return undefined;
      octets.push(...embedded);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      octets.push(value >> 8, value & 0xff);
    } else {
      return undefined;
    }
  }
  return octets;
}

function formatIpv6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  // RFC 5952 section 4.2: the longest run of at least two zero groups, the first of equals.
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.length < 2) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}
