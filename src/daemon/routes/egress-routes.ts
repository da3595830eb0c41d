/** What a router told of a foreign prefix, as the ways out that a decision chooses from. Pure. */
import type { LinkId } from '../../core/base/units.ts';
import { rankCandidates } from '../../core/bgp/best-path.ts';
import { markerOf } from '../../core/bgp/steering.ts';
import type { EgressRoute } from '../../core/decide/egress/index.ts';
import type { RouterSettings, Settings } from '../../core/settings/index.ts';
import type { PathAttributes } from '../../core/wire/bgp/attributes.ts';
import type { ReceivedRoute } from '../../speaker/index.ts';

/** Why a path that a router told is no way out for us. */
export const uselessReasons = ['ours', 'stale', 'no_as', 'router_itself', 'no_link'] as const;
export type UselessReason = (typeof uselessReasons)[number];

export interface WaysOut {
  /** One for each link, in the order in which the router prefers them. */
  readonly routes: readonly EgressRoute[];
  readonly useless: readonly UselessReason[];
}

/**
 * The paths of one router (or of several) to exactly one prefix, best first as RFC 4271 ranks them. The router's own last tie-breakers
 * (age, its neighbours' identifiers) are not told to us: equal paths are ranked by next hop. `best` is the link that
 * plain BGP is known to take, where what was told does not say.
 */
export function waysOut(
  settings: Pick<Settings, 'asn' | 'links' | 'routers'>,
  told: readonly ReceivedRoute[],
  best?: LinkId,
): WaysOut {
  const useless: UselessReason[] = [];
  const usable = told.flatMap((route) => {
    const found = judgeRoute(settings, route);
    if ('link' in found) return [{ route, ...candidateOf(route), link: found.link }];
    useless.push(found.reason);
    return [];
  });
  const routes: EgressRoute[] = [];
  for (const { candidate } of rankCandidates(usable)) {
    const { link } = candidate;
    if (!routes.some((known) => known.link === link))
      routes.push({ link, nextHop: candidate.route.nextHop });
  }
  const isBest = (route: EgressRoute) => Number(route.link === best);
  return { routes: routes.sort((a, b) => isBest(b) - isBest(a)), useless };
}

/** By which link a told path leads out, or why it is no way out. */
export function judgeRoute(
  settings: Pick<Settings, 'asn' | 'links' | 'routers'>,
  route: ReceivedRoute,
): { readonly link: LinkId } | { readonly reason: UselessReason } {
  if (route.largeCommunities.includes(markerOf(settings.asn).join(':'))) return { reason: 'ours' };
  if (route.isStale) return { reason: 'stale' };
  const neighbor = asnsOf(route)[0];
  if (neighbor === undefined) return { reason: 'no_as' };
  if (settings.routers.some((router) => insideOf(router).includes(route.nextHop)))
    return { reason: 'router_itself' };
  const own = settings.links.filter((link) => link.router === route.router);
  const byNextHop = own.filter((link) => link.neighbor?.includes(route.nextHop));
  const byAsn = own.filter((link) => link.neighbor === undefined && link.asn === neighbor);
  // Two links to one provider are told apart by its addresses alone.
  const [link, ...others] = byNextHop.length > 0 ? byNextHop : byAsn;
  return link && others.length === 0 ? { link: link.name } : { reason: 'no_link' };
}

/** Next hops by which a router's neighbours inside reach what it knows. */
export const insideOf = ({
  address,
  inside = [],
}: Pick<RouterSettings, 'address' | 'inside'>): readonly string[] => [...inside, address];

function candidateOf(route: ReceivedRoute) {
  const attributes: PathAttributes = {
    origin: route.origin,
    asPath: [{ kind: 'sequence', asns: asnsOf(route) }],
    ...(route.localPref === undefined ? {} : { localPref: route.localPref }),
    ...(route.med === undefined ? {} : { med: route.med }),
  };
  const order = [...route.nextHop].reduce(
    (sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0,
    7,
  );
  return {
    attributes,
    isInternal: false,
    isStale: false,
    peerRouterId: order >>> 0,
    peer: 0,
    pathId: route.pathId,
  };
}

/** AS numbers of a path as it is shown; the members of a set count like a sequence. */
const asnsOf = ({ asPath }: ReceivedRoute): readonly number[] =>
  asPath
    .split(/[\s{},()]+/)
    .filter((text) => text !== '')
    .map(Number);
