import { formatPrefix, type Prefix, parsePrefix } from '../core/base/prefix.ts';
import type { RouterId } from '../core/base/units.ts';
import { formatCommunity, formatLargeCommunity } from '../core/bgp/announcement.ts';
import type { AdjRibIn, Path } from '../core/bgp/rib/adj-rib-in.ts';
import { decodeBlock } from '../core/bgp/rib/intake.ts';
import { formatAsPath } from '../core/wire/bgp/attributes.ts';
import type { ReceivedRoute } from './status.ts';

/** A packed path as people and scripts see it. */
export function describePath(
  rib: AdjRibIn,
  prefix: Prefix,
  path: Path,
  router: RouterId,
): ReceivedRoute {
  const { attributes, nextHop } = decodeBlock(
    rib.attributes.bytesOf(path.attributes),
    rib.attributes.kindOf(path.attributes),
  );
  return {
    prefix: formatPrefix(prefix),
    router,
    pathId: path.pathId,
    nextHop,
    asPath: formatAsPath(attributes.asPath ?? []),
    origin: attributes.origin ?? 'incomplete',
    ...(attributes.localPref !== undefined ? { localPref: attributes.localPref } : {}),
    ...(attributes.med !== undefined ? { med: attributes.med } : {}),
    communities: (attributes.communities ?? []).map(formatCommunity),
    largeCommunities: (attributes.largeCommunities ?? []).map(formatLargeCommunity),
    isStale: path.isStale,
  };
}

/** The paths of one peer, of all prefixes or those equal to or covering `at`; a few more than `limit` at most. */
export function describeRoutes(
  rib: AdjRibIn,
  peer: number,
  router: RouterId,
  at: string | undefined,
  limit: number,
): readonly ReceivedRoute[] {
  const routes: ReceivedRoute[] = [];
  for (const { prefix, paths } of prefixesAt(rib, at)) {
    for (const path of paths) {
      if (path.peer === peer) routes.push(describePath(rib, prefix, path, router));
    }
    if (routes.length >= limit) break;
  }
  return routes;
}

/** The paths of the peers that `routers` names, to these prefixes and to none that covers them. */
export function describeExactly(
  rib: AdjRibIn,
  prefixes: readonly Prefix[],
  routers: ReadonlyMap<number, RouterId>,
): readonly ReceivedRoute[] {
  return prefixes.flatMap((prefix) =>
    rib.paths(prefix).flatMap((path) => {
      const router = routers.get(path.peer);
      return router ? [describePath(rib, prefix, path, router)] : [];
    }),
  );
}

/** Prefixes with routes of any peer: all, or those equal to or covering `at`, the longest first. */
export function* prefixesAt(
  rib: AdjRibIn,
  at: string | undefined,
): Generator<{ readonly prefix: Prefix; readonly paths: readonly Path[] }> {
  if (at === undefined) {
    yield* rib.entries(4);
    yield* rib.entries(6);
    return;
  }
  const wanted = parsePrefix(at);
  if (!wanted.ok) return;
  for (const prefix of rib.covering(wanted.value)) yield { prefix, paths: rib.paths(prefix) };
}
