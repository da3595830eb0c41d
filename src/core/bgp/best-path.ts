/** The choice between paths (RFC 4271 section 9.1), and for each that lost, at which step it did. */
import { asPathLength, neighborAs, origins, type PathAttributes } from '../wire/bgp/attributes.ts';

export interface Candidate {
  readonly attributes: PathAttributes;
  readonly isInternal: boolean;
  readonly isStale: boolean;
  /** BGP identifier of the peer, as a number; ORIGINATOR_ID counts instead where there is one. */
  readonly peerRouterId: number;
  /** The last resort, so that the choice is never open: the peer's place, then the path identifier. */
  readonly peer: number;
  readonly pathId: number;
}

/** In the order in which they decide. */
export const steps = [
  'stale',
  'local_pref',
  'as_path_length',
  'origin',
  'med',
  'external_over_internal',
  'router_id',
  'cluster_list_length',
  'peer',
  'path_id',
] as const;
export type Step = (typeof steps)[number];

export interface Ranked<T> {
  readonly candidate: T;
  /** Undefined for the best; else where it lost against the one before it. */
  readonly lostAt: Step | undefined;
}

/** Negative when `a` is better at this step; 0 leaves it to the next. */
const comparisons: Readonly<Record<Step, (a: Candidate, b: Candidate) => number>> = {
  stale: (a, b) => Number(a.isStale) - Number(b.isStale),
  local_pref: (a, b) => (b.attributes.localPref ?? 100) - (a.attributes.localPref ?? 100),
  as_path_length: (a, b) => pathLength(a) - pathLength(b),
  origin: (a, b) => originRank(a) - originRank(b),
  // RFC 4271 section 9.1.2.2 (c): only between paths of the same neighbouring AS; a missing one is 0.
  med: (a, b) =>
    neighborOf(a) === neighborOf(b) ? (a.attributes.med ?? 0) - (b.attributes.med ?? 0) : 0,
  external_over_internal: (a, b) => Number(a.isInternal) - Number(b.isInternal),
  router_id: (a, b) => identifier(a) - identifier(b),
  cluster_list_length: (a, b) =>
    (a.attributes.clusterList?.length ?? 0) - (b.attributes.clusterList?.length ?? 0),
  peer: (a, b) => a.peer - b.peer,
  path_id: (a, b) => a.pathId - b.pathId,
};

/** Which of two is better and the step that says so; undefined only for the same path twice. */
export function compareCandidates(
  a: Candidate,
  b: Candidate,
): { readonly order: number; readonly step: Step } | undefined {
  for (const step of steps) {
    const order = comparisons[step](a, b);
    if (order !== 0) return { order, step };
  }
  return undefined;
}

/**
 * The candidates, best first. MED makes the order of pairs intransitive (RFC 3345), so paths are taken by
 * neighbouring AS first, and the best of each compared: the order of the input does not matter.
 */
export function rankCandidates<T extends Candidate>(
  candidates: readonly T[],
): readonly Ranked<T>[] {
  const groups = new Map<number | undefined, T[]>();
  for (const candidate of candidates) {
    const neighbor = neighborOf(candidate);
    groups.set(neighbor, [...(groups.get(neighbor) ?? []), candidate]);
  }
  const order = (a: T, b: T) => compareCandidates(a, b)?.order ?? 0;
  const sorted = [...groups.values()].map((group) => group.sort(order));
  const winners = sorted.flatMap((group) => group.slice(0, 1)).sort(order);
  const [best] = winners;
  if (!best) return [];
  const rest = [...winners.slice(1), ...sorted.flatMap((group) => group.slice(1))];
  const ranked = rest
    .map((candidate) => ({
      candidate,
      lostAt: lostAgainst(best, winnerOf(sorted, candidate), candidate),
    }))
    .sort((a, b) => steps.indexOf(b.lostAt) - steps.indexOf(a.lostAt));
  return [{ candidate: best, lostAt: undefined }, ...ranked];
}

/** Against the winner of its own neighbour where it is not that winner, else against the best of all. */
function lostAgainst<T extends Candidate>(best: T, winner: T | undefined, candidate: T): Step {
  const rival = winner && winner !== candidate ? winner : best;
  return compareCandidates(rival, candidate)?.step ?? 'path_id';
}

const winnerOf = <T extends Candidate>(groups: readonly T[][], candidate: T): T | undefined =>
  groups.find((group) => group.includes(candidate))?.[0];

const pathLength = ({ attributes }: Candidate): number => asPathLength(attributes.asPath ?? []);
const originRank = ({ attributes }: Candidate): number =>
  origins.indexOf(attributes.origin ?? 'incomplete');
const neighborOf = ({ attributes }: Candidate): number | undefined =>
  neighborAs(attributes.asPath ?? []);

function identifier({ attributes, peerRouterId }: Candidate): number {
  const { originatorId } = attributes;
  return originatorId === undefined ? peerRouterId : identifierOf(originatorId);
}

/** A BGP identifier in dotted decimal as the number that it is compared by (RFC 6286); 0 for an empty text. */
export function identifierOf(text: string): number {
  return text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
}
