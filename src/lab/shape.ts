/**
 * Where the unit's wires sit: on each provider's link, or between the border and our hosts. `beside`: it has none, and
 * knows only what the border routers' counters, flow exports and BGP tell.
 */
export type Place = 'link' | 'inside' | 'beside';

/** What a lab can be asked to be. */
export interface LabShape {
  readonly place: Place;
  /** One border router with both links, or two with one link each. */
  readonly routers: 1 | 2;
  /** What runs on the border routers. */
  readonly kind: 'bird' | 'frr';
  /** Capacity of north and south at layer 2, bit/s. */
  readonly capacitiesBitps: readonly [number, number];
  /** How the unit steers [prepends by the border routers]. */
  readonly ladder?: 'prepends' | 'more_specifics' | 'provider_communities';
}

/** All traffic first comes in by north, which is too small for it; together they are not. */
export function defaultShape(place: Place): LabShape {
  return {
    place,
    routers: place === 'link' ? 1 : 2,
    kind: 'bird',
    capacitiesBitps: [40_000_000, 60_000_000],
  };
}
