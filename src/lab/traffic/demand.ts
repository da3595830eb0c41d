/** What the receivers want. Pure. */
import type { Topology } from '../topology.ts';

/** Wanted application bit/s by block prefix, one value per source in the topology's order; a block not named wants nothing. */
export type Demand = Readonly<Record<string, readonly number[]>>;

/** Application bit/s over all blocks: 1.6 times north at layer 2, two thirds of both links. */
export const totalDemandBitps = 62_000_000;

/** By source: 8 % cannot be moved by prepends, 12 % only by two. */
export const usualShares = [0.4, 0.4, 0.12, 0.08] as const;
/** The sources that prepends hardly move send more than half. */
export const stubbornShares = [0.2, 0.25, 0.4, 0.15] as const;

export interface DemandShape {
  readonly totalBitps?: number;
  /** Blocks that together want this share (0 to 1) of everything; all alike unless set. */
  readonly favoured?: { readonly blocks: readonly string[]; readonly share: number };
  /** Share of every block's demand by source. */
  readonly sources?: readonly number[];
}

export function demandOf(topology: Topology, shape: DemandShape = {}): Demand {
  const { blocks } = topology;
  const total = shape.totalBitps ?? totalDemandBitps;
  const sources = shape.sources ?? usualShares;
  const isFavoured = (prefix: string) => shape.favoured?.blocks.includes(prefix) ?? false;
  const favoured = blocks.filter((block) => isFavoured(block.prefix)).length;
  // Where all or none are favoured there is nobody to favour them over.
  const isUneven = favoured > 0 && favoured < blocks.length;
  const share = shape.favoured?.share ?? 0;
  const shareOf = (prefix: string): number => {
    if (!isUneven) return 1 / blocks.length;
    return isFavoured(prefix) ? share / favoured : (1 - share) / (blocks.length - favoured);
  };
  return Object.fromEntries(
    blocks.map(({ prefix }) => [
      prefix,
      sources.map((source) => Math.round(total * shareOf(prefix) * source)),
    ]),
  );
}
