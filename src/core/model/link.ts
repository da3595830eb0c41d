import type { Asn, Bitps, LinkId, RouterId } from '../base/units.ts';

export type Direction = 'inbound' | 'outbound';

/** One upstream circuit, as policy knows it. Money and marks are parts of their own. */
export interface Link {
  readonly id: LinkId;
  /** The provider's AS number. */
  readonly asn: Asn;
  readonly router: RouterId;
  readonly capacity: Bitps;
  /** Links that share one port share its capacity; undefined stands alone. */
  readonly port?: string;
}
