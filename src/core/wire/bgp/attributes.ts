import type { UnicastFamily } from './codes.ts';
import type { Nlri } from './nlri.ts';

/** In the order of their values on the wire (RFC 4271 section 5.1.1), best first. */
export const origins = ['igp', 'egp', 'incomplete'] as const;
export type Origin = (typeof origins)[number];

/** RFC 4271 section 4.3 and RFC 5065; the place plus one is the value on the wire. */
export const segmentKinds = ['set', 'sequence', 'confed_sequence', 'confed_set'] as const;
export interface AsPathSegment {
  readonly kind: (typeof segmentKinds)[number];
  readonly asns: readonly number[];
}

export interface Aggregator {
  readonly asn: number;
  readonly address: string;
}

/** An attribute that is carried but not understood. */
export interface OpaqueAttribute {
  readonly type: number;
  readonly flags: number;
  readonly value: Uint8Array;
}

/** Path attributes without the lists of prefixes. Addresses are text, so that the value is what people read. */
export interface PathAttributes {
  readonly origin?: Origin;
  readonly asPath?: readonly AsPathSegment[];
  /** Of the attribute NEXT_HOP: IPv4 routes outside MP_REACH_NLRI. */
  readonly nextHop?: string;
  readonly med?: number;
  readonly localPref?: number;
  readonly atomicAggregate?: true;
  readonly aggregator?: Aggregator;
  readonly communities?: ReadonlyArray<readonly [number, number]>;
  readonly originatorId?: string;
  readonly clusterList?: readonly string[];
  /** Eight octets each, as hexadecimal text. */
  readonly extendedCommunities?: readonly string[];
  readonly largeCommunities?: ReadonlyArray<readonly [number, number, number]>;
  /** AS number of Only to Customer (RFC 9234). */
  readonly onlyToCustomer?: number;
  readonly opaque?: readonly OpaqueAttribute[];
}

export interface MpReach {
  readonly family: UnicastFamily;
  readonly nextHop: string;
  readonly linkLocalNextHop?: string;
  readonly nlri: readonly Nlri[];
}

export interface MpUnreach {
  readonly family: UnicastFamily;
  readonly nlri: readonly Nlri[];
}

/** What the session agreed on that changes how attributes are read. */
export interface AttributeContext {
  /** AS numbers have four octets (RFC 6793). */
  readonly as4: boolean;
  /** From a router of our own AS: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST mean something. */
  readonly isInternal: boolean;
  /** Families whose prefixes carry path identifiers. */
  readonly addPath: { readonly 4: boolean; readonly 6: boolean };
  /** Paths with AS_SET are treated as withdrawn (RFC 9774) unless an operator, or an old dump, wants them. */
  readonly acceptAsSets: boolean;
  /** MP_REACH_NLRI is shortened to its next hop, as in RIB dumps (RFC 6396 section 4.3.4). */
  readonly isRibDump?: boolean;
}

/** AS numbers of the path as RFC 4271 section 9.1.2.2 counts them: a set is one, confederations none. */
export function asPathLength(path: readonly AsPathSegment[]): number {
  let length = 0;
  for (const { kind, asns } of path) {
    if (kind === 'sequence') length += asns.length;
    else if (kind === 'set') length += 1;
  }
  return length;
}

/** The neighbouring AS: the first of the leftmost sequence; undefined for a path of our own AS. */
export function neighborAs(path: readonly AsPathSegment[]): number | undefined {
  for (const { kind, asns } of path) {
    if (kind === 'sequence') return asns[0];
    if (kind === 'set') return undefined;
  }
  return undefined;
}

/** The AS that originated the route; undefined when the path is empty or ends in a set (RFC 6811 section 2). */
export function originAs(path: readonly AsPathSegment[]): number | undefined {
  const last = path.at(-1);
  return last?.kind === 'sequence' ? last.asns.at(-1) : undefined;
}

/** `64500 64501 {64502,64503}`, confederation segments in parentheses. */
export function formatAsPath(path: readonly AsPathSegment[]): string {
  return path
    .map(({ kind, asns }) => {
      if (kind === 'sequence') return asns.join(' ');
      if (kind === 'set') return `{${asns.join(',')}}`;
      return kind === 'confed_sequence' ? `(${asns.join(' ')})` : `({${asns.join(',')}})`;
    })
    .join(' ');
}
