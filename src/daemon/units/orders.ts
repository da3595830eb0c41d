import type { PrefixText } from '../../core/base/units.ts';

/** What operators took back, at whichever unit: the later order holds for all of them. Plain JSON. */
export interface Orders {
  /** Counts the orders of the whole network; a unit that was cut off may count one that others do not know. */
  readonly serial: number;
  readonly isWithdrawn: boolean;
  readonly withheld: readonly PrefixText[];
}

export const noOrders: Orders = { serial: 0, isWithdrawn: false, withheld: [] };

/** Of two orders of one serial, given apart while a network was parted, both hold: what is taken back stays back. */
export function laterOrders(a: Orders, b: Orders): Orders {
  if (a.serial !== b.serial) return a.serial > b.serial ? a : b;
  return {
    serial: a.serial,
    isWithdrawn: a.isWithdrawn || b.isWithdrawn,
    withheld: [...new Set([...a.withheld, ...b.withheld])].sort(),
  };
}

export const sameOrders = (a: Orders, b: Orders): boolean =>
  a.serial === b.serial &&
  a.isWithdrawn === b.isWithdrawn &&
  a.withheld.join(' ') === b.withheld.join(' ');
