import { type Prefix, prefixOf } from '../core/base/prefix.ts';
import type { Sliced } from '../core/base/slices.ts';
import { asn, type RouterId } from '../core/base/units.ts';
import type { Desired } from '../core/bgp/announcement.ts';
import { announcementsSliced } from '../core/bgp/steering.ts';
import type { BlockPlan } from '../core/model/plan.ts';
import type { Settings } from '../core/settings/index.ts';
import { ladderOf, steeredLinksOf } from './configure.ts';
import type { OriginCheck } from './routes/origin.ts';

/**
 * What every router of ours is to hear for a plan; to a link that is down nothing is steered. Of several units `isOwn`
 * names the routers of this one. Blocks that are not in it are withdrawn.
 */
export function* desiredOf(
  settings: Settings,
  blocks: readonly BlockPlan[],
  down: ReadonlySet<string>,
  origin: Pick<OriginCheck, 'allows'> | undefined,
  isOwn: (router: RouterId) => boolean,
): Sliced<Desired> {
  const { floor } = settings.steering;
  const links = steeredLinksOf(settings, (link) => !down.has(link));
  const desired = yield* announcementsSliced({
    asn: asn(settings.asn),
    // A unit sees only its own routers' sessions: what those of others carry is for the leader to judge.
    links: links.map((link) => (isOwn(link.router) ? link : { ...link, isRequired: false })),
    blocks,
    ladder: ladderOf(settings),
    networks: settings.networks.map(prefixOf),
    mayAnnounce: (part: Prefix) =>
      part.length <= (part.family === 4 ? floor.ipv4 : floor.ipv6) &&
      (origin?.allows(part) ?? true),
  });
  return new Map([...desired].filter(([router]) => isOwn(router)));
}
