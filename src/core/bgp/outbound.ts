/**
 * The outbound side of one session: what is desired, what may leave, what differs from what was sent, and
 * the messages that make them equal. Whatever the order of events, equal desires end in equal announcements.
 */
import { covers, type Family, type Prefix, parsePrefix } from '../base/prefix.ts';
import { assert } from '../base/result.ts';
import { eachSliced, type Sliced } from '../base/slices.ts';
import type { Asn, PrefixText } from '../base/units.ts';
import { encodeAttributes } from '../wire/bgp/attribute-encode.ts';
import type { PathAttributes } from '../wire/bgp/attributes.ts';
import { headerLength, maxExtendedLength, maxMessageLength } from '../wire/bgp/codes.ts';
import { type Nlri, nlriLength } from '../wire/bgp/nlri.ts';
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
  /** From 1: several paths of one prefix where add-path was agreed on (RFC 7911). */
  readonly pathId: number;
  readonly nextHop: string;
  readonly attributes: PathAttributes;
  /** Equal keys, equal attributes: what is compared with what was sent, and packed together. */
  readonly key: string;
}

/** What a route is called on a session: its prefix, and beyond the first path its identifier. */
export type RouteName = string;
export const routeName = (prefix: PrefixText, pathId: number): RouteName =>
  pathId === 1 ? prefix : `${prefix} ${pathId}`;

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
  const pathId = announcement.pathId ?? 1;
  return { prefix: prefix.value, pathId, nextHop, attributes, key };
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
  readonly withdraw: readonly RouteName[];
  readonly announce: readonly OutRoute[];
}

/** What to send so that the peer, who has heard `sent`, hears `desired`. */
export function* compareOutbound(
  desired: ReadonlyMap<RouteName, OutRoute>,
  sent: ReadonlyMap<RouteName, Pick<OutRoute, 'key'>>,
): Sliced<OutboundDifference> {
  const withdraw: RouteName[] = [];
  yield* eachSliced(sent.keys(), (name) => {
    if (!desired.has(name)) withdraw.push(name);
  });
  const announce: (readonly [RouteName, OutRoute])[] = [];
  yield* eachSliced(desired, ([name, route]) => {
    if (sent.get(name)?.key !== route.key) announce.push([name, route]);
  });
  withdraw.sort();
  announce.sort(([a], [b]) => (a < b ? -1 : 1));
  return { withdraw, announce: announce.map(([, route]) => route) };
}

export type EncodingContext = Pick<Negotiated, 'as4' | 'addPathSend' | 'extendedMessages'>;

export interface EncodedUpdates {
  readonly messages: readonly Uint8Array[];
  /** What the last rail refused: a defect of ours further up, since nothing refused should get here. */
  readonly refused: ReadonlyArray<{ readonly route: OutRoute; readonly reason: string }>;
}

/**
 * Messages that announce the routes, as many prefixes in each as have the same attributes and fit.
 * `refuse` is the last rail: it says why a route must not become bytes.
 */
export function encodeAnnouncements(
  routes: readonly OutRoute[],
  refuse: (route: OutRoute) => string | undefined,
  context: EncodingContext,
): EncodedUpdates {
  const refused: { route: OutRoute; reason: string }[] = [];
  const groups = new Map<string, OutRoute[]>();
  for (const route of routes) {
    const reason = refuse(route);
    const group = groups.get(route.key);
    if (reason) refused.push({ route, reason });
    else if (group) group.push(route);
    else groups.set(route.key, [route]);
  }
  const messages = [...groups.values()].flatMap((group) => encodeGroup(group, context));
  return { messages, refused };
}

/** A route to take back, by what names it on the wire. */
export type SentRoute = Pick<OutRoute, 'prefix' | 'pathId'>;

/** Messages that take routes back. A withdrawal of what was never announced is harmless: no rail. */
export function encodeWithdrawals(
  routes: readonly SentRoute[],
  context: EncodingContext,
): readonly Uint8Array[] {
  return ([4, 6] as const).flatMap((family) => {
    const own = routes.filter(({ prefix }) => prefix.family === family);
    // Room for the fixed fields and, for IPv6, the attribute's head.
    return portions(own, family, context, headerLength + 16).map((nlri) => {
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
  return portions(group, family, context, overhead).map((nlri) => {
    const update: Update =
      family === 4
        ? { withdrawn: [], announced: nlri, attributes }
        : { withdrawn: [], announced: [], attributes, mpReach: { family, nextHop, nlri } };
    return encodeUpdate(update, wireContext(context));
  });
}

/** Routes in portions that fit a message beside `overhead` bytes. */
function portions(
  routes: readonly SentRoute[],
  family: Family,
  context: EncodingContext,
  overhead: number,
): Nlri[][] {
  const room = (context.extendedMessages ? maxExtendedLength : maxMessageLength) - overhead;
  const hasPathIds = context.addPathSend[family];
  const parts: Nlri[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const { prefix, pathId } of routes) {
    const length = nlriLength(prefix, hasPathIds);
    if (used + length > room) {
      parts.push([]);
      used = 0;
    }
    parts.at(-1)?.push(hasPathIds ? { prefix, pathId } : { prefix });
    used += length;
  }
  return parts;
}

const wireContext = (context: EncodingContext) => ({
  as4: context.as4,
  addPath: context.addPathSend,
});
