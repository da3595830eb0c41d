import { covers, prefixOf } from '../core/base/prefix.ts';
import { asn, type LinkId, type PrefixText, type RouterId } from '../core/base/units.ts';
import { type SeenRoute, steeredByOthers } from '../core/bgp/hands-off.ts';
import type { BlockRouting } from '../core/model/observation.ts';
import type { Settings } from '../core/settings/index.ts';
import { type AnnouncedRoute, type Speaker, waitsForInterval } from '../speaker/index.ts';

import type { OriginCheck } from './origin.ts';

/** What the routers say about our blocks, for the rails. Blocks that they say nothing of are left out. */
export function readRouting(
  settings: Settings,
  speaker: Pick<Speaker, 'sessions' | 'announced' | 'ownRoutes'>,
  withheld: ReadonlySet<PrefixText>,
  origin?: OriginCheck,
): ReadonlyMap<PrefixText, BlockRouting> {
  const routers = speaker.sessions().map((session) => session.router);
  const carried = carriedOn(
    settings,
    new Map(routers.map((router) => [router, speaker.announced(router)])),
  );
  const foreign = foreignReasons(settings, speaker.ownRoutes());
  const routing = new Map<PrefixText, BlockRouting>();
  for (const { prefix } of settings.blocks) {
    const links = carried.get(prefix);
    const reason = foreign.get(prefix);
    const isWithheld = withheld.has(prefix);
    if (reason === undefined && !isWithheld && !links && !origin) continue;
    routing.set(prefix, {
      ...(reason === undefined ? {} : { isForeign: true, foreignReason: reason }),
      ...(isWithheld ? { isWithheld } : {}),
      ...(links ? { carriedOn: links } : {}),
      ...origin?.of(prefix),
    });
  }
  return routing;
}

/** By block: how somebody else steers it. Looks only at blocks that some route lies in. */
export function foreignReasons(
  { asn: own, blocks, steering }: Settings,
  routes: readonly SeenRoute[],
): ReadonlyMap<PrefixText, string> {
  const policy = { localAsn: asn(own), foreign: steering.foreign };
  const reasons = new Map<PrefixText, string>();
  if (routes.length === 0) return reasons;
  const seen = routes.map((route) => ({ route, prefix: prefixOf(route.prefix) }));
  for (const { prefix: text } of blocks) {
    const block = prefixOf(text);
    const within = seen.filter(({ prefix }) => covers(block, prefix)).map(({ route }) => route);
    const reason = within.length > 0 ? steeredByOthers(block, within, policy) : undefined;
    if (reason !== undefined) reasons.set(text, reason);
  }
  return reasons;
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
