/** What a border router is to be configured to do, as values. Plain JSON; the order of lists has no meaning. */
import { comparePrefixes, type Family, type Prefix, parsePrefix } from '../core/base/prefix.ts';
import { assert } from '../core/base/result.ts';
import type { PrefixText } from '../core/base/units.ts';
import type { Announcement } from '../core/bgp/announcement.ts';

export interface RouterIntent {
  /** The same announcements that the BGP speaker would make; `nextHop` must be set. */
  readonly blocks: readonly Announcement[];
  /** Foreign prefixes that leave by a link of this router. */
  readonly destinations: readonly DestinationRoute[];
  /** The heaviest sessions that leave by a link of this router, without any mark. */
  readonly sessions: readonly SessionRoute[];
}

export interface DestinationRoute {
  readonly prefix: PrefixText;
  /** The provider's address on the link. */
  readonly gateway: string;
}

export interface SessionRoute {
  readonly protocol: 'tcp' | 'udp';
  /** Our host and the foreign host, of one family. */
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** Number of the link, from 1. */
  readonly link: number;
}

/** What a driver must know of a router's link to route by it. */
export interface LinkGateway {
  readonly number: number;
  readonly ipv4?: string;
  readonly ipv6?: string;
}

export const emptyIntent: RouterIntent = { blocks: [], destinations: [], sessions: [] };

/** Policy rules cost each packet of the router a look-up; more sessions than this want marks instead. */
export const maxSessions = 1024;

export const familyOf = (addressOrPrefix: string): Family =>
  addressOrPrefix.includes(':') ? 6 : 4;

/** The values of one family in prefix order, so that equal intents render to equal text. */
export function ordered<T extends { readonly prefix: PrefixText }>(
  values: readonly T[],
  family: Family,
): T[] {
  return values
    .map((value) => [parsed(value.prefix), value] as const)
    .filter(([prefix]) => prefix.family === family)
    .sort(([a], [b]) => comparePrefixes(a, b))
    .map(([, value]) => value);
}

function parsed(text: PrefixText): Prefix {
  const prefix = parsePrefix(text);
  assert(prefix.ok, `a PrefixText is a prefix: ${text}`);
  return prefix.value;
}
