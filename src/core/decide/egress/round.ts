import { bitps, type LinkId, type Ms } from '../../base/units.ts';
import { Projection } from './projection.ts';
import type {
  DestinationObservation,
  EgressObservation,
  EgressPlan,
  EgressPolicy,
  EgressRoute,
  Override,
} from './types.ts';

/** An override that ended in this round. */
export type Removed<N extends string> = Override<N> & { readonly removedBecause: string };

/** A destination and the way that it is to take. */
interface Choice<N extends string> {
  readonly destination: DestinationObservation<N>;
  readonly route: EgressRoute;
}

/** One decision in the making: the overrides so far and what the links would carry with them. */
export class Round<N extends string> {
  readonly at: Ms;
  readonly policy: EgressPolicy;
  /** The largest first, equal ones by name. */
  readonly destinations: ReadonlyArray<DestinationObservation<N>>;
  /** Without any override, and with those of `kept`. */
  readonly plain: Projection;
  readonly planned: Projection;
  readonly kept = new Map<N, Override<N>>();
  readonly removed: Removed<N>[] = [];

  constructor(observation: EgressObservation<N>, policy: EgressPolicy) {
    this.at = observation.at;
    this.policy = policy;
    this.destinations = [...observation.destinations].sort(bySizeThenName);
    const { links, growth } = observation;
    this.plain = new Projection(links, policy.threshold, growth);
    this.planned = new Projection(links, policy.threshold, growth);
    for (const destination of this.destinations) {
      const preferred = this.plain.preferred(destination);
      if (!preferred) continue;
      this.plain.put(preferred.link, destination.rate);
      this.planned.put(preferred.link, destination.rate);
    }
  }

  get isFull(): boolean {
    return this.kept.size >= this.policy.overridesMax;
  }

  /** Takes up the overrides whose path is still there; the others fall back to plain BGP at once. */
  keepValid(inForce: ReadonlyArray<Override<N>>): void {
    const byName = new Map(this.destinations.map((entry) => [entry.destination, entry]));
    for (const override of inForce) {
      const destination = byName.get(override.destination);
      const preferred = destination && this.planned.preferred(destination);
      const lost = this.#lostBecause(override, destination, preferred);
      if (lost !== undefined || !destination || !preferred) {
        this.removed.push({ ...override, removedBecause: lost ?? 'no link is up' });
        continue;
      }
      this.planned.move(preferred.link, override.link, destination.rate);
      this.kept.set(override.destination, { ...override, from: preferred.link });
    }
  }

  #lostBecause(
    override: Override<N>,
    destination: DestinationObservation<N> | undefined,
    preferred: EgressRoute | undefined,
  ): string | undefined {
    if (!destination) return 'the destination is not seen any more';
    const isThere = destination.routes.some(
      (route) => route.link === override.link && route.nextHop === override.nextHop,
    );
    if (!isThere) return `the path by ${override.link} was withdrawn`;
    if (!this.planned.isUp(override.link)) return `${override.link} is down`;
    return preferred?.link === override.link
      ? `plain BGP prefers ${override.link} itself now`
      : undefined;
  }

  /** Ends detours that the preferred link has room for again: largest first, since each spares the most. */
  release(): void {
    const { planned, policy } = this;
    for (const destination of this.destinations) {
      const override = this.kept.get(destination.destination);
      if (override?.because !== 'overload') continue;
      if (destination.rate > planned.room(override.from, policy.release)) continue;
      const minutes = Math.round((this.at - override.since) / 60_000);
      const share = percent(planned.shareOf(override.from, policy.release));
      this.end(
        destination,
        override,
        `${override.from} stays below ${share} with it, after ${minutes} min of detour`,
      );
    }
  }

  /**
   * Takes just enough off every link above its threshold. A link is filled to its target at most, so that relief of one
   * never overloads another: the rounds end, and another decision right after finds nothing to do.
   */
  relieve(): EgressPlan['unplaced'] {
    const { planned, policy } = this;
    const routes = this.destinations.flatMap((destination) => destination.routes);
    const all = [...new Set(routes.map(({ link }) => link))].sort();
    const isOver = (link: LinkId) => planned.isUp(link) && planned.room(link, policy.threshold) < 0;
    for (;;) {
      const links = all.filter((link) => isOver(link) && this.#chooseToShed(link));
      if (links.length === 0) break;
      for (const link of links) this.#shed(link);
    }
    return all.filter(isOver).map((link) => {
      const reason = this.isFull
        ? 'the limit of overrides is reached'
        : 'no destination fits another link';
      return {
        link,
        excess: bitps(-planned.room(link, policy.threshold)),
        text: `${link} stays above ${percent(planned.shareOf(link, policy.threshold))}: ${reason}`,
      };
    });
  }

  /** Puts a destination on another link than plain BGP would. */
  detour(
    { destination, route }: Choice<N>,
    more: Pick<Override<N>, 'because' | 'text' | 'expected'>,
  ) {
    const before = this.kept.get(destination.destination);
    const preferred = this.planned.preferred(destination);
    const from = preferred?.link ?? route.link;
    this.planned.move(before?.link ?? from, route.link, destination.rate);
    this.kept.set(destination.destination, {
      destination: destination.destination,
      link: route.link,
      nextHop: route.nextHop,
      from,
      since: before?.since ?? this.at,
      ...more,
    });
  }

  /** Gives a destination back to plain BGP. */
  end(destination: DestinationObservation<N>, override: Override<N>, removedBecause: string): void {
    this.planned.move(override.link, override.from, destination.rate);
    this.kept.delete(override.destination);
    this.removed.push({ ...override, removedBecause });
  }

  /** Down to the target of one link, as far as there is room elsewhere. */
  #shed(link: LinkId): void {
    const { planned, policy } = this;
    const threshold = percent(planned.shareOf(link, policy.threshold));
    while (planned.room(link, policy.target) < 0) {
      const choice = this.#chooseToShed(link);
      if (!choice) return;
      const { destination, route } = choice;
      const before = this.kept.get(destination.destination);
      if (before && route.link === planned.preferred(destination)?.link) {
        this.end(destination, before, `${link} was projected above ${threshold}`);
        continue;
      }
      const text = `${link} was projected above ${threshold}; ${route.link} has room`;
      this.detour(choice, { because: 'overload', text });
    }
  }

  /**
   * The smallest destination that covers the excess, else the largest that fits, by the best alternate (that rule
   * equals the exact optimum in nearly every small case: the property in the tests). Those already detoured to this
   * link may go elsewhere too, unless they are sticky.
   */
  #chooseToShed(link: LinkId): Choice<N> | undefined {
    const excess = -this.planned.room(link, this.policy.target);
    let largest: Choice<N> | undefined;
    let covering: Choice<N> | undefined;
    // In falling order of size: the first that fits is the largest, the last that covers is the smallest that does.
    for (const destination of this.destinations) {
      const override = this.kept.get(destination.destination);
      if (destination.rate <= 0 || (!override && this.isFull)) continue;
      if (override && this.policy.isSticky) continue;
      if ((override?.link ?? this.planned.preferred(destination)?.link) !== link) continue;
      const route = this.#bestAlternate(destination, link);
      if (!route) continue;
      largest ??= { destination, route };
      if (destination.rate >= excess) covering = { destination, route };
      else break;
    }
    return covering ?? largest;
  }

  /** The cheapest decides, then BGP's order, then the room. */
  #bestAlternate(destination: DestinationObservation<N>, from: LinkId): EgressRoute | undefined {
    const { planned, policy } = this;
    const room = (link: LinkId) => planned.room(link, policy.target);
    return destination.routes
      .filter((route) => route.link !== from && room(route.link) >= destination.rate)
      .map((route, rank) => ({ route, rank }))
      .sort(
        (a, b) =>
          planned.price(a.route.link) - planned.price(b.route.link) ||
          a.rank - b.rank ||
          room(b.route.link) - room(a.route.link),
      )[0]?.route;
  }
}

function bySizeThenName<N extends string>(
  a: DestinationObservation<N>,
  b: DestinationObservation<N>,
): number {
  return b.rate - a.rate || (a.destination < b.destination ? -1 : 1);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
