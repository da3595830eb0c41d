import {
  type Bitps,
  bitps,
  type LinkId,
  linkId,
  type PrefixText,
  prefixText,
} from '../base/units.ts';
import type { BlockPlan, Plan } from '../model/plan.ts';
import type { Asked, Rung } from './ask.ts';
import { propagate } from './propagate.ts';
import { pareto, type Random } from './random.ts';
import { degree, type Topology } from './topology.ts';

/** A network of ours somewhere at the edge of an Internet: links to providers, blocks, and who sends to them. */
export interface World {
  readonly topology: Topology;
  /** Provider by link, as an index of the topology. */
  readonly providers: readonly number[];
  readonly links: ReadonlyArray<{ readonly link: LinkId; readonly capacity: Bitps }>;
  readonly blocks: readonly PrefixText[];
  readonly sources: readonly number[];
  /** Mean bit/s at block × sources + source. */
  readonly demand: Float64Array;
  /** What the rungs of a plan do, from rung 1; one prepend more each unless given. */
  readonly ladder?: readonly Rung[];
}

export interface WorldShape {
  readonly links: number;
  readonly blocks: number;
  readonly sources: number;
  /** Mean load of all links together, as a share of their capacity. */
  readonly fill: number;
  /** Mean load of everything. */
  readonly total: Bitps;
}

/** Providers have at least this many customers, so that they are somebody's upstream in earnest. */
const leastCustomers = 5;

/** Draws a multihomed stub: its providers, links of 1, 2 or 4 units, and its traffic. */
export function drawWorld(topology: Topology, random: Random, shape: WorldShape): World {
  const transit = [...topology.asns.keys()].filter(
    (as) => degree(topology.customers, as) >= leastCustomers,
  );
  const providers = drawDistinct(random, transit, shape.links);
  const sizes = providers.map(() => 2 ** Math.floor(2.5 * random()));
  const sum = sizes.reduce((a, b) => a + b, 0);
  const capacity = shape.total / shape.fill;
  const links = sizes.map((size, i) => ({
    link: linkId(`link${i + 1}`),
    capacity: bitps((capacity * size) / sum),
  }));
  const { blocks, sources, total } = shape;
  return drawTraffic(topology, random, { providers, links, blocks, sources, total });
}

export interface TrafficShape extends Pick<World, 'providers' | 'links'> {
  readonly blocks: number;
  readonly sources: number;
  readonly total: Bitps;
}

/** Draws who sends how much to which block: a gravity model, the size of the network times the size of the block. */
export function drawTraffic(topology: Topology, random: Random, shape: TrafficShape): World {
  const { providers, links } = shape;
  const edge = [...topology.asns.keys()].filter((as) => !providers.includes(as));
  const sources = drawDistinct(random, edge, shape.sources);
  const blocks = Array.from({ length: shape.blocks }, (_, i) =>
    prefixText(`10.${i >> 8}.${i & 255}.0/24`),
  );
  const weights = sources.map(
    (as) => pareto(random, 1.3) * Math.sqrt(1 + degree(topology.customers, as)),
  );
  const demand = new Float64Array(shape.blocks * sources.length);
  for (let b = 0; b < shape.blocks; b++) {
    const size = pareto(random, 1.5);
    for (let s = 0; s < sources.length; s++)
      demand[b * sources.length + s] = size * (weights[s] ?? 0) * pareto(random, 2);
  }
  const scale = shape.total / demand.reduce((a, b) => a + b, 0);
  return {
    topology,
    providers,
    links,
    blocks,
    sources,
    demand: demand.map((value) => value * scale),
  };
}

/** Answers by which link each source reaches a block; every distinct announcement is propagated once. */
export class Routes {
  readonly #world: World;
  readonly #known = new Map<string, Int8Array>();
  /** Propagations computed, for whoever measures. */
  computed = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Link by source, -1 where it has no route. */
  of(plan: BlockPlan | undefined, isUp: readonly boolean[]): Int8Array {
    const { links, ladder } = this.#world;
    const rung = plan?.link === undefined ? 0 : plan.rung;
    const target = rung === 0 ? -1 : links.findIndex(({ link }) => link === plan?.link);
    const key = `${isUp.map(Number).join('')} ${target} ${rung}`;
    const known = this.#known.get(key);
    if (known) return known;
    const up = links.flatMap((_, i) => (isUp[i] ? [i] : []));
    const does: Rung = rung === 0 ? {} : (ladder?.[rung - 1] ?? { prepends: rung });
    const isSpecific = does === 'more_specifics';
    const others = isSpecific ? {} : does;
    const found = this.#spread(up, (i) => (i === target ? {} : others));
    if (isSpecific && isUp[target]) {
      // The longer prefix wins wherever it is heard.
      const specific = this.#spread([target], () => ({}));
      for (const [s, link] of specific.entries()) if (link >= 0) found[s] = link;
    }
    this.#known.set(key, found);
    return found;
  }

  #spread(up: readonly number[], asked: (link: number) => Asked): Int8Array {
    const { providers, sources, topology } = this.#world;
    const entries = up.map((i) => ({ provider: providers[i] ?? 0, prepends: 0, ...asked(i) }));
    const { link } = propagate(topology, entries);
    this.computed++;
    return Int8Array.from(sources, (as) => {
      const entry = link[as] ?? -1;
      return entry < 0 ? -1 : (up[entry] ?? -1);
    });
  }
}

/** Offered bit/s by block and link under a plan; `factor` scales the mean of each block. */
export function offeredRates(
  world: World,
  routes: Routes,
  plan: Plan,
  isUp: readonly boolean[],
  factor: (block: number) => number,
): Map<PrefixText, Map<LinkId, number>> {
  const planned = new Map(plan.blocks.map((entry) => [entry.block as string, entry]));
  const count = world.sources.length;
  const rates = new Map<PrefixText, Map<LinkId, number>>();
  for (const [b, block] of world.blocks.entries()) {
    const byLink = new Map<LinkId, number>();
    const route = routes.of(planned.get(block), isUp);
    const times = factor(b);
    for (let s = 0; s < count; s++) {
      const link = world.links[route[s] ?? -1]?.link;
      if (link === undefined) continue;
      byLink.set(link, (byLink.get(link) ?? 0) + times * (world.demand[b * count + s] ?? 0));
    }
    rates.set(block, byLink);
  }
  return rates;
}

function drawDistinct(random: Random, from: readonly number[], count: number): number[] {
  const chosen = new Set<number>();
  while (chosen.size < Math.min(count, from.length))
    chosen.add(from[Math.floor(random() * from.length)] ?? 0);
  return [...chosen];
}
