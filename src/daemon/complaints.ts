/** What is not as it should be, gathered from every component. */
import type { Components } from './components.ts';
import type { Destinations } from './destinations.ts';
import { complaints, type Picture } from './views.ts';

/** One line per complaint, by a key under which it begins and ends. `historyWasLost`: since the last look. */
export function gatherComplaints(
  picture: Picture,
  components: Components,
  destinations: Destinations | undefined,
  historyWasLost: boolean,
): Map<string, string> {
  const { sources, origin, station, dump, history, diary } = components;
  const found = complaints(picture);
  for (const [key, what] of sources?.complaints() ?? []) found.set(key, what);
  for (const [key, what] of destinations?.complaints() ?? []) found.set(key, what);
  // Many routers speak no BMP: only what was there is missed.
  for (const { router, isConnected, counters } of station?.routers() ?? [])
    if (!isConnected && (counters.connections ?? 0) > 0)
      found.set(`bmp ${router}`, `router ${router} tells nothing by BMP`);
  if (dump?.failure !== undefined) found.set('mrt', `the dump is not written: ${dump.failure}`);
  if (origin?.complaint !== undefined) found.set('rpki', `VRPs: ${origin.complaint}`);
  if (historyWasLost)
    found.set('history', `history is not kept: ${[...history.lost.keys()].join(', ')}`);
  if (diary.lost > 0) found.set('audit', 'the audit log is not whole: its disk refused records');
  return found;
}
