import { prefixOf } from '../core/base/prefix.ts';
import type { LinkId, PrefixText, RouterId } from '../core/base/units.ts';
import type { BlockRouting } from '../core/model/observation.ts';
import type { Settings } from '../core/settings/index.ts';
import {
  type AnnouncedRoute,
  type ReceivedRoute,
  type Speaker,
  waitsForInterval,
} from '../speaker/index.ts';

import type { OriginCheck } from './origin.ts';

/** RFC 7999: the AS that a router is asked to throw traffic away with. */
const blackhole = '65535:666';

/** What the routers say about our blocks, for the rails. Blocks that they say nothing of are left out. */
export function readRouting(
  settings: Settings,
  speaker: Speaker,
  withheld: ReadonlySet<PrefixText>,
  origin?: OriginCheck,
): ReadonlyMap<PrefixText, BlockRouting> {
  const routers = speaker.sessions().map((session) => session.router);
  const carried = carriedOn(
    settings,
    new Map(routers.map((router) => [router, speaker.announced(router)])),
  );
  const routing = new Map<PrefixText, BlockRouting>();
  for (const { prefix } of settings.blocks) {
    // Most blocks have no route of their own, and looking is cheap where reading is not.
    const isTold = speaker.rib.paths(prefixOf(prefix)).length > 0;
    const received = isTold ? routers.flatMap((router) => speaker.routesFrom(router, prefix)) : [];
    const isForeign =
      withheld.has(prefix) ||
      received.some((route) => route.prefix === prefix && isNotOurs(route, settings.asn));
    const links = carried.get(prefix);
    if (!isForeign && !links && !origin) continue;
    routing.set(prefix, {
      ...(isForeign ? { isForeign } : {}),
      ...(links ? { carriedOn: links } : {}),
      ...origin?.of(prefix),
    });
  }
  return routing;
}

/**
 * A route for exactly a block of ours that takes its traffic elsewhere: a blackhole, or one that another AS
 * originates (scrubbing). What the routers originate themselves has an empty path, or our own AS at its end.
 */
export function isNotOurs(
  route: Pick<ReceivedRoute, 'asPath' | 'communities'>,
  own: number,
): boolean {
  if (route.communities.includes(blackhole)) return true;
  const origin = route.asPath
    .split(/[\s{},()]+/)
    .filter((asn) => asn !== '')
    .at(-1);
  return origin !== undefined && Number(origin) !== own;
}

/** By block that we announce: the links whose routers really carry it. */
export function carriedOn(
  { links }: Settings,
  announced: ReadonlyMap<RouterId, readonly AnnouncedRoute[]>,
): ReadonlyMap<PrefixText, readonly LinkId[]> {
  const carried = new Map<PrefixText, LinkId[]>();
  for (const [router, routes] of announced) {
    const own = links.filter((link) => link.router === router).map((link) => link.name);
    for (const { announcement, state, reason } of routes) {
      const known = carried.get(announcement.prefix) ?? [];
      const isCarried = state === 'sent' || reason === waitsForInterval;
      carried.set(announcement.prefix, isCarried ? [...known, ...own] : known);
    }
  }
  return carried;
}
