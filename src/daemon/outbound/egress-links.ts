/** The links of a router as the decision over outbound traffic wants them. */
import { bitps, type LinkId } from '../../core/base/units.ts';
import type {
  DestinationObservation,
  EgressLink,
  Override,
} from '../../core/decide/egress/index.ts';
import type { Observation } from '../../core/model/observation.ts';
import type { Settings } from '../../core/settings/index.ts';
import { policyOf } from '../configure.ts';
import { attributedRates, unattributed } from './destination-rates.ts';
import { LeastOf } from './least-of.ts';

/** Of one router, or of all that are decided for together. */
export class EgressLinks {
  /** What no destination accounted for: counters of routers come in bursts of their own. */
  readonly #rests = new LeastOf<LinkId>();

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
    const rest = this.#rests.next(
      unattributed(loads, attributedRates(destinations, inForce, isUp)),
    );
    return seen.map((entry): EgressLink => {
      const { link, capacity } = entry;
      const { isDrained, threshold, pricePerMbps } = termsOf(settings, link, observation);
      return {
        link,
        isUp: entry.isUp,
        capacity,
        unattributed: bitps(rest.get(link) ?? 0),
        pricePerMbps,
        ...(isDrained ? { threshold: 0 } : threshold === undefined ? {} : { threshold }),
      };
    });
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
