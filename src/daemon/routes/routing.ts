import { covers, prefixOf } from '../../core/base/prefix.ts';
import { eachSliced, type Sliced } from '../../core/base/slices.ts';
import { asn, type LinkId, type PrefixText, type RouterId } from '../../core/base/units.ts';
import { type SeenRoute, steeredByOthers } from '../../core/bgp/hands-off.ts';
import type { BlockRouting } from '../../core/model/observation.ts';
import type { Settings } from '../../core/settings/index.ts';
import {
  type AnnouncedRoute,
  type BmpStation,
  type SessionStatus,
  type Speaker,
  waitsForInterval,
} from '../../speaker/index.ts';

import { peeringsOf } from '../configure.ts';
import type { ConfiguredRouters } from './configured.ts';
import type { OriginCheck } from './origin.ts';

/** What routers were told of our blocks, by session or by a driver, and what they told. */
export interface Told {
  readonly announced: ReadonlyMap<RouterId, readonly AnnouncedRoute[]>;
  readonly ownRoutes: readonly SeenRoute[];
  /** Routers that have not had the time to take up what they are told: that they lack a block says nothing yet. */
  readonly fresh: ReadonlySet<RouterId>;
}

/** Undefined where no router is told anything. `settleMs`: the time that a router has to take up what it is told. */
export function toldOf(
  speaker: Pick<Speaker, 'sessions' | 'announced' | 'ownRoutes'> | undefined,
  configured: Pick<ConfiguredRouters, 'announcers' | 'announced' | 'isFresh'> | undefined,
  settleMs: number,
): Told | undefined {
  if (!speaker && !configured) return undefined;
  const sessions = speaker?.sessions() ?? [];
  const isFresh = ({ freshMs }: SessionStatus) => freshMs !== undefined && freshMs < settleMs;
  const announcers = configured?.announcers ?? [];
  return {
    announced: new Map([
      ...sessions.map(({ router }) => [router, speaker?.announced(router) ?? []] as const),
      ...announcers.map((router) => [router, configured?.announced(router) ?? []] as const),
    ]),
    ownRoutes: speaker?.ownRoutes() ?? [],
    fresh: new Set([
      ...sessions.filter(isFresh).map(({ router }) => router),
      ...announcers.filter((router) => configured?.isFresh(router)),
    ]),
  };
}

/** What the routers say about our blocks, for the rails. Blocks that they say nothing of are left out. */
export function* readRouting(
  settings: Settings,
  told: Told,
  withheld: ReadonlySet<PrefixText>,
  origin?: OriginCheck,
  accepts?: Accepts,
): Sliced<ReadonlyMap<PrefixText, BlockRouting>> {
  const carried = yield* carriedOn(settings, told, accepts);
  const foreign = yield* foreignReasons(settings, told.ownRoutes);
  const routing = new Map<PrefixText, BlockRouting>();
  yield* eachSliced(settings.blocks, ({ prefix }) => {
    const on = carried.get(prefix);
    const reason = foreign.get(prefix);
    const isWithheld = withheld.has(prefix);
    if (reason === undefined && !isWithheld && !on && !origin) return;
    routing.set(prefix, {
      ...(reason === undefined ? {} : { isForeign: true, foreignReason: reason }),
      ...(isWithheld ? { isWithheld } : {}),
      ...on,
      ...origin?.of(prefix),
    });
  });
  return routing;
}

/** The same of a unit that takes all back by itself: whoever decides is to leave these blocks to the aggregate. */
export function carriedNowhere(
  blocks: Settings['blocks'],
  routing: ReadonlyMap<PrefixText, BlockRouting> | undefined,
): ReadonlyMap<PrefixText, BlockRouting> {
  return new Map(
    blocks.map(({ prefix }) => [prefix, { ...routing?.get(prefix), carriedOn: [] }] as const),
  );
}

/** By block: how somebody else steers it. Looks only at blocks that some route lies in. */
export function* foreignReasons(
  { asn: own, blocks, steering }: Settings,
  routes: readonly SeenRoute[],
): Sliced<ReadonlyMap<PrefixText, string>> {
  const policy = { localAsn: asn(own), foreign: steering.foreign };
  const reasons = new Map<PrefixText, string>();
  if (routes.length === 0) return reasons;
  const seen = routes.map((route) => ({ route, prefix: prefixOf(route.prefix) }));
  yield* eachSliced(blocks, ({ prefix: text }) => {
    const block = prefixOf(text);
    const within = seen.filter(({ prefix }) => covers(block, prefix)).map(({ route }) => route);
    const reason = within.length > 0 ? steeredByOthers(block, within, policy) : undefined;
    if (reason !== undefined) reasons.set(text, reason);
  });
  return reasons;
}

/** Whether a router keeps what we told it, as it says by BMP itself; undefined when it does not say. */
export type Accepts = (router: RouterId, prefix: PrefixText) => boolean | undefined;

/** The word of the routers that tell by BMP about our own sessions with them. */
export function acceptsBy(settings: Settings, station: BmpStation): Accepts {
  const ends = new Map(peeringsOf(settings).map(({ name, localAddress }) => [name, localAddress]));
  return (router, prefix) => {
    const unit = ends.get(router);
    return unit === undefined ? undefined : station.accepts(router, unit, prefixOf(prefix));
  };
}

/** Links whose router says by BMP that it has no session with the provider. */
export function linksCut({ links }: Settings, station: BmpStation): ReadonlySet<LinkId> {
  const isCut = ({ router, asn: provider }: Settings['links'][number]) =>
    router !== undefined && station.isNeighborUp(router, provider) === false;
  return new Set(links.filter(isCut).map((link) => link.name));
}

type Carried = Required<Pick<BlockRouting, 'carriedOn'>> & Pick<BlockRouting, 'awaitedOn'>;

/** By block that we announce: the links whose routers really carry it, and those whose routers are only beginning to. */
export function* carriedOn(
  { links }: Settings,
  { announced, fresh }: Pick<Told, 'announced' | 'fresh'>,
  accepts?: Accepts,
): Sliced<ReadonlyMap<PrefixText, Carried>> {
  const carried = new Map<PrefixText, Carried>();
  for (const [router, routes] of announced) {
    const own = links.filter((link) => link.router === router).map((link) => link.name);
    yield* eachSliced(routes, ({ announcement, state, reason, waitsFor }) => {
      const known = carried.get(announcement.prefix) ?? { carriedOn: [] };
      const isTold = state === 'sent' || reason === waitsForInterval;
      const isKept = accepts?.(router, announcement.prefix);
      // Its own AS in the path may be a loop to it: it must say that it kept the route.
      const isCarried = isTold && (announcement.prepend > 0 ? isKept === true : isKept !== false);
      carried.set(announcement.prefix, {
        ...known,
        ...(isCarried ? { carriedOn: [...known.carriedOn, ...own] } : {}),
        ...(!isCarried && fresh.has(waitsFor ?? router)
          ? { awaitedOn: [...(known.awaitedOn ?? []), ...own] }
          : {}),
      });
    });
  }
  return carried;
}
