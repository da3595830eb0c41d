import { bitps, type LinkId, type Ms } from '../../base/units.ts';
import { performanceCandidates } from './performance.ts';
import { Projection } from './projection.ts';
import type {
  DestinationObservation,
  EgressObservation,
  EgressPlan,
  EgressPolicy,
  EgressRoute,
  Override,
  OverrideReason,
} from './types.ts';

export type * from './types.ts';

type Removed = Override & { readonly removedBecause: string };

/**
 * The next overrides, from what the links would carry without us (the idea of Edge Fabric, SIGCOMM 2017, with
 * hysteresis and stickiness added). Pure and stateless but for the overrides in force, so that a restart changes
 * nothing; the order of the input does not matter.
 */
export function decideEgress(
  observation: EgressObservation,
  policy: EgressPolicy,
  inForce: readonly Override[],
): EgressPlan {
  const plain = new Projection(observation, policy.threshold);
  const planned = new Projection(observation, policy.threshold);
  const destinations = [...observation.destinations].sort(bySizeThenName);
  for (const destination of destinations) {
    const preferred = plain.preferred(destination);
    if (!preferred) continue;
    plain.put(preferred.link, destination.rate);
    planned.put(preferred.link, destination.rate);
  }
  const removed: Removed[] = [];
  const kept = keepValid(destinations, inForce, planned, removed);
  release(destinations, kept, planned, policy, observation.at, removed);
  const unplaced = relieve(destinations, kept, planned, policy, observation.at, removed);
  if (policy.performance) {
    improve(destinations, kept, planned, policy, observation.at);
  }
  const overrides = [...kept.values()].sort((a, b) => (a.destination < b.destination ? -1 : 1));
  const before = new Map(inForce.map((override) => [override.destination, override]));
  return {
    overrides,
    added: overrides.filter((override) => before.get(override.destination)?.link !== override.link),
    removed: removed.filter((override) => !kept.has(override.destination)),
    projection: [...observation.links]
      .sort((a, b) => (a.link < b.link ? -1 : 1))
      .map(({ link, capacity }) => ({
        link,
        capacity,
        plain: plain.load(link),
        planned: planned.load(link),
      })),
    unplaced,
  };
}

/** Overrides whose path is still there; the others fall back to plain BGP at once. */
function keepValid(
  destinations: readonly DestinationObservation[],
  inForce: readonly Override[],
  planned: Projection,
  removed: Removed[],
): Map<string, Override> {
  const byName = new Map(destinations.map((destination) => [destination.destination, destination]));
  const kept = new Map<string, Override>();
  for (const override of inForce) {
    const destination = byName.get(override.destination);
    const preferred = destination && planned.preferred(destination);
    const route = destination?.routes.find(
      (r) => r.link === override.link && r.nextHop === override.nextHop,
    );
    const lost = !destination
      ? 'the destination is not seen any more'
      : !route
        ? `the path by ${override.link} was withdrawn`
        : !planned.isUp(override.link)
          ? `${override.link} is down`
          : preferred?.link === override.link
            ? `plain BGP prefers ${override.link} itself now`
            : undefined;
    if (lost !== undefined || !destination || !preferred) {
      removed.push({ ...override, removedBecause: lost ?? 'no link is up' });
      continue;
    }
    planned.move(preferred.link, override.link, destination.rate);
    kept.set(override.destination, { ...override, from: preferred.link });
  }
  return kept;
}

/** Ends detours that the preferred link has room for again: largest first, since each spares the most. */
function release(
  destinations: readonly DestinationObservation[],
  kept: Map<string, Override>,
  planned: Projection,
  policy: EgressPolicy,
  at: Ms,
  removed: Removed[],
): void {
  for (const destination of destinations) {
    const override = kept.get(destination.destination);
    if (override?.because !== 'overload') continue;
    if (destination.rate > planned.room(override.from, policy.release)) continue;
    planned.move(override.link, override.from, destination.rate);
    kept.delete(destination.destination);
    const minutes = Math.round((at - override.since) / 60_000);
    removed.push({
      ...override,
      removedBecause: `${override.from} stays below ${percent(planned.shareOf(override.from, policy.release))} with it, after ${minutes} min of detour`,
    });
  }
}

/**
 * Takes just enough off every link above its threshold. A link is filled to its target at most, so that relief of one
 * never overloads another: the rounds end, and another decision right after finds nothing to do.
 */
function relieve(
  destinations: readonly DestinationObservation[],
  kept: Map<string, Override>,
  planned: Projection,
  policy: EgressPolicy,
  at: Ms,
  removed: Removed[],
): EgressPlan['unplaced'] {
  const all = [...new Set(destinations.flatMap((d) => d.routes.map((route) => route.link)))].sort();
  const isOver = (link: LinkId) => planned.isUp(link) && planned.room(link, policy.threshold) < 0;
  for (;;) {
    const choices = all.filter(isOver).flatMap((link) => {
      const choice = chooseToShed(link, destinations, kept, planned, policy);
      return choice ? [{ link, ...choice }] : [];
    });
    if (choices.length === 0) break;
    for (const { link } of choices) shed(link, destinations, kept, planned, policy, at, removed);
  }
  return all.filter(isOver).map((link) => {
    const reason =
      kept.size < policy.overridesMax
        ? 'no destination fits another link'
        : 'the limit of overrides is reached';
    return {
      link,
      excess: bitps(-planned.room(link, policy.threshold)),
      text: `${link} stays above ${percent(planned.shareOf(link, policy.threshold))}: ${reason}`,
    };
  });
}

/** Down to the target of one link, as far as there is room elsewhere. */
function shed(
  link: LinkId,
  destinations: readonly DestinationObservation[],
  kept: Map<string, Override>,
  planned: Projection,
  policy: EgressPolicy,
  at: Ms,
  removed: Removed[],
): void {
  const threshold = percent(planned.shareOf(link, policy.threshold));
  while (planned.room(link, policy.target) < 0) {
    const choice = chooseToShed(link, destinations, kept, planned, policy);
    if (!choice) return;
    const { destination, route } = choice;
    const preferred = planned.preferred(destination);
    const before = kept.get(destination.destination);
    planned.move(link, route.link, destination.rate);
    if (before && route.link === preferred?.link) {
      kept.delete(destination.destination);
      removed.push({ ...before, removedBecause: `${link} was projected above ${threshold}` });
      continue;
    }
    const text = `${link} was projected above ${threshold}; ${route.link} has room`;
    kept.set(
      destination.destination,
      overrideOf(destination, route, preferred?.link ?? link, at, 'overload', text, kept),
    );
  }
}

/**
 * The smallest destination that covers the excess, else the largest that fits, by the best alternate (RESEARCH: that
 * rule equalled the exact optimum in every case tried). Those already detoured to this link may go elsewhere too.
 */
function chooseToShed(
  link: LinkId,
  destinations: readonly DestinationObservation[],
  kept: ReadonlyMap<string, Override>,
  planned: Projection,
  policy: EgressPolicy,
): { readonly destination: DestinationObservation; readonly route: EgressRoute } | undefined {
  const excess = -planned.room(link, policy.target);
  let largest: { destination: DestinationObservation; route: EgressRoute } | undefined;
  let covering: { destination: DestinationObservation; route: EgressRoute } | undefined;
  // In falling order of size: the first that fits is the largest, the last that covers is the smallest that does.
  for (const destination of destinations) {
    const override = kept.get(destination.destination);
    if (destination.rate <= 0 || (!override && kept.size >= policy.overridesMax)) continue;
    if ((override?.link ?? planned.preferred(destination)?.link) !== link) continue;
    const route = bestAlternate(destination, link, planned, policy);
    if (!route) continue;
    largest ??= { destination, route };
    if (destination.rate >= excess) covering = { destination, route };
    else break;
  }
  return covering ?? largest;
}

/** The cheapest decides, then BGP's order, then the room. */
function bestAlternate(
  destination: DestinationObservation,
  from: LinkId,
  planned: Projection,
  policy: EgressPolicy,
): EgressRoute | undefined {
  return destination.routes
    .filter(
      (route) => route.link !== from && planned.room(route.link, policy.target) >= destination.rate,
    )
    .map((route, rank) => ({ route, rank }))
    .sort(
      (a, b) =>
        planned.price(a.route.link) - planned.price(b.route.link) ||
        a.rank - b.rank ||
        planned.room(b.route.link, policy.target) - planned.room(a.route.link, policy.target),
    )[0]?.route;
}

/** Sends destinations by a measurably faster path, a little per round, where the path has room. */
function improve(
  destinations: readonly DestinationObservation[],
  kept: Map<string, Override>,
  planned: Projection,
  policy: EgressPolicy,
  at: Ms,
): void {
  const { performance } = policy;
  if (!performance) return;
  const total = destinations.reduce((sum, { rate }) => sum + rate, 0);
  let budget = total * performance.sharePerRound;
  for (const destination of destinations) {
    const preferred = planned.preferred(destination);
    const override = kept.get(destination.destination);
    if (!preferred || override?.because === 'overload') continue;
    const faster = performanceCandidates(destination, preferred.link, performance)[0];
    if (override) {
      if (faster?.link === override.link) continue;
      planned.move(override.link, preferred.link, destination.rate);
      kept.delete(destination.destination);
    }
    if (!faster || destination.rate > budget || kept.size >= policy.overridesMax) continue;
    const route = destination.routes.find((r) => r.link === faster.link);
    if (!route || planned.room(faster.link, policy.target) < destination.rate) continue;
    budget -= destination.rate;
    planned.move(preferred.link, faster.link, destination.rate);
    const text = `${Math.round(faster.gainUs / 1000)} ms faster by ${faster.link} (${faster.samples} samples)`;
    kept.set(
      destination.destination,
      overrideOf(destination, route, preferred.link, at, 'performance', text, kept),
    );
  }
}

function overrideOf(
  destination: DestinationObservation,
  route: EgressRoute,
  from: LinkId,
  at: Ms,
  because: OverrideReason,
  text: string,
  kept: ReadonlyMap<string, Override>,
): Override {
  const since = kept.get(destination.destination)?.since ?? at;
  return {
    destination: destination.destination,
    link: route.link,
    nextHop: route.nextHop,
    from,
    since,
    because,
    text,
  };
}

function bySizeThenName(a: DestinationObservation, b: DestinationObservation): number {
  return b.rate - a.rate || (a.destination < b.destination ? -1 : 1);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
