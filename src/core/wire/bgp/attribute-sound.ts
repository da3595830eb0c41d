import { AttributeCursor } from './attribute-cursor.ts';
import type { AttributeContext } from './attributes.ts';
import { attributeFlag, attributeType } from './codes.ts';

const wellKnown = attributeFlag.transitive;
const optionalTransitive = attributeFlag.optional | attributeFlag.transitive;
const optionalOnly = attributeFlag.optional;
const kindBits = attributeFlag.optional | attributeFlag.transitive;
const sequence = 2;
/** Seen attributes are bits of one number: those above cannot be tracked, and are left to the decoder. */
const highestTracked = 31;
/** One for all calls: it holds nothing from one to the next. */
const cursor = new AttributeCursor();

/**
 * Whether a whole block of attributes surely has no flaw and everything that a route needs, at the cost of one look
 * at each octet and no object. It recognises what nearly every route carries; `false` means only that
 * `decodeAttributes` must say. (The tests hold the two against each other: what is sound here decodes without error.)
 * AS numbers have four octets; MP_REACH_NLRI holds no prefixes, as in the attribute store.
 */
export function isSoundBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  { isInternal }: Pick<AttributeContext, 'isInternal'>,
): boolean {
  let seen = 0;
  cursor.open(bytes, start, end);
  while (cursor.next()) {
    const { flags, type, valueAt, valueEnd } = cursor;
    const bit = 1 << type;
    if (type > highestTracked || (seen & bit) !== 0) return false;
    if (!isSound(bytes, valueAt, valueEnd - valueAt, flags & kindBits, type, isInternal))
      return false;
    seen |= bit;
  }
  if (cursor.isBroken) return false;
  const has = (type: number) => (seen & (1 << type)) !== 0;
  const hasNextHop = has(attributeType.nextHop) || has(attributeType.mpReach);
  return has(attributeType.origin) && has(attributeType.asPath) && hasNextHop;
}

function isSound(
  bytes: Uint8Array,
  at: number,
  size: number,
  kind: number,
  type: number,
  isInternal: boolean,
): boolean {
  switch (type) {
    case attributeType.origin:
      return kind === wellKnown && size === 1 && (bytes[at] ?? 0) <= 2;
    case attributeType.asPath:
      return kind === wellKnown && isSequences(bytes, at, at + size);
    case attributeType.nextHop:
      return kind === wellKnown && size === 4 && isHost(bytes[at] ?? 0);
    case attributeType.med:
      return kind === optionalOnly && size === 4;
    case attributeType.localPref:
      return kind === wellKnown && size === 4 && isInternal;
    case attributeType.atomicAggregate:
      return kind === wellKnown && size === 0;
    case attributeType.aggregator:
      return kind === optionalTransitive && size === 8 && !isZero(bytes, at);
    case attributeType.communities:
      return kind === optionalTransitive && size > 0 && size % 4 === 0;
    case attributeType.extendedCommunities:
      return kind === optionalTransitive && size > 0 && size % 8 === 0;
    case attributeType.mpReach:
      return kind === optionalOnly && isReach(bytes, at, size);
    default:
      return false;
  }
}

/** AS_PATH of sequences alone, without AS 0 (RFC 7607). */
function isSequences(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const count = bytes[at + 1] ?? 0;
    const next = at + 2 + count * 4;
    if (bytes[at] !== sequence || count === 0 || next > end) return false;
    for (let asn = at + 2; asn < next; asn += 4) {
      if (isZero(bytes, asn)) return false;
    }
    at = next;
  }
  return true;
}

/** IPv6 unicast with a next hop and no prefixes. */
function isReach(bytes: Uint8Array, at: number, size: number): boolean {
  const hop = bytes[at + 3] ?? 0;
  if (u16(bytes, at) !== 2 || bytes[at + 2] !== 1) return false;
  return (hop === 16 || hop === 32) && size === 5 + hop;
}

const u16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const isZero = (bytes: Uint8Array, at: number): boolean =>
  (bytes[at] ?? 0) === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 0 && bytes[at + 3] === 0;
/** RFC 4271 section 6.3, by the first octet. */
const isHost = (first: number): boolean => first !== 0 && first !== 127 && first < 224;
