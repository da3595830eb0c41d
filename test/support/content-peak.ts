/** The content network at its peak, with a unit that carries it. */
import type { Test } from 'tap';
import { allByNorth, type ContentLab } from '../../src/lab/content/lab.ts';
import { type Carrier, threshold } from '../../src/lab/content/settings.ts';
import { demand, providers, type RouterKind, router } from '../../src/lab/content/topology.ts';
import { type Outflow, startOutflow } from '../../src/lab/content/traffic.ts';
import type { InterfaceCounters } from '../../src/lab/namespaces.ts';
import { type ContentUnit, openContent, startContentUnit } from './content.ts';
import { waitFor } from './lab.ts';

/** IP bit/s over all destinations: a third of north at night, twice what it carries at the peak. */
export const night = 3_000_000;
export const peak = 20_000_000;

/** Who is sent to [all destinations] and how much, bit/s. */
interface Sent {
  readonly hosts?: readonly string[];
  readonly rates: readonly number[];
}

/** The content network with a unit, its traffic first all by north, then at a peak that is carried. */
export async function openAtPeak(
  t: Test,
  prefix: string,
  carrier: Carrier,
  kind: RouterKind = 'bird',
  { hosts, rates }: Sent = { rates: demand(peak) },
) {
  const lab = await openContent(t, prefix, carrier, kind);
  const unit = await startContentUnit(t, lab, carrier, kind);
  const traffic = await startOutflow(lab, hosts);
  t.teardown(() => traffic.stop());
  await waitFor('every destination to be reached by north', 60_000, async () =>
    allByNorth(await lab.waysOut()),
  );
  traffic.setDemand(rates);
  await carried(t, lab, traffic);
  return { lab, unit, traffic };
}

/** Waits until the receivers get all that is sent, with no provider above its threshold. */
export async function carried(t: Test, lab: ContentLab, traffic: Outflow): Promise<void> {
  let text = '';
  await waitFor('the peak to be carried whole', 60_000, async () => {
    const [sent, received, dropped] = [traffic.sent(), traffic.received(), await lab.dropped()];
    const counters = await lab.counters(router.name);
    const from = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const loads = sharesOf(counters, await lab.counters(router.name), Date.now() - from);
    const arrived = (traffic.received() - received) / Math.max(1, traffic.sent() - sent);
    text = `${loads.map((share) => `${(100 * share).toFixed(0)} %`).join(', ')}; ${(100 * arrived).toFixed(1)} % arrive`;
    const isClean = JSON.stringify(await lab.dropped()) === JSON.stringify(dropped);
    return (
      isClean &&
      traffic.sent() > sent &&
      arrived > 0.97 &&
      loads.every((share) => share <= threshold + 0.03)
    );
  });
  t.pass(text);
}

/** Of each provider's capacity, what the router sent between two readings. */
export function sharesOf(
  before: ReadonlyMap<string, InterfaceCounters>,
  after: ReadonlyMap<string, InterfaceCounters>,
  elapsedMs: number,
): readonly number[] {
  return providers.map(({ name, capacityBitps }) => {
    const bytes = (after.get(name)?.txBytes ?? 0) - (before.get(name)?.txBytes ?? 0);
    return (bytes * 8000) / elapsedMs / capacityBitps;
  });
}

/** A link of a projection, by its name. */
export const load = (
  routers: Awaited<ReturnType<ContentUnit['destinations']>>['routers'],
  name: string,
) => routers.flatMap(({ links }) => links).find(({ link }) => link === name);
