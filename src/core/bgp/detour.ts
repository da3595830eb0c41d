/**
 * Detours: foreign destinations that a router of ours is told to reach by another of its links. A detour is a path
 * that this router itself told us, told back with a higher local preference; it carries NO_EXPORT and our marker, so
 * that whatever the router's policy lets through, it goes no further.
 */
import { covers, type Prefix, parsePrefix } from '../base/prefix.ts';
import { assert } from '../base/result.ts';
import type { Asn, PrefixText, RouterId } from '../base/units.ts';
import { formatAsPath, type PathAttributes } from '../wire/bgp/attributes.ts';
import type { Community } from './announcement.ts';
import type { OutRoute } from './outbound.ts';
import { markerOf } from './steering.ts';

/** RFC 1997: not beyond the AS. */
export const noExport: Community = [65535, 65281];

/** A destination and the path that it is to take, of those that the router told. Plain JSON. */
export interface Detour {
  readonly prefix: PrefixText;
  /** Of a path that the router told us for exactly this prefix; with `via` the inside address of that other router. */
  readonly nextHop: string;
  /** Another router of ours, which has the path: what it would tell this one by iBGP, with itself as next hop. */
  readonly via?: { readonly router: RouterId; readonly nextHop: string };
  /** The prefix that was told, where `prefix` is a part of it: one that is too large to move as a whole. */
  readonly of?: PrefixText;
  /** 0 to 4294967295; above the router's own preferences, or it changes nothing. */
  readonly localPref: number;
}

/** The limits that hold whatever is desired; checked once more where prefixes become bytes. */
export interface DetourRails {
  readonly asn: Asn;
  /** Our own address space: never a detour. */
  readonly networks: readonly Prefix[];
  readonly maxDetours: number;
  /** Attributes of the path that the router really told us with this next hop; undefined when it told none. */
  readonly received: (prefix: Prefix, nextHop: string) => PathAttributes | undefined;
}

export type DetourRefusal =
  | 'bad_prefix'
  | 'own_prefix'
  | 'default_route'
  | 'no_such_path'
  | 'empty_path'
  | 'too_many_detours'
  | 'exportable'
  | 'unmarked'
  | 'invented_path';

/** Why a destination must not be injected; undefined when it may. */
export function refuseDetour(detour: Detour, rails: DetourRails): DetourRefusal | undefined {
  const prefix = parsePrefix(detour.prefix);
  return prefix.ok ? refuse(prefix.value, detour.nextHop, rails) : 'bad_prefix';
}

/** The route that an allowed detour becomes. */
export function makeDetourRoute(detour: Detour, rails: DetourRails): OutRoute {
  const prefix = parsePrefix(detour.prefix);
  const path = prefix.ok ? rails.received(prefix.value, detour.nextHop) : undefined;
  assert(prefix.ok && path !== undefined, `${detour.prefix} passed the rails`);
  const { nextHop, localPref } = detour;
  const attributes: PathAttributes = {
    origin: path.origin ?? 'incomplete',
    asPath: path.asPath ?? [],
    ...(prefix.value.family === 4 ? { nextHop } : {}),
    localPref,
    communities: [noExport],
    largeCommunities: [markerOf(rails.asn)],
  };
  const key = JSON.stringify([prefix.value.family, nextHop, attributes]);
  return { prefix: prefix.value, pathId: 1, nextHop, attributes, key };
}

/** The last rail: all that must be true of a route that leaves on a session for detours. */
export function refuseDetourRoute(route: OutRoute, rails: DetourRails): DetourRefusal | undefined {
  const { communities = [], largeCommunities = [], asPath = [] } = route.attributes;
  const has = (list: ReadonlyArray<readonly number[]>, wanted: readonly number[]) =>
    list.some((community) => community.join(':') === wanted.join(':'));
  if (!has(communities, noExport)) return 'exportable';
  if (!has(largeCommunities, markerOf(rails.asn))) return 'unmarked';
  const refusal = refuse(route.prefix, route.nextHop, rails);
  if (refusal) return refusal;
  const told = rails.received(route.prefix, route.nextHop)?.asPath ?? [];
  return formatAsPath(told) === formatAsPath(asPath) ? undefined : 'invented_path';
}

function refuse(prefix: Prefix, nextHop: string, rails: DetourRails): DetourRefusal | undefined {
  if (prefix.length === 0) return 'default_route';
  if (rails.networks.some((network) => covers(network, prefix) || covers(prefix, network)))
    return 'own_prefix';
  const path = rails.received(prefix, nextHop);
  if (!path) return 'no_such_path';
  // A path without an AS begins inside our own network: it is no way out.
  return (path.asPath ?? []).length === 0 ? 'empty_path' : undefined;
}
