import { type Bitps, bitps, type LinkId, type Ms, ms, type PrefixText } from '../base/units.ts';
import type { LinkObservation, Observation } from '../model/observation.ts';
import type { BlockPlan, Plan } from '../model/plan.ts';

/** How one source network chooses among our links for a block. */
export interface SimulatedSource {
  readonly name: string;
  /** AS-path length to us by link, before prepends; a link not named is not reachable. */
  readonly distance: Readonly<Record<string, number>>;
  /** Prefers this link by local preference: no prepend reaches it. */
  readonly prefers?: LinkId;
}

export interface SimulatedLink {
  readonly link: LinkId;
  readonly capacity: Bitps;
  readonly isUp?: boolean;
}

/** Offered bit/s of one source to one block. */
export interface SimulatedDemand {
  readonly source: string;
  readonly block: PrefixText;
  readonly rate: number;
}

export interface SimulatedTraffic {
  readonly observation: Observation;
  /** Offered bit/s by link, before the link clips it. */
  readonly offered: Readonly<Record<string, number>>;
  /** Bit/s offered and not carried. */
  readonly lost: number;
}

/**
 * The border as the Internet answers it: every source takes the shortest path under the plan's prepends, ties by
 * link name; a full link carries its capacity and cuts all on it alike, so that demand on it is a lower bound.
 */
export function answer(
  links: readonly SimulatedLink[],
  sources: readonly SimulatedSource[],
  demands: readonly SimulatedDemand[],
  plan: Plan,
  at: Ms,
  intervalMs: Ms,
): SimulatedTraffic {
  const up = links.filter((link) => link.isUp !== false).map((link) => link.link);
  const planned = new Map(plan.blocks.map((block) => [block.block as string, block]));
  const byName = new Map(sources.map((source) => [source.name, source]));
  const rates = new Map<PrefixText, Map<LinkId, number>>();
  for (const { source, block, rate } of demands) {
    const from = byName.get(source);
    const link = from && chooseLink(from, planned.get(block), up);
    if (link === undefined) continue;
    const byLink = rates.get(block) ?? new Map<LinkId, number>();
    byLink.set(link, (byLink.get(link) ?? 0) + rate);
    rates.set(block, byLink);
  }
  return observe(links, rates, at, intervalMs);
}

/** Turns offered rates by block and link into what a border with these capacities would show. */
export function observe(
  links: readonly SimulatedLink[],
  rates: ReadonlyMap<PrefixText, ReadonlyMap<LinkId, number>>,
  at: Ms,
  intervalMs: Ms,
): SimulatedTraffic {
  const offered: Record<string, number> = {};
  for (const { link } of links) offered[link] = 0;
  for (const byLink of rates.values())
    for (const [link, rate] of byLink) offered[link] = (offered[link] ?? 0) + rate;
  const carried = new Map(
    links.map(({ link, capacity }) => [
      link,
      Math.min(1, capacity / Math.max(1, offered[link] ?? 0)),
    ]),
  );
  const blocks = [...rates].map(([block, byLink]) => ({
    block,
    inbound: [...byLink].map(([link, rate]) => ({
      link,
      rate: bitps(rate * (carried.get(link) ?? 1)),
    })),
    outbound: [],
    ageMs: ms(0),
    coverage: 1,
  }));
  const seen = links.map(
    ({ link, capacity, isUp }): LinkObservation => ({
      link,
      isUp: isUp !== false,
      capacity,
      inbound: {
        value: bitps((offered[link] ?? 0) * (carried.get(link) ?? 1)),
        ageMs: ms(0),
        coverage: 1,
        source: 'wire',
      },
    }),
  );
  const lost = links.reduce(
    (sum, { link }) => sum + (offered[link] ?? 0) * (1 - (carried.get(link) ?? 1)),
    0,
  );
  return { observation: { at, intervalMs, links: seen, blocks }, offered, lost };
}

/** Prepends that a plan puts on a link for a block: none on the one it is biased to. */
export function prependsOn(plan: BlockPlan | undefined, link: LinkId): number {
  return plan?.link === undefined || plan.link === link ? 0 : plan.rung;
}

function chooseLink(
  source: SimulatedSource,
  plan: BlockPlan | undefined,
  up: readonly LinkId[],
): LinkId | undefined {
  if (source.prefers !== undefined && up.includes(source.prefers)) return source.prefers;
  let best: { link: LinkId; length: number } | undefined;
  for (const link of [...up].sort()) {
    const distance = source.distance[link];
    if (distance === undefined) continue;
    const length = distance + prependsOn(plan, link);
    if (!best || length < best.length) best = { link, length };
  }
  return best?.link;
}
