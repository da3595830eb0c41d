/** Round trips of our blocks of late: the native module keeps the histograms and tells three numbers a block. */
import type { Sliced } from '../core/base/slices.ts';
import type { PrefixText } from '../core/base/units.ts';
import { layout } from './layout.ts';
import type { Slots } from './slots.ts';
import type { BlockRtt, BlockRtts } from './snapshot.ts';

const { block_rtt: record } = layout.records;

/** Some 50 µs of native work, at one worker. */
const blocksAtOnce = 512;

/** Of the averaging time: looks do not come to the millisecond, and one that is early by less ends a stretch all the same. */
const slack = 0.05;

/** The fewest of which one lies beyond the 95th percentile. */
const fewestSamples = 20;

/** Records of the blocks from `first` on; `endsStretch` as native/runtime/block_rtt.h says. */
export type ReadBlockRtts = (first: number, count: number, endsStretch: boolean) => ArrayBuffer;

/** Quantiles of few samples say nothing, and are not told. */
export function blockRttOf(samples: number, p50Us: number, p95Us: number): BlockRtt {
  const isEnough = samples >= fewestSamples;
  return {
    samples,
    p50Us: isEnough ? p50Us : undefined,
    p95Us: isEnough ? p95Us : undefined,
  };
}

/** Looks at all blocks from time to time, so that what is told is of the averaging time, or of two looks if longer. */
export class RecentBlockRtts {
  readonly #read: ReadBlockRtts;
  /** When the present stretch, and the one before it, began. */
  #beganMs: number;
  #beganBeforeMs: number;

  /** Counts are of nothing at `nowMs`, on any monotonic clock. */
  constructor(read: ReadBlockRtts, nowMs: number) {
    this.#read = read;
    this.#beganMs = nowMs;
    this.#beganBeforeMs = nowMs;
  }

  /** `blocks` names the counters as they are now. One look at a time. */
  *look(blocks: Slots<PrefixText>, nowMs: number, averageMs: number): Sliced<BlockRtts> {
    const overMs = nowMs - this.#beganBeforeMs;
    const endsStretch = nowMs - this.#beganMs >= averageMs * (0.5 - slack);
    if (endsStretch) {
      this.#beganBeforeMs = this.#beganMs;
      this.#beganMs = nowMs;
    }
    const bytes = new Uint8Array(blocks.capacity * record.bytes);
    for (let first = 0; first < blocks.capacity; first += blocksAtOnce) {
      const count = Math.min(blocksAtOnce, blocks.capacity - first);
      bytes.set(new Uint8Array(this.#read(first, count, endsStretch)), first * record.bytes);
      yield;
    }
    const view = new DataView(bytes.buffer);
    return {
      overMs,
      of: (block) => {
        const index = blocks.index(block);
        return index < blocks.capacity ? readRtt(view, index * record.bytes) : undefined;
      },
    };
  }
}

function readRtt(view: DataView, at: number): BlockRtt {
  const { samples, p50_us: p50, p95_us: p95 } = record.fields;
  const u32 = ([offset]: readonly [number, number]) => view.getUint32(at + offset, true);
  return blockRttOf(u32(samples), u32(p50), u32(p95));
}
