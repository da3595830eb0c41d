import { covers, type Prefix, prefixOf } from '../base/prefix.ts';
import type { Asn, PrefixText } from '../base/units.ts';
import { type Community, formatCommunity, formatLargeCommunity } from './announcement.ts';
import { markerOf } from './steering.ts';

/** RFC 7999: the route asks its receivers to discard the traffic. */
export const blackhole: Community = [65535, 666];

/** A route for something of ours, as a router told it. */
export interface SeenRoute {
  readonly prefix: PrefixText;
  /** `64500 64501`; empty for what our own AS originates. */
  readonly asPath: string;
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
}

export interface HandsOffPolicy {
  readonly localAsn: Asn;
  /** Communities by which scrubbing or another controller marks what it announces, beside BLACKHOLE. */
  readonly foreign: ReadonlyArray<readonly number[]>;
}

/**
 * How somebody else steers the block or a part of it, in words, undefined when nobody does: a route within it that is
 * not ours and bears a community that says so, or a route for exactly it that another AS originates (scrubbing). What
 * our routers originate themselves has an empty path, or our own AS at its end.
 */
export function steeredByOthers(
  block: Prefix,
  routes: readonly SeenRoute[],
  { localAsn, foreign }: HandsOffPolicy,
): string | undefined {
  const marker = formatLargeCommunity(markerOf(localAsn));
  const words = new Set([formatCommunity(blackhole), ...foreign.map((words) => words.join(':'))]);
  for (const { prefix: text, asPath, communities, largeCommunities } of routes) {
    const prefix = prefixOf(text);
    if (!covers(block, prefix) || largeCommunities.includes(marker)) continue;
    const word = [...communities, ...largeCommunities].find((community) => words.has(community));
    if (word !== undefined) {
      const name = word === formatCommunity(blackhole) ? 'BLACKHOLE' : word;
      return `somebody else announces ${text} with ${name}`;
    }
    const origin = asPath
      .split(/[\s{},()]+/)
      .filter((asn) => asn !== '')
      .at(-1);
    if (prefix.length === block.length && origin !== undefined && Number(origin) !== localAsn)
      return `AS ${origin} announces ${text}`;
  }
  return undefined;
}
