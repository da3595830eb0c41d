/** Outbound in a cycle of the unit: what the destinations need of the other components. */
import type { Observation } from '../core/model/observation.ts';
import type { Settings } from '../core/settings/index.ts';
import type { EngineTables } from '../engine/index.ts';
import type { Memory } from '../history/index.ts';
import type { Components, Parts } from './components.ts';
import { tablesOf } from './configure.ts';
import { Destinations, type DestinationsTurn, recallDetours } from './destinations.ts';

/** Undefined where settings do not ask for it, or no router is spoken to. */
export function openDestinations(
  settings: Settings,
  { speaker, engine }: Pick<Components, 'speaker' | 'engine'>,
  { clock, log }: Pick<Parts, 'clock' | 'log'>,
  memory: Memory | undefined,
  now: number,
): Destinations | undefined {
  const { outbound } = settings;
  if (!outbound || !speaker) return undefined;
  const before = recallDetours(memory, settings, now);
  const destinations = new Destinations(settings, outbound, speaker, log, before);
  let isDue = false;
  speaker.onChange((change) => {
    if (isDue || change.kind !== 'received' || change.action !== 'withdrawn') return;
    if (!destinations.isDetoured(change.prefix)) return;
    isDue = true;
    // A failed link takes many back at once: one look for all of them.
    clock.after(lookMs, () => {
      isDue = false;
      destinations.dropLost();
      if (destinations.takeMarks())
        engine?.publish(tablesWith(destinations.settings, destinations));
    });
  });
  return destinations;
}

/** Marks follow a withdrawal within this time, ms; the egress sessions do so by themselves. */
const lookMs = 50;

interface OutboundTurn {
  readonly observation: Observation;
  readonly mode: Settings['mode'];
  readonly wire: DestinationsTurn['span'] | undefined;
}

/** One cycle, after the one of inbound: counts what the routers newly told, decides, tells the routers. */
export function steerOut(
  destinations: Destinations,
  { engine, sources }: Pick<Components, 'engine' | 'sources'>,
  { observation, mode, wire }: OutboundTurn,
  settings: Settings,
): void {
  if (destinations.takeCounted()) engine?.publish(tablesWith(settings, destinations));
  const [flows, times] = [sources?.flows(), sources?.times()];
  destinations.turn({
    observation,
    mode,
    ...(wire ? { span: wire } : {}),
    ...(flows ? { flows } : {}),
    ...(times ? { times } : {}),
  });
  if (destinations.takeMarks()) engine?.publish(tablesWith(settings, destinations));
}

/** What the wires count and mark by, with the destinations that the routers told. */
export function tablesWith(
  settings: Settings,
  destinations: Pick<Destinations, 'table'> | undefined,
): EngineTables {
  return { ...tablesOf(settings), destinations: destinations?.table ?? [] };
}
