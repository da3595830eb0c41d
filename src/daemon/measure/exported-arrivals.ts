import type { Arrivals } from '../../collect/flow/index.ts';
import { formatAddress } from '../../core/base/prefix.ts';
import type { LinkId } from '../../core/base/units.ts';
import type { ArrivalWitness } from '../../probe/index.ts';

/** Flow exports as witness of the ways that answers to our probes take: slow, and where no wire is the only one. */
export class ExportedArrivals {
  readonly #packets = new Map<string, Map<LinkId, number>>();

  add(arrivals: readonly Arrivals[]): void {
    for (const { address, link, packets } of arrivals) {
      const known = this.#packets.get(address) ?? new Map<LinkId, number>();
      this.#packets.set(address, known);
      known.set(link, (known.get(link) ?? 0) + packets);
    }
  }

  /** A copy: what is compared later must not change. */
  readonly witness: ArrivalWitness = ({ bytes }) =>
    new Map(this.#packets.get(`${formatAddress(bytes)}/${bytes.length * 8}`));
}
