/** Which providers answers may point to: their link is up, their prefix announced, and probes with its address return. */
import { type Address, formatAddress } from '../../core/base/prefix.ts';
import type { LinkId } from '../../core/base/units.ts';
import type { AdjRibIn } from '../../core/bgp/rib/adj-rib-in.ts';
import type { LinkObservation } from '../../core/model/observation.ts';
import type { DestinationProbe } from '../../probe/index.ts';

/** What the routers tell of prefixes; absent where nobody is asked. */
export interface SeenRoutes {
  readonly table: Pick<AdjRibIn, 'longestLength'>;
  /** False while a session is down: what it told may be missing, and says nothing. */
  isComplete(): boolean;
}

/** Probes lost in a row that count as no answer: one alone is a bad moment. */
export const lostMax = 3;

/** A path that answers: not merely once, some time ago. */
export const isReturning = ({ lostInARow }: DestinationProbe): boolean =>
  lostInARow !== undefined && lostInARow < lostMax;

export interface ProviderAddresses {
  readonly link: LinkId;
  readonly addresses: readonly Address[];
}

export class ProviderWatch {
  readonly #providers: readonly ProviderAddresses[];
  readonly #routes: SeenRoutes | undefined;
  /** Addresses that a route covered once: of others the routers tell us nothing, and their absence means nothing. */
  readonly #covered = new Set<string>();

  constructor(providers: readonly ProviderAddresses[], routes: SeenRoutes | undefined) {
    this.#providers = providers;
    this.#routes = routes;
  }

  /** By link, why no answer is to point to it. `probes` are those that were sent lately. */
  outs(
    links: readonly LinkObservation[],
    probes: readonly DestinationProbe[],
  ): ReadonlyMap<LinkId, string> {
    const isAnyReturning = probes.some(isReturning);
    const found = new Map<LinkId, string>();
    for (const { link, addresses } of this.#providers) {
      const own = probes.filter((probe) => probe.link === link);
      const missing = addresses.find((address) => this.#isGone(address));
      if (links.some((seen) => seen.link === link && !seen.isUp))
        found.set(link, 'its link is down');
      else if (missing) {
        const text = formatAddress(missing.bytes);
        found.set(link, `the prefix of ${text} is no longer seen announced`);
        // Where no probe returns by any provider it is we who are cut off, or nobody was asked yet.
      } else if (isAnyReturning && own.length > 0 && !own.some(isReturning)) {
        found.set(link, 'no probe with its address is answered');
      }
    }
    return found;
  }

  #isGone({ family, bytes }: Address): boolean {
    const routes = this.#routes;
    if (!routes?.isComplete()) return false;
    const key = formatAddress(bytes);
    if (routes.table.longestLength(family, bytes, 0) === 0) return this.#covered.has(key);
    this.#covered.add(key);
    return false;
  }
}
