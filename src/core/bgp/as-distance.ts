/** How many autonomous systems lie between a provider and the origin of a route. Pure. */
import type { AsPathSegment } from '../wire/bgp/attributes.ts';

/**
 * Steps from `asn` to the origin along a path, prepends counted once: 0 where `asn` is the origin, undefined where it is
 * not on the path, or where a set (RFC 9774) hides what comes after it.
 */
export function hopsFrom(path: readonly AsPathSegment[], asn: number): number | undefined {
  let hops: number | undefined;
  let last: number | undefined;
  for (const { kind, asns } of path) {
    if (kind === 'confed_sequence' || kind === 'confed_set') continue;
    if (kind === 'set') return undefined;
    for (const next of asns) {
      if (next === last) continue;
      if (hops !== undefined) hops++;
      else if (next === asn) hops = 0;
      last = next;
    }
  }
  return hops;
}
