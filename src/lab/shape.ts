/**
 * Where the unit's wires sit: on each provider's link, or between the border and our hosts. `beside`: it has none, and
 * knows only what the border routers' counters, flow exports and BGP tell.
 */
export type Place = 'link' | 'inside' | 'beside';

/** What a lab can be asked to be. */
export interface LabShape {
  readonly place: Place;
  /** One border router with both links, or two with one link each; three with a unit each (`units-topology.ts`). */
  readonly routers: 1 | 2 | 3;
  /** What runs on the border routers; of three it is the first, the others are BIRD. */
  readonly kind: 'bird' | 'frr';
  /** Capacity of each provider's link at layer 2, bit/s. */
  readonly capacitiesBitps: readonly number[];
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

/** Three units as one, with four links: all traffic first comes in by the first, which is too small for two thirds of it. */
export const unitsShape: LabShape = {
  place: 'link',
  routers: 3,
  kind: 'frr',
  capacitiesBitps: [3_000_000, 3_000_000, 3_000_000, 3_000_000],
};
