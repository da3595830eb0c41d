import { type Bitps, bitps, type LinkId } from '../../base/units.ts';
import type { DestinationObservation, EgressLink, EgressRoute } from './types.ts';

/** What the links would carry while destinations are put on them; nothing here is what they carry now. */
export class Projection {
  readonly #links: ReadonlyMap<LinkId, EgressLink>;
  readonly #load = new Map<LinkId, number>();
  readonly #threshold: number;
  readonly #growth: number;

  /**
   * Starts with the traffic that no destination accounts for. `threshold`: of the links that set none. Room is left for
   * `growth` times what is put on a link.
   */
  constructor(links: readonly EgressLink[], threshold: number, growth = 1) {
    this.#threshold = threshold;
    this.#growth = growth;
    this.#links = new Map(links.map((link) => [link.link, link]));
    for (const link of links) this.#load.set(link.link, link.unattributed);
  }

  /** Adds `rate` to a link; a negative one takes it off. */
  put(link: LinkId, rate: number): void {
    this.#load.set(link, (this.#load.get(link) ?? 0) + rate);
  }

  move(from: LinkId, to: LinkId, rate: number): void {
    this.put(from, -rate);
    this.put(to, rate);
  }

  load(link: LinkId): Bitps {
    return bitps(this.#load.get(link) ?? 0);
  }

  /** How much more of now the link could carry up to `share`, see `shareOf`; negative when it will be above. */
  room(link: LinkId, share: number): number {
    const { capacity = 0, isUp = false } = this.#links.get(link) ?? {};
    return (isUp ? (capacity * this.shareOf(link, share)) / this.#growth : 0) - this.load(link);
  }

  /** A share that the policy names, of the capacity of this link: less on a link with a lower threshold of its own. */
  shareOf(link: LinkId, share: number): number {
    const own = this.#links.get(link)?.threshold ?? this.#threshold;
    return share * (own / this.#threshold);
  }

  isUp(link: LinkId): boolean {
    return this.#links.get(link)?.isUp ?? false;
  }

  price(link: LinkId): number {
    return this.#links.get(link)?.pricePerMbps ?? 0;
  }

  /** The route that plain BGP would use now. */
  preferred({ routes }: Pick<DestinationObservation, 'routes'>): EgressRoute | undefined {
    return routes.find((route) => this.isUp(route.link));
  }
}
