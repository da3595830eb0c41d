/** What each block carried, by 5-minute sample, and added up over any time. Pure but for the meter's own sums. */
import type { BlockUsageView } from '../../control/index.ts';
import { eachSliced, type Sliced } from '../../core/base/slices.ts';
import type { Observation } from '../../core/model/observation.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { EngineSnapshot } from '../../engine/index.ts';
import type { BlockSample } from '../../history/index.ts';
import { sampleMs } from './usage.ts';

/** Octets at layer 2 by block. */
export type BlockBytes = ReadonlyMap<
  string,
  { readonly inbound: number; readonly outbound: number }
>;

/** Adds up blocks' octets until their sample ends. */
export class BlockMeter {
  #at: number | undefined;
  #coveredMs = 0;
  /** Sum of coverage × milliseconds. */
  #coverage = 0;
  #bytes = new Map<string, { inbound: number; outbound: number }>();

  /**
   * Adds what was carried from one wall clock to another, in full to the sample in which it began: stretches over a
   * boundary are short, since measurements are also taken at each. Gives the sample that this ended.
   */
  add(bytes: BlockBytes, from: number, to: number, coverage: number): BlockSample | undefined {
    if (to <= from) return undefined;
    const at = from - (from % sampleMs);
    const ended = this.#at !== undefined && this.#at !== at ? this.take() : undefined;
    this.#at = at;
    this.#coveredMs += to - from;
    this.#coverage += (to - from) * coverage;
    for (const [block, own] of bytes) {
      const sum = this.#bytes.get(block) ?? { inbound: 0, outbound: 0 };
      sum.inbound += own.inbound;
      sum.outbound += own.outbound;
      this.#bytes.set(block, sum);
    }
    return ended;
  }

  /** What there is of the present sample; begins anew. */
  take(): BlockSample | undefined {
    const at = this.#at;
    if (at === undefined) return undefined;
    const sample = {
      at,
      coveredMs: Math.min(sampleMs, Math.round(this.#coveredMs)),
      coverage: this.#coverage / this.#coveredMs,
      blocks: [...this.#bytes]
        .filter(([, { inbound, outbound }]) => inbound + outbound > 0)
        .map(([block, { inbound, outbound }]) => ({
          block,
          inboundL2: Math.round(inbound),
          outboundL2: Math.round(outbound),
        })),
    };
    this.#at = undefined;
    this.#coveredMs = 0;
    this.#coverage = 0;
    this.#bytes = new Map();
    return sample;
  }
}

/** Octets that a wire counted between two snapshots; a counter that went back was started anew. */
export function* countedBetween(
  earlier: EngineSnapshot,
  later: EngineSnapshot,
): Sliced<BlockBytes> {
  const key = (count: EngineSnapshot['blocks'][number]) =>
    `${count.block} ${count.link ?? ''} ${count.direction}`;
  const before = new Map<string, number>();
  yield* eachSliced(earlier.blocks, (count) => before.set(key(count), count.l2Bytes));
  const sums = new Map<string, { inbound: number; outbound: number }>();
  yield* eachSliced(later.blocks, (count) => {
    const then = before.get(key(count)) ?? 0;
    const grown = count.l2Bytes >= then ? count.l2Bytes - then : count.l2Bytes;
    if (grown === 0) return;
    const sum = sums.get(count.block) ?? { inbound: 0, outbound: 0 };
    sum[count.direction] += grown;
    sums.set(count.block, sum);
  });
  return sums;
}

/** The same from the rates of an observation, where no wire counts. */
export function carriedIn(observation: Observation, forMs: number): BlockBytes {
  const bytes = (rates: Observation['blocks'][number]['inbound']) =>
    rates.reduce((sum, { rate }) => sum + (rate * forMs) / 8000, 0);
  return new Map(
    observation.blocks.map(({ block, inbound, outbound }) => [
      block as string,
      { inbound: bytes(inbound), outbound: bytes(outbound) },
    ]),
  );
}

/** Share of the traffic that was measured and laid to a link: the blocks' coverage, by what they carry. */
export function coverageOf({ blocks }: Observation): number {
  let [all, known] = [0, 0];
  for (const { inbound, coverage } of blocks) {
    // A block without traffic was measured too.
    const weight = 1 + inbound.reduce((sum, { rate }) => sum + rate, 0);
    all += weight;
    known += weight * coverage;
  }
  return all > 0 ? known / all : 0;
}

/** The usage of each block or group over a time, heaviest first. */
export function usageOver(
  samples: Iterable<BlockSample>,
  { from, to }: { readonly from: number; readonly to: number },
  blocks: Settings['blocks'],
  by: 'block' | 'group',
): BlockUsageView {
  const groups = new Map<string, string>(
    blocks.flatMap(({ prefix, group }) => (group === undefined ? [] : [[prefix, group] as const])),
  );
  const sums = new Map<string, { inbound: number; outbound: number }>();
  let [coveredMs, measuredMs, total] = [0, 0, 0];
  for (const sample of samples) {
    coveredMs += sample.coveredMs;
    measuredMs += sample.coveredMs * sample.coverage;
    for (const { block, inboundL2, outboundL2 } of sample.blocks) {
      const name = by === 'group' ? (groups.get(block) ?? block) : block;
      const sum = sums.get(name) ?? { inbound: 0, outbound: 0 };
      sum.inbound += inboundL2;
      sum.outbound += outboundL2;
      total += inboundL2;
      sums.set(name, sum);
    }
  }
  const rate = (bytes: number) => (coveredMs > 0 ? Math.round((bytes * 8000) / coveredMs) : 0);
  return {
    from,
    to,
    coverage: to > from ? Math.min(1, measuredMs / (to - from)) : 0,
    rows: [...sums]
      .map(([name, { inbound, outbound }]) => ({
        name,
        inbound_bytes: inbound,
        outbound_bytes: outbound,
        inbound_bitps: rate(inbound),
        outbound_bitps: rate(outbound),
        share: total > 0 ? inbound / total : 0,
      }))
      .sort((a, b) => b.inbound_bytes - a.inbound_bytes || (a.name < b.name ? -1 : 1)),
  };
}
