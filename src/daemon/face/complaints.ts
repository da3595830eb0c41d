/** What is not as it should be, gathered from every component. */

import type { Components } from '../components.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { clusterComplaints } from '../units/cluster-views.ts';
import { complaints, type Picture } from './views.ts';

/** One line per complaint, by a key under which it begins and ends. `vitals`: what the unit noticed of itself. */
export function gatherComplaints(
  picture: Picture,
  components: Components,
  outbound: Outbound | undefined,
  vitals: ReadonlyMap<string, string>,
): Map<string, string> {
  const { sources, origin, configured, station, joined } = components;
  const found = complaints(picture);
  if (joined) for (const [key, what] of clusterComplaints(joined.joint)) found.set(key, what);
  for (const [key, what] of sources?.complaints() ?? []) found.set(key, what);
  for (const [key, what] of outbound?.complaints() ?? []) found.set(key, what);
  for (const [key, what] of configured?.complaints() ?? []) found.set(key, what);
  // Many routers speak no BMP: only what was there is missed.
  for (const { router, isConnected, counters } of station?.routers() ?? [])
    if (!isConnected && (counters.connections ?? 0) > 0)
      found.set(`bmp ${router}`, `router ${router} tells nothing by BMP`);
  if (origin?.complaint !== undefined) found.set('rpki', `VRPs: ${origin.complaint}`);
  for (const [key, what] of vitals) found.set(key, what);
  return found;
}
