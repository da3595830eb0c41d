import type { ByteReader } from '../../base/bytes.ts';
import { formatAddress } from '../../base/prefix.ts';
import {
  type Aggregator,
  type AsPathSegment,
  type AttributeContext,
  type MpReach,
  type MpUnreach,
  type OpaqueAttribute,
  origins,
  type PathAttributes,
  segmentKinds,
} from './attributes.ts';
import { asTrans, attributeFlag, attributeType, familyOf, notificationCode } from './codes.ts';
import type { BgpError, Reaction } from './error.ts';
import { decodeNlri } from './nlri.ts';

/** What a block of path attributes holds, and what was wrong with it. */
export interface DecodedAttributes {
  readonly attributes: PathAttributes;
  readonly mpReach?: MpReach;
  readonly mpUnreach?: MpUnreach;
  /** Families in MP attributes that we do not hold routes of: passed over. */
  readonly ignoredFamilies: number;
  /** In the order found. One with `reset_session` ends the decoding. */
  readonly errors: readonly BgpError[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What the decoders below write to. */
interface Draft {
  readonly attributes: Writable<PathAttributes>;
  readonly context: AttributeContext;
  mpReach?: MpReach;
  mpUnreach?: MpUnreach;
  /** From a peer without four-octet AS numbers (RFC 6793), until they are merged. */
  as4Path?: readonly AsPathSegment[];
  as4Aggregator?: Aggregator;
  ignoredFamilies: number;
}

/** Undefined when all is well, else what is wrong and what follows. */
type Finding = { readonly code: string; readonly reaction: Reaction; readonly subcode: number };
type Decoder = (value: ByteReader, draft: Draft, flags: number) => Finding | undefined;

interface Rule {
  /** The Optional and Transitive bits that RFC 4271 section 5 or the attribute's own document specifies. */
  readonly flags: number;
  readonly decode: Decoder;
}

const wellKnown = attributeFlag.transitive;
const optionalTransitive = attributeFlag.optional | attributeFlag.transitive;
const optionalOnly = attributeFlag.optional;
const kindBits = attributeFlag.optional | attributeFlag.transitive;

const subcode = {
  list: 1,
  unrecognized: 2,
  missing: 3,
  flags: 4,
  length: 5,
  origin: 6,
  nextHop: 8,
  optional: 9,
  asPath: 11,
} as const;

/**
 * Reads a block of path attributes with the reactions of RFC 7606 section 7.
 * It says nothing of attributes that are missing: that depends on what the message announces (`update.ts`).
 */
export function decodeAttributes(reader: ByteReader, context: AttributeContext): DecodedAttributes {
  const errors: BgpError[] = [];
  const draft: Draft = { attributes: {}, context, ignoredFamilies: 0 };
  const seen = new Set<number>();
  while (reader.remaining > 0) {
    const at = reader.position;
    const flags = reader.u8();
    const type = reader.u8();
    const length = flags & attributeFlag.extendedLength ? reader.u16() : reader.u8();
    const value = reader.sub(length);
    if (reader.isShort) {
      // RFC 7606 section 4: the attributes overrun their field, which itself can still be found.
      errors.push(attributeError(overrun, at, type));
      break;
    }
    const finding = seen.has(type) ? repeated(type) : decodeOne(type, flags, value, draft);
    seen.add(type);
    if (!finding) continue;
    errors.push(attributeError(finding, at, type));
    if (finding.reaction === 'reset_session') break;
  }
  mergeAs4(draft);
  return {
    attributes: draft.attributes,
    ...(draft.mpReach ? { mpReach: draft.mpReach } : {}),
    ...(draft.mpUnreach ? { mpUnreach: draft.mpUnreach } : {}),
    ignoredFamilies: draft.ignoredFamilies,
    errors,
  };
}

const overrun: Finding = {
  code: 'attributes_overrun',
  reaction: 'treat_as_withdraw',
  subcode: subcode.list,
};

/** RFC 7606 section 3 (g): two lists of prefixes reset the session; of anything else the first counts. */
function repeated(type: number): Finding {
  const isMp = type === attributeType.mpReach || type === attributeType.mpUnreach;
  return {
    code: 'attribute_repeated',
    reaction: isMp ? 'reset_session' : 'discard_attribute',
    subcode: subcode.list,
  };
}

function decodeOne(
  type: number,
  flags: number,
  value: ByteReader,
  draft: Draft,
): Finding | undefined {
  const rule = rules[type];
  if (!rule) return decodeUnknown(type, flags, value, draft);
  if ((flags & kindBits) !== rule.flags) {
    const isMp = type === attributeType.mpReach || type === attributeType.mpUnreach;
    // RFC 7606 section 3 (c). Prefixes of an MP attribute must still be known to be withdrawn: they are read.
    if (isMp) {
      const finding = rule.decode(value, draft, flags);
      if (finding) return finding;
    }
    return { code: 'attribute_flags', reaction: 'treat_as_withdraw', subcode: subcode.flags };
  }
  return rule.decode(value, draft, flags);
}

function decodeUnknown(
  type: number,
  flags: number,
  value: ByteReader,
  draft: Draft,
): Finding | undefined {
  if (!(flags & attributeFlag.optional))
    return {
      code: 'unrecognized_well_known',
      reaction: 'reset_session',
      subcode: subcode.unrecognized,
    };
  // RFC 4271 section 9: a non-transitive one that is not recognized is quietly ignored.
  if (flags & attributeFlag.transitive) keepOpaque(type, flags, value, draft);
  return undefined;
}

function keepOpaque(type: number, flags: number, value: ByteReader, draft: Draft): undefined {
  const opaque: OpaqueAttribute = {
    type,
    flags: flags & ~attributeFlag.extendedLength,
    value: value.take(value.remaining).slice(),
  };
  draft.attributes.opaque = [...(draft.attributes.opaque ?? []), opaque];
}

const withdraw = (code: string, sub: number): Finding => ({
  code,
  reaction: 'treat_as_withdraw',
  subcode: sub,
});
const discard = (code: string, sub: number): Finding => ({
  code,
  reaction: 'discard_attribute',
  subcode: sub,
});
const reset = (code: string, sub: number): Finding => ({
  code,
  reaction: 'reset_session',
  subcode: sub,
});

/** An attribute of exactly `length` octets. */
const fixed =
  (
    length: number,
    code: string,
    read: (value: ByteReader, draft: Draft) => Finding | undefined,
  ): Decoder =>
  (value, draft) =>
    value.remaining === length ? read(value, draft) : withdraw(`${code}_length`, subcode.length);

/** One or more items of `size` octets (RFC 7606 sections 7.8, 7.10, 7.14; RFC 8092 section 5). */
const list =
  (size: number, code: string, read: (value: ByteReader, draft: Draft) => void): Decoder =>
  (value, draft) => {
    if (value.remaining === 0 || value.remaining % size !== 0)
      return withdraw(`${code}_length`, subcode.optional);
    read(value, draft);
    return undefined;
  };

/** Means nothing from another AS: left out there (RFC 7606 sections 7.5, 7.9, 7.10). */
const internalOnly =
  (code: string, decode: Decoder): Decoder =>
  (value, draft, flags) =>
    draft.context.isInternal
      ? decode(value, draft, flags)
      : discard(`${code}_external`, subcode.optional);

function readAll<T>(value: ByteReader, read: () => T): T[] {
  const items: T[] = [];
  while (value.remaining > 0) items.push(read());
  return items;
}

const rules: Readonly<Record<number, Rule>> = {
  [attributeType.origin]: {
    flags: wellKnown,
    decode: fixed(1, 'origin', (value, draft) => {
      const origin = origins[value.u8()];
      if (!origin) return withdraw('origin_value', subcode.origin);
      draft.attributes.origin = origin;
      return undefined;
    }),
  },
  [attributeType.asPath]: {
    flags: wellKnown,
    decode: (value, draft) => {
      const path = readAsPath(value, draft.context.as4);
      if (typeof path === 'string') return withdraw(path, subcode.asPath);
      draft.attributes.asPath = path;
      const hasSet = path.some(({ kind }) => kind === 'set' || kind === 'confed_set');
      if (hasSet && !draft.context.acceptAsSets) return withdraw('as_set', subcode.asPath);
      return undefined;
    },
  },
  [attributeType.nextHop]: {
    flags: wellKnown,
    decode: fixed(4, 'next_hop', (value, draft) => {
      const bytes = value.take(4);
      const first = bytes[0] ?? 0;
      // RFC 4271 section 6.3: not a valid host address.
      if (first === 0 || first === 127 || first >= 224)
        return withdraw('next_hop_value', subcode.nextHop);
      draft.attributes.nextHop = formatAddress(bytes);
      return undefined;
    }),
  },
  [attributeType.med]: {
    flags: optionalOnly,
    decode: fixed(4, 'med', (value, draft) => {
      draft.attributes.med = value.u32();
      return undefined;
    }),
  },
  [attributeType.localPref]: {
    flags: wellKnown,
    decode: internalOnly(
      'local_pref',
      fixed(4, 'local_pref', (value, draft) => {
        draft.attributes.localPref = value.u32();
        return undefined;
      }),
    ),
  },
  [attributeType.atomicAggregate]: {
    flags: wellKnown,
    decode: (value, draft) => {
      if (value.remaining !== 0) return discard('atomic_aggregate_length', subcode.length);
      draft.attributes.atomicAggregate = true;
      return undefined;
    },
  },
  [attributeType.aggregator]: {
    flags: optionalTransitive,
    decode: (value, draft) => {
      const aggregator = readAggregator(value, draft.context.as4);
      if (!aggregator) return discard('aggregator_length', subcode.length);
      // RFC 7607: AS 0 stands for no AS.
      if (aggregator.asn === 0) return discard('aggregator_as_zero', subcode.optional);
      draft.attributes.aggregator = aggregator;
      return undefined;
    },
  },
  [attributeType.communities]: {
    flags: optionalTransitive,
    decode: list(4, 'communities', (value, draft) => {
      draft.attributes.communities = readAll(value, () => [value.u16(), value.u16()] as const);
    }),
  },
  [attributeType.originatorId]: {
    flags: optionalOnly,
    decode: internalOnly(
      'originator_id',
      fixed(4, 'originator_id', (value, draft) => {
        draft.attributes.originatorId = formatAddress(value.take(4));
        return undefined;
      }),
    ),
  },
  [attributeType.clusterList]: {
    flags: optionalOnly,
    decode: internalOnly(
      'cluster_list',
      list(4, 'cluster_list', (value, draft) => {
        draft.attributes.clusterList = readAll(value, () => formatAddress(value.take(4)));
      }),
    ),
  },
  [attributeType.mpReach]: { flags: optionalOnly, decode: decodeMpReach },
  [attributeType.mpUnreach]: { flags: optionalOnly, decode: decodeMpUnreach },
  [attributeType.extendedCommunities]: {
    flags: optionalTransitive,
    decode: list(8, 'extended_communities', (value, draft) => {
      draft.attributes.extendedCommunities = readAll(value, () => hex(value.take(8)));
    }),
  },
  [attributeType.as4Path]: {
    flags: optionalTransitive,
    decode: (value, draft) => {
      // RFC 6793 section 4.1: a speaker of four octets must not send it.
      if (draft.context.as4) return discard('as4_path_unwanted', subcode.optional);
      const path = readAsPath(value, true);
      if (typeof path === 'string') return discard('as4_path', subcode.optional);
      draft.as4Path = path;
      return undefined;
    },
  },
  [attributeType.as4Aggregator]: {
    flags: optionalTransitive,
    decode: (value, draft) => {
      if (draft.context.as4) return discard('as4_aggregator_unwanted', subcode.optional);
      const aggregator = readAggregator(value, true);
      if (!aggregator) return discard('as4_aggregator_length', subcode.optional);
      draft.as4Aggregator = aggregator;
      return undefined;
    },
  },
  [attributeType.ipv6ExtendedCommunities]: {
    flags: optionalTransitive,
    decode: (value, draft, flags) => {
      // RFC 7606 section 7.15.
      if (value.remaining === 0 || value.remaining % 20 !== 0)
        return withdraw('ipv6_extended_communities_length', subcode.optional);
      return keepOpaque(attributeType.ipv6ExtendedCommunities, flags, value, draft);
    },
  },
  // RFC 7311 section 3.4: on a session where it was not asked for it is ignored.
  [attributeType.aigp]: {
    flags: optionalOnly,
    decode: () => discard('aigp_unwanted', subcode.optional),
  },
  [attributeType.largeCommunities]: {
    flags: optionalTransitive,
    decode: list(12, 'large_communities', (value, draft) => {
      draft.attributes.largeCommunities = readAll(
        value,
        () => [value.u32(), value.u32(), value.u32()] as const,
      );
    }),
  },
  [attributeType.onlyToCustomer]: {
    flags: optionalTransitive,
    decode: fixed(4, 'only_to_customer', (value, draft) => {
      draft.attributes.onlyToCustomer = value.u32();
      return undefined;
    }),
  },
};

/** RFC 7606 section 7.2. A string names what is wrong. */
function readAsPath(value: ByteReader, as4: boolean): AsPathSegment[] | string {
  const path: AsPathSegment[] = [];
  while (value.remaining > 0) {
    const kind = segmentKinds[value.u8() - 1];
    const count = value.u8();
    if (!kind) return 'as_path_segment_type';
    if (count === 0) return 'as_path_segment_empty';
    if (value.isShort || value.remaining < count * (as4 ? 4 : 2)) return 'as_path_overrun';
    const asns: number[] = [];
    for (let i = 0; i < count; i++) asns.push(as4 ? value.u32() : value.u16());
    // RFC 7607 section 2.
    if (asns.includes(0)) return 'as_path_as_zero';
    path.push({ kind, asns });
  }
  return value.isShort ? 'as_path_overrun' : path;
}

function readAggregator(value: ByteReader, as4: boolean): Aggregator | undefined {
  if (value.remaining !== (as4 ? 8 : 6)) return undefined;
  const asn = as4 ? value.u32() : value.u16();
  return { asn, address: formatAddress(value.take(4)) };
}

/** RFC 4760 section 3; what cannot be read to its last prefix resets the session (RFC 7606 section 7.11). */
function decodeMpReach(value: ByteReader, draft: Draft): Finding | undefined {
  if (draft.context.isRibDump) return decodeDumpedNextHop(value, draft);
  const afi = value.u16();
  const safi = value.u8();
  const nextHop = value.take(value.u8());
  // Once the number of SNPAs, now reserved and ignored.
  value.skip(1);
  if (value.isShort) return reset('mp_reach_short', subcode.optional);
  const family = familyOf(afi, safi);
  if (!family) {
    draft.ignoredFamilies++;
    return undefined;
  }
  if (!isNextHopLength(family, nextHop.length))
    return reset('mp_reach_next_hop_length', subcode.optional);
  const { nlri, error } = decodeNlri(value, family, draft.context.addPath[family]);
  if (error) return reset(`mp_reach_${error.code}`, subcode.optional);
  draft.mpReach = { family, ...nextHopTexts(nextHop), nlri };
  return undefined;
}

function decodeDumpedNextHop(value: ByteReader, draft: Draft): Finding | undefined {
  // Some writers dump the whole attribute all the same: a zero where the next hop's length should be.
  if (value.bytes[0] === 0) value.skip(3);
  const nextHop = value.take(value.u8());
  const family = nextHop.length === 4 ? 4 : 6;
  if (value.isShort || !isNextHopLength(family, nextHop.length))
    return reset('mp_reach_next_hop_length', subcode.optional);
  draft.mpReach = { family, ...nextHopTexts(nextHop), nlri: [] };
  return undefined;
}

const isNextHopLength = (family: 4 | 6, length: number): boolean =>
  family === 4 ? length === 4 : length === 16 || length === 32;

function nextHopTexts(bytes: Uint8Array): { nextHop: string; linkLocalNextHop?: string } {
  if (bytes.length !== 32) return { nextHop: formatAddress(bytes) };
  return {
    nextHop: formatAddress(bytes.subarray(0, 16)),
    linkLocalNextHop: formatAddress(bytes.subarray(16)),
  };
}

function decodeMpUnreach(value: ByteReader, draft: Draft): Finding | undefined {
  const afi = value.u16();
  const safi = value.u8();
  if (value.isShort) return reset('mp_unreach_short', subcode.optional);
  const family = familyOf(afi, safi);
  if (!family) {
    draft.ignoredFamilies++;
    return undefined;
  }
  const { nlri, error } = decodeNlri(value, family, draft.context.addPath[family]);
  if (error) return reset(`mp_unreach_${error.code}`, subcode.optional);
  draft.mpUnreach = { family, nlri };
  return undefined;
}

/** RFC 6793 section 4.2.3: the tail of the path that two octets could not hold is put back. */
function mergeAs4({ attributes, as4Aggregator, as4Path }: Draft): void {
  const { aggregator, asPath } = attributes;
  // An aggregator that is not AS_TRANS says that an old speaker aggregated later: both are ignored.
  if (aggregator && as4Aggregator && aggregator.asn !== asTrans) return;
  if (aggregator && as4Aggregator) attributes.aggregator = as4Aggregator;
  if (!asPath || !as4Path) return;
  const count = (path: readonly AsPathSegment[]) =>
    path.reduce((sum, { kind, asns }) => sum + (kind === 'set' ? 1 : asns.length), 0);
  let missing = count(asPath) - count(as4Path);
  if (missing < 0) return;
  const head: AsPathSegment[] = [];
  for (const segment of asPath) {
    if (missing <= 0) break;
    const kept = segment.kind === 'set' ? segment.asns : segment.asns.slice(0, missing);
    head.push({ kind: segment.kind, asns: kept });
    missing -= segment.kind === 'set' ? 1 : kept.length;
  }
  attributes.asPath = joinPaths(head, as4Path);
}

/** Two sequences that meet become one, as if they had never been apart. */
function joinPaths(
  head: readonly AsPathSegment[],
  tail: readonly AsPathSegment[],
): readonly AsPathSegment[] {
  const last = head.at(-1);
  const first = tail[0];
  if (last?.kind !== 'sequence' || first?.kind !== 'sequence') return [...head, ...tail];
  const joined: AsPathSegment = { kind: 'sequence', asns: [...last.asns, ...first.asns] };
  return [...head.slice(0, -1), joined, ...tail.slice(1)];
}

function attributeError(finding: Finding, offset: number, attribute: number): BgpError {
  return {
    code: finding.code,
    offset,
    reaction: finding.reaction,
    attribute,
    notification: { code: notificationCode.update, subcode: finding.subcode },
  };
}

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
