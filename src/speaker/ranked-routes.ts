import { parsePrefix } from '../core/base/prefix.ts';
import type { RouterId } from '../core/base/units.ts';
import { type Candidate, identifierOf, rankCandidates } from '../core/bgp/best-path.ts';
import type { AdjRibIn, Path } from '../core/bgp/rib/adj-rib-in.ts';
import { decodeBlock, internalKind } from '../core/bgp/rib/intake.ts';
import { describePath } from './routes.ts';
import type { RankedRoute } from './status.ts';

/** Whose paths they are: by the peer's number in the table. */
export interface Teller {
  readonly router: RouterId;
  /** BGP identifier of the router, dotted decimal; empty before the first session. */
  readonly identifier: string;
}

/**
 * What all routers told of the destination at `at` (prefix or address): the longest prefix first, and of each the best
 * path first, each other with the step at which it lost. From where the unit stands: a router may choose otherwise
 * by what the unit cannot see (its own weights, the cost of its next hops).
 */
export function rankRoutes(
  rib: AdjRibIn,
  at: string,
  tellerOf: (peer: number) => Teller | undefined,
): readonly RankedRoute[] {
  const wanted = parsePrefix(at);
  if (!wanted.ok) return [];
  return rib.covering(wanted.value).flatMap((prefix) => {
    const candidates = rib.paths(prefix).flatMap((path) => {
      const teller = tellerOf(path.peer);
      return teller ? [candidateOf(rib, path, teller)] : [];
    });
    return rankCandidates(candidates).map(({ candidate, lostAt }, i) => ({
      ...describePath(rib, prefix, candidate.path, candidate.router),
      rank: i + 1,
      ...(lostAt === undefined ? {} : { lostAt }),
    }));
  });
}

interface KnownCandidate extends Candidate {
  readonly path: Path;
  readonly router: RouterId;
}

function candidateOf(rib: AdjRibIn, path: Path, { router, identifier }: Teller): KnownCandidate {
  const kind = rib.attributes.kindOf(path.attributes);
  return {
    path,
    router,
    attributes: decodeBlock(rib.attributes.bytesOf(path.attributes), kind).attributes,
    isInternal: kind === internalKind,
    isStale: path.isStale,
    peerRouterId: identifierOf(identifier),
    peer: path.peer,
    pathId: path.pathId,
  };
}
