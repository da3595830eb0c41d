/**
 * The outbound side of one session: what is desired, what may leave, what differs from what was sent, and
 * the messages that make them equal. Whatever the order of events, equal desires end in equal announcements.
 */
import { covers, type Family, formatPrefix, type Prefix, parsePrefix } from '../base/prefix.ts';
import { assert } from '../base/result.ts';
import type { Asn, PrefixText } from '../base/units.ts';
import { encodeAttributes } from '../wire/bgp/attribute-encode.ts';
import type { PathAttributes } from '../wire/bgp/attributes.ts';
import { headerLength, maxExtendedLength, maxMessageLength } from '../wire/bgp/codes.ts';
import { nlriLength } from '../wire/bgp/nlri.ts';
import { encodeUpdate, type Update } from '../wire/bgp/update.ts';
import type { Announcement } from './announcement.ts';
import type { Negotiated } from './negotiate.ts';
import { markerOf } from './steering.ts';

/** The limits that hold whatever is desired; checked once more where prefixes become bytes. */
export interface OutboundRails {
  readonly asn: Asn;
  readonly networks: readonly Prefix[];
  readonly floor: { readonly ipv4: number; readonly ipv6: number };
  readonly maxPrefixes: number;
}

/** A route as it goes to one router. */
export interface OutRoute {
  readonly prefix: Prefix;
  readonly nextHop: string;
  readonly attributes: PathAttributes;
  /** Equal keys, equal attributes: what is compared with what was sent, and packed together. */
  readonly key: string;
}

export type Refusal =
  | 'not_ours'
  | 'longer_than_floor'
  | 'unmarked'
  | 'too_many_prefixes'
  | 'bad_prefix';

/** Why a prefix must not leave; undefined when it may. */
export function refusePrefix(prefix: Prefix, rails: OutboundRails): Refusal | undefined {
  if (!rails.networks.some((network) => covers(network, prefix))) return 'not_ours';
  const floor = prefix.family === 4 ? rails.floor.ipv4 : rails.floor.ipv6;
  return prefix.length > floor ? 'longer_than_floor' : undefined;
}

export function refuseAnnouncement(
  announcement: Announcement,
  rails: OutboundRails,
): Refusal | undefined {
  const prefix = parsePrefix(announcement.prefix);
  if (!prefix.ok) return 'bad_prefix';
  const marker = markerOf(rails.asn).join(':');
  if (!announcement.largeCommunities.some((community) => community.join(':') === marker))
    return 'unmarked';
  return refusePrefix(prefix.value, rails);
}

export interface OutContext {
  readonly localAsn: Asn;
  readonly agreed: Pick<Negotiated, 'isInternal' | 'peerRole'>;
}

/** The route that an announcement becomes on a session, with a next hop that is known. */
export function makeRoute(
  announcement: Announcement,
  nextHop: string,
  context: OutContext,
): OutRoute {
  const prefix = parsePrefix(announcement.prefix);
  assert(prefix.ok, `${announcement.prefix} passed the rails`);
  const { isInternal, peerRole } = context.agreed;
  const own = isInternal ? announcement.prepend : announcement.prepend + 1;
  const asns = new Array<number>(Math.min(own, 11)).fill(context.localAsn);
  // RFC 9234 section 5: towards customers, peers and clients a route is Only to Customer from here on.
  const needsOtc = peerRole === 'customer' || peerRole === 'peer' || peerRole === 'rs_client';
  const attributes: PathAttributes = {
    origin: 'igp',
    asPath: asns.length > 0 ? [{ kind: 'sequence', asns }] : [],
    ...(prefix.value.family === 4 ? { nextHop } : {}),
    ...(announcement.med !== undefined ? { med: announcement.med } : {}),
    ...(isInternal ? { localPref: 100 } : {}),
    ...(announcement.communities.length > 0
      ? { communities: sortTuples(announcement.communities) }
      : {}),
    largeCommunities: sortTuples(announcement.largeCommunities),
    ...(needsOtc && !isInternal ? { onlyToCustomer: context.localAsn } : {}),
  };
  const key = JSON.stringify([prefix.value.family, nextHop, attributes]);
  return { prefix: prefix.value, nextHop, attributes, key };
}

/** RFC 1997 and 8092: sets, sorted so that equal sets are equal. */
function sortTuples<T extends readonly number[]>(tuples: readonly T[]): readonly T[] {
  const byText = new Map(tuples.map((tuple) => [tuple.join(':'), tuple]));
  return [...byText.values()].sort((a, b) => {
    const at = a.findIndex((value, i) => value !== b[i]);
    return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
  });
}

export interface OutboundDifference {
  readonly withdraw: readonly PrefixText[];
  readonly announce: readonly OutRoute[];
}

/** What to send so that the peer, who has heard `sent` (key by prefix), hears `desired`. */
export function compareOutbound(
  desired: ReadonlyMap<PrefixText, OutRoute>,
  sent: ReadonlyMap<PrefixText, string>,
): OutboundDifference {
  return {
    withdraw: [...sent.keys()].filter((prefix) => !desired.has(prefix)).sort(),
    announce: [...desired.entries()]
      .filter(([prefix, route]) => sent.get(prefix) !== route.key)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, route]) => route),
  };
}

export type EncodingContext = Pick<Negotiated, 'as4' | 'addPathSend' | 'extendedMessages'>;

export interface EncodedUpdates {
  readonly messages: readonly Uint8Array[];
  /** What the last rail refused: a defect of ours further up, since nothing refused should get here. */
  readonly refused: ReadonlyArray<{ readonly prefix: PrefixText; readonly reason: Refusal }>;
}

/** Messages that announce the routes, as many prefixes in each as have the same attributes and fit. */
export function encodeAnnouncements(
  routes: readonly OutRoute[],
  rails: OutboundRails,
  context: EncodingContext,
): EncodedUpdates {
  const refused: { prefix: PrefixText; reason: Refusal }[] = [];
  const groups = new Map<string, OutRoute[]>();
  for (const route of routes) {
    const reason = refusePrefix(route.prefix, rails);
    if (reason) refused.push({ prefix: formatPrefix(route.prefix), reason });
    else groups.set(route.key, [...(groups.get(route.key) ?? []), route]);
  }
  const messages = [...groups.values()].flatMap((group) => encodeGroup(group, context));
  return { messages, refused };
}

/** Messages that take prefixes back. A withdrawal of what was never announced is harmless: no rail. */
export function encodeWithdrawals(
  prefixes: readonly Prefix[],
  context: EncodingContext,
): readonly Uint8Array[] {
  return ([4, 6] as const).flatMap((family) => {
    const own = prefixes.filter((prefix) => prefix.family === family);
    // Room for the fixed fields and, for IPv6, the attribute's head.
    return portions(own, family, context, headerLength + 16).map((part) => {
      const nlri = part.map((prefix) => ({ prefix, ...pathIdOf(family, context) }));
      const update: Update =
        family === 4
          ? { withdrawn: nlri, announced: [], attributes: {} }
          : { withdrawn: [], announced: [], attributes: {}, mpUnreach: { family, nlri } };
      return encodeUpdate(update, wireContext(context));
    });
  });
}

function encodeGroup(group: readonly OutRoute[], context: EncodingContext): Uint8Array[] {
  const [first] = group;
  if (!first) return [];
  const { attributes, nextHop } = first;
  const { family } = first.prefix;
  const overhead = headerLength + 48 + encodeAttributes(attributes, wireContext(context)).length;
  const prefixes = group.map(({ prefix }) => prefix);
  return portions(prefixes, family, context, overhead).map((part) => {
    const nlri = part.map((prefix) => ({ prefix, ...pathIdOf(family, context) }));
    const update: Update =
      family === 4
        ? { withdrawn: [], announced: nlri, attributes }
        : { withdrawn: [], announced: [], attributes, mpReach: { family, nextHop, nlri } };
    return encodeUpdate(update, wireContext(context));
  });
}

/** Prefixes in portions that fit a message beside `overhead` bytes. */
function portions(
  prefixes: readonly Prefix[],
  family: Family,
  context: EncodingContext,
  overhead: number,
): Prefix[][] {
  const room = (context.extendedMessages ? maxExtendedLength : maxMessageLength) - overhead;
  const parts: Prefix[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const prefix of prefixes) {
    const length = nlriLength(prefix, context.addPathSend[family]);
    if (used + length > room) {
      parts.push([]);
      used = 0;
    }
    parts.at(-1)?.push(prefix);
    used += length;
  }
  return parts;
}

/** We announce one path per prefix: its identifier is always 1. */
const pathIdOf = (family: Family, context: EncodingContext): { pathId?: number } =>
  context.addPathSend[family] ? { pathId: 1 } : {};

const wireContext = (context: EncodingContext) => ({
  as4: context.as4,
  addPath: context.addPathSend,
});
