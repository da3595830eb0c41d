import { covers, type Prefix } from '../base/prefix.ts';
import type { Asn } from '../base/units.ts';
import type { Community, LargeCommunity } from './announcement.ts';
import { markerOf } from './steering.ts';

/** RFC 7999: the route asks its receivers to discard the traffic. */
export const blackhole: Community = [65535, 666];

/** A route for something of ours, as a router told it. */
export interface SeenRoute {
  readonly prefix: Prefix;
  readonly communities: readonly Community[];
  readonly largeCommunities: readonly LargeCommunity[];
}

export interface HandsOffPolicy {
  readonly localAsn: Asn;
  /** Communities by which scrubbing or another controller marks what it announces, beside BLACKHOLE. */
  readonly foreign: readonly Community[];
  /** Milliseconds without such a route before we steer the block again. */
  readonly holdMs: number;
}

/** Whether somebody else steers a part of the block: a route within it that is not ours and says so. */
export function isSteeredByOthers(
  block: Prefix,
  routes: readonly SeenRoute[],
  policy: HandsOffPolicy,
): boolean {
  const marker = markerOf(policy.localAsn).join(':');
  const words = new Set([blackhole, ...policy.foreign].map((community) => community.join(':')));
  return routes.some(
    ({ prefix, communities, largeCommunities }) =>
      covers(block, prefix) &&
      !largeCommunities.some((community) => community.join(':') === marker) &&
      communities.some((community) => words.has(community.join(':'))),
  );
}

/** `lastSeenMs` is when such a route was last there; undefined: never. */
export function mustKeepOff(
  lastSeenMs: number | undefined,
  nowMs: number,
  policy: HandsOffPolicy,
): boolean {
  return lastSeenMs !== undefined && nowMs - lastSeenMs < policy.holdMs;
}
