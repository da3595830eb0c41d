/** The links of a router as the decision over outbound traffic wants them. */
import { type Bitps, bitps, type LinkId } from '../core/base/units.ts';
import type { DestinationObservation, EgressLink, Override } from '../core/decide/egress/index.ts';
import type { Observation } from '../core/model/observation.ts';
import type { Settings } from '../core/settings/index.ts';
import { policyOf } from './configure.ts';
import { attributedRates, unattributed } from './destination-rates.ts';

/** Cycles until traffic that no destination accounts for counts. */
const settlingCycles = 4;

/** Of one router, or of all that are decided for together. */
export class EgressLinks {
  /** What no destination accounted for in the latest cycles, the newest first. */
  #rests: ReadonlyArray<ReadonlyMap<LinkId, Bitps>> = [];

  of<N extends string>(
    settings: Settings,
    own: ReadonlySet<LinkId>,
    observation: Observation,
    destinations: ReadonlyArray<DestinationObservation<N>>,
    inForce: ReadonlyArray<Override<N>>,
  ): readonly EgressLink[] {
    const seen = observation.links.filter(({ link }) => own.has(link));
    const isUp = (link: LinkId) => seen.some((entry) => entry.link === link && entry.isUp);
    const loads = new Map(
      seen.flatMap(({ link, outbound }) => (outbound ? [[link, outbound.value]] : [])),
    );
    const rest = this.#settled(unattributed(loads, attributedRates(destinations, inForce, isUp)));
    return seen.map((entry): EgressLink => {
      const { link, capacity } = entry;
      const { isDrained, threshold, pricePerMbps } = termsOf(settings, link, observation);
      return {
        link,
        isUp: entry.isUp,
        capacity,
        unattributed: rest.get(link) ?? bitps(0),
        pricePerMbps,
        ...(isDrained ? { threshold: 0 } : threshold === undefined ? {} : { threshold }),
      };
    });
  }

  /**
   * The least of the latest cycles: counters of routers come in bursts of their own, and a burst must not chase traffic
   * away. What is really there beside the destinations counts a few cycles later.
   */
  #settled(now: ReadonlyMap<LinkId, Bitps>): ReadonlyMap<LinkId, Bitps> {
    const latest = [now, ...this.#rests].slice(0, settlingCycles);
    this.#rests = latest;
    const least = (link: LinkId) => Math.min(...latest.map((rest) => rest.get(link) ?? 0));
    return new Map(
      [...now.keys()].map((link) => [
        link,
        bitps(latest.length < settlingCycles ? 0 : least(link)),
      ]),
    );
  }
}

/** What policy says of a link beside its capacity: the same prices and maintenance as inbound. */
function termsOf(settings: Settings, link: LinkId, observation: Observation) {
  const { at } = observation;
  const { links, maintenance } = policyOf(settings);
  const own = settings.links.find(({ name }) => name === link);
  const seen = observation.links.find((entry) => entry.link === link);
  const billed = own?.price && 'direction' in own.price ? own.price.direction : undefined;
  // While the other direction decides the bill, another bit outbound costs nothing.
  const isFree =
    billed === 'inbound' ||
    (billed === 'larger' && (seen?.outbound?.value ?? 0) < (seen?.inbound?.value ?? 0));
  return {
    isDrained: maintenance.some((w) => w.link === link && w.from <= at && at < w.to),
    threshold: own?.outboundThreshold,
    pricePerMbps: isFree ? 0 : (links.find((entry) => entry.link === link)?.pricePerMbps ?? 0),
  };
}
