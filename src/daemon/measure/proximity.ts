/** How near a network is by each link in autonomous systems: what the routers tell, dumps and relationships say. */
import { prefixOf } from '../../core/base/prefix.ts';
import type { LinkId, PrefixText } from '../../core/base/units.ts';
import { hopsFrom } from '../../core/bgp/as-distance.ts';
import type { AdjRibIn } from '../../core/bgp/rib/adj-rib-in.ts';
import { decodeBlock } from '../../core/bgp/rib/intake.ts';
import type { Settings } from '../../core/settings/index.ts';
import { valleyFreeHops } from '../../core/simulate/distance.ts';
import { indexOfAs, parseRelationships, type Topology } from '../../core/simulate/topology.ts';
import { type AsPathSegment, neighborAs, originAs } from '../../core/wire/bgp/attributes.ts';
import type { Log } from '../log.ts';
import { PathDump, readPlain } from './path-dump.ts';

export interface Proximity {
  /** Steps from each link's provider to the origin of the network; links of which nothing is known are left out. */
  hops(network: PrefixText): ReadonlyMap<LinkId, number>;
}

type Routes = Pick<AdjRibIn, 'covering' | 'paths' | 'attributes'>;

interface Relations {
  readonly topology: Topology;
  /** By link. */
  readonly hops: ReadonlyMap<LinkId, Int16Array>;
}

/**
 * A path that a router really has by the link speaks first; then one in a dump that leads through the provider; last the
 * shortest that relationships allow, which is a guess of what the Internet would choose.
 */
export class AsProximity implements Proximity {
  readonly #links: Settings['links'];
  readonly #routes: Routes | undefined;
  #dump: PathDump | undefined;
  #relations: Relations | undefined;

  constructor(links: Settings['links'], routes: Routes | undefined) {
    this.#links = links;
    this.#routes = routes;
  }

  /** Reads what settings name; each that cannot be read is logged and left out. */
  async load(settings: NonNullable<Settings['proximity']>, log: Log): Promise<void> {
    const { routes, relationships } = settings;
    if (relationships !== undefined) await attempt(log, () => this.#relate(relationships));
    if (routes.length === 0) return;
    const dump = new PathDump(this.#links.map(({ asn }) => asn));
    for (const path of routes) await attempt(log, () => dump.load(path));
    const { prefixes, damaged } = dump;
    log.info({ prefixes, damaged }, `proximity: ${prefixes} prefixes from dumps of routes`);
    this.#dump = dump;
  }

  hops(network: PrefixText): ReadonlyMap<LinkId, number> {
    const paths = this.#paths(network);
    const dumped = this.#dump?.find(network);
    const origin = paths.map(originAs).find((asn) => asn !== undefined) ?? dumped?.origin;
    const found = new Map<LinkId, number>();
    for (const [i, { name, asn }] of this.#links.entries()) {
      const told = paths
        .filter((path) => neighborAs(path) === asn)
        .flatMap((path) => hopsFrom(path, asn) ?? []);
      const hops =
        told.length > 0 ? Math.min(...told) : (dumped?.hops[i] ?? this.#relatedHops(name, origin));
      if (hops !== undefined) found.set(name, hops);
    }
    return found;
  }

  #paths(network: PrefixText): readonly (readonly AsPathSegment[])[] {
    const routes = this.#routes;
    const longest = routes?.covering(prefixOf(network))[0];
    if (!routes || !longest || longest.length === 0) return [];
    const { attributes: store } = routes;
    return routes.paths(longest).map(({ attributes }) => {
      const block = decodeBlock(store.bytesOf(attributes), store.kindOf(attributes));
      return block.attributes.asPath ?? [];
    });
  }

  #relatedHops(link: LinkId, origin: number | undefined): number | undefined {
    const relations = this.#relations;
    if (!relations || origin === undefined) return undefined;
    const hops = relations.hops.get(link)?.[indexOfAs(relations.topology, origin)] ?? -1;
    return hops < 0 ? undefined : hops;
  }

  async #relate(path: string): Promise<void> {
    const parsed = parseRelationships(new TextDecoder().decode(await readPlain(path)));
    if (!parsed.ok) throw new Error(`${path}:${parsed.error.line}: ${parsed.error.code}`);
    const topology = parsed.value;
    const hops = new Map(
      this.#links.map(({ name, asn }) => [name, valleyFreeHops(topology, asn)] as const),
    );
    this.#relations = { topology, hops };
  }
}

/** Without the file proximity knows less, and all else works. */
async function attempt(log: Log, load: () => Promise<void>): Promise<void> {
  try {
    await load();
  } catch (error) {
    log.warn({ err: error }, `proximity: ${error instanceof Error ? error.message : error}`);
  }
}

/** Networks that are looked up in one cycle: the heaviest make nearly all of the traffic. */
const networksMax = 500;

/** Mean hops by link, weighed by the traffic with each network, with the share of the traffic that it is of. */
export function meanHops(
  proximity: Proximity,
  networks: ReadonlyArray<{ readonly prefix: PrefixText; readonly weight: number }>,
): ReadonlyMap<LinkId, { readonly hops: number; readonly coverage: number }> {
  const total = networks.reduce((sum, { weight }) => sum + weight, 0);
  const sums = new Map<LinkId, { weight: number; hops: number }>();
  const heaviest = [...networks].sort((a, b) => b.weight - a.weight).slice(0, networksMax);
  for (const { prefix, weight } of heaviest) {
    for (const [link, hops] of proximity.hops(prefix)) {
      const sum = sums.get(link) ?? { weight: 0, hops: 0 };
      sums.set(link, { weight: sum.weight + weight, hops: sum.hops + hops * weight });
    }
  }
  return new Map(
    [...sums].map(([link, { weight, hops }]) => [
      link,
      { hops: hops / weight, coverage: weight / total },
    ]),
  );
}
