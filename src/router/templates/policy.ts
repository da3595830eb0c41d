import { formatPrefix, type Prefix } from '../../core/base/prefix.ts';
import type { Asn, LinkId, RouterId } from '../../core/base/units.ts';

/** Everything that a router's policy for headgate depends on. */
export interface RouterPolicy {
  readonly router: RouterId;
  /** The router's (our network's) AS number: the first word of every steering community. */
  readonly asn: Asn;
  /** headgate's end of the session; its AS equals `asn` for iBGP. */
  readonly unit: UnitEnd & { readonly asn: Asn };
  /** The other of two units that have the router: the same sessions with it, and all else once. */
  readonly partner?: UnitEnd;
  /** The router's own end, when the session needs it named (multihop, IPv6). */
  readonly localAddress?: string;
  /** Our address space: the aggregates that the router itself announces, always. */
  readonly networks: readonly Prefix[];
  /** The longest blocks that headgate may announce. */
  readonly floor: { readonly ipv4: number; readonly ipv6: number };
  /** The links of this router; `number` is the link's place in headgate's settings, from 1. */
  readonly links: readonly PolicyLink[];
  /** The most prefixes that headgate may announce before the router closes the session. */
  readonly maxPrefixes: number;
  /** The same for detours. */
  readonly maxDetours: number;
  /** It has BGP customers: detours lose NO_EXPORT here, and our marker keeps them from everybody else. */
  readonly hasCustomers?: boolean;
  readonly md5?: string;
  /** Our BMP station, where there is one. */
  readonly bmp?: { readonly address: string; readonly port: number };
  readonly addPath: boolean;
  /** Prepends come in the path itself: the router must take its own AS there. */
  readonly takesOwnAs?: boolean;
}

/** One unit's ends of its sessions with the router. */
export interface UnitEnd {
  /** Tells the sessions of a pair apart. */
  readonly name?: string;
  readonly address: string;
  /** Of the session for detours, where there is one. */
  readonly egressAddress?: string;
}

export interface PolicyLink {
  readonly number: number;
  readonly name: LinkId;
  /** The provider's AS number. */
  readonly asn: Asn;
  /** The provider's BGP neighbour addresses, where known. */
  readonly neighbors: readonly string[];
  /** What outbound packets carry that are to leave by this link. */
  readonly mark?: LinkMark;
}

export type LinkMark = { readonly dscp: number } | { readonly vlan: number };

export const isVlanMark = (mark: LinkMark): mark is { readonly vlan: number } => 'vlan' in mark;

export const isInternal = (policy: RouterPolicy): boolean => policy.unit.asn === policy.asn;

/** One unit's, or those of a pair. */
export const endsOf = ({
  unit,
  partner,
}: Pick<RouterPolicy, 'unit' | 'partner'>): readonly UnitEnd[] =>
  partner ? [unit, partner] : [unit];

/** Of the sessions for detours. */
export const egressEndsOf = (policy: RouterPolicy): readonly string[] =>
  endsOf(policy).flatMap(({ egressAddress }) => egressAddress ?? []);

/** Where our BMP stations listen: each unit has one. */
export const stationsOf = ({ bmp, partner }: RouterPolicy): readonly string[] =>
  bmp ? [bmp.address, ...(partner ? [partner.address] : [])] : [];

/** Whose sessions with the router concern us: our own and those of the providers that are known. */
export const watchedNeighbors = (policy: RouterPolicy): readonly string[] => [
  ...endsOf(policy).map(({ address }) => address),
  ...policy.links.flatMap(({ neighbors }) => neighbors),
];

/** A link's name as an identifier that every router's configuration language takes. */
export const identifier = (name: string): string => name.replace(/[^A-Za-z0-9]/g, '_');

export const ownPrefixes = (policy: RouterPolicy, family: 4 | 6): readonly Prefix[] =>
  policy.networks.filter((prefix) => prefix.family === family);

export const floorOf = (policy: RouterPolicy, family: 4 | 6): number =>
  family === 4 ? policy.floor.ipv4 : policy.floor.ipv6;

/** `198.51.100.0/22`-like texts of our networks of one family. */
export const networkTexts = (policy: RouterPolicy, family: 4 | 6): readonly string[] =>
  ownPrefixes(policy, family).map(formatPrefix);
