/** What the receivers want, in phases: the first overload and three shifts of the load between blocks. Pure. */
import type { LabBlock } from '../topology.ts';
import type { Demand } from './index.ts';

/** Application bit/s over all blocks: 1.6 times north at layer 2, two thirds of both links. */
export const totalDemandBitps = 62_000_000;

/** Weights of the blocks by phase, repeated over the list of blocks; all phases want the same in total. */
const phases: ReadonlyArray<readonly number[]> = [
  [1],
  [1.5, 0.5],
  [0.5, 0.5, 1, 1, 2],
  [2, 1, 1, 0.5, 0.5],
];

export const phaseCount = phases.length;

/** The demand of a phase, 0 to 3; later ones begin again with the first shift. */
export function demandOf(blocks: readonly LabBlock[], phase: number): Demand {
  const index = phase < phaseCount ? phase : 1 + ((phase - 1) % (phaseCount - 1));
  const pattern = phases[index] ?? [1];
  const weights = blocks.map((_, n) => pattern[n % pattern.length] ?? 1);
  const sum = weights.reduce((a, b) => a + b, 0);
  return Object.fromEntries(
    blocks.map((block, n) => [block.prefix, (totalDemandBitps * (weights[n] ?? 0)) / sum]),
  );
}
