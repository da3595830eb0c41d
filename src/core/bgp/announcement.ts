import type { Asn, LinkId, PrefixText, RouterId } from '../base/units.ts';

/** RFC 1997: AS number and value, 16 bits each. */
export type Community = readonly [asn: number, value: number];
/** RFC 8092: global administrator and two values, 32 bits each. */
export type LargeCommunity = readonly [global: number, local1: number, local2: number];

/** What one router is to hear about one prefix. Plain JSON. */
export interface Announcement {
  readonly prefix: PrefixText;
  /** From 2 for further paths of the prefix (RFC 7911): only routers that take them hear those [1]. */
  readonly pathId?: number;
  /**
   * Next hop that the router already uses for the block inside. Undefined: copied from the router's own
   * route for the block or for the prefix that covers it; until one is known the block is not announced.
   */
  readonly nextHop?: string;
  readonly communities: readonly Community[];
  readonly largeCommunities: readonly LargeCommunity[];
  /** Own AS number this many times more in the path itself, 0 to 10: only on a router with a single link. */
  readonly prepend: number;
  readonly med?: number;
  /**
   * Routers that must all carry the prefix for it to stay announced to anyone (those of its eligible links):
   * when the session of one is lost, the prefix falls back to its aggregate everywhere.
   */
  readonly requires?: readonly RouterId[];
}

/** One desired state for the whole outbound side: what each router is to hear. */
export type Desired = ReadonlyMap<RouterId, readonly Announcement[]>;

/** A link as steering sees it. `number` is its place in the settings, from 1: it is written in communities. */
export interface SteeredLink {
  readonly id: LinkId;
  readonly number: number;
  readonly router: RouterId;
  /** The neighbouring AS at its far end: links to the same one are told apart by MED. */
  readonly neighbor: Asn;
  /** False while the link is not to be used for announcements (down, or excluded by policy). */
  readonly isEligible: boolean;
  /** Its router has no other link, and takes prepends in the path itself [false]. */
  readonly prependsInPath?: boolean;
  /** False: blocks are announced elsewhere although this link's router does not carry them [true]. */
  readonly isRequired?: boolean;
}

export const formatCommunity = (value: Community): string => value.join(':');
export const formatLargeCommunity = (value: LargeCommunity): string => value.join(':');

/** Asked of every block in every cycle: no text is made of either. */
export function isSameAnnouncement(a: Announcement, b: Announcement): boolean {
  return (
    a === b ||
    (a.prefix === b.prefix &&
      a.pathId === b.pathId &&
      a.nextHop === b.nextHop &&
      a.prepend === b.prepend &&
      a.med === b.med &&
      isSameList(a.requires ?? [], b.requires ?? [], Object.is) &&
      isSameList(a.communities, b.communities, isSameTuple) &&
      isSameList(a.largeCommunities, b.largeCommunities, isSameTuple))
  );
}

const isSameTuple = (a: readonly number[], b: readonly number[]): boolean =>
  isSameList(a, b, Object.is);

const isSameList = <T>(
  a: readonly T[],
  b: readonly T[],
  isSame: (one: T, other: T) => boolean,
): boolean => {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const [one, other] = [a[i], b[i]];
    if (one === undefined || other === undefined || !isSame(one, other)) return false;
  }
  return true;
};
