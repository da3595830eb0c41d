/** How much the tables of a wire hold, and what memory that takes: all of it when the wire is opened, and no more. */
import { halfSampling } from './halves.ts';
import { layout } from './layout.ts';
import { loadNative } from './native.ts';
import type { EngineOptions } from './options.ts';

export interface Capacity {
  readonly blocks: number;
  readonly destinations: number;
  readonly links: number;
  /** A power of two. */
  readonly sessionSlots: number;
  readonly findsHeaviest: boolean;
  readonly followsSpin: boolean;
  readonly halfShare?: number;
  readonly halfKey?: Uint8Array;
}

const defaultSessionSlots = 2 ** 18;
/** Spare room beside the first tables, so that a reload with a few more needs no restart. */
const spare = { blocks: 256, destinations: 1024, links: 2 };

export function capacityOf(options: Omit<EngineOptions, 'wires'>): Capacity {
  const { tables } = options;
  const destinations = tables.destinations?.length ?? 0;
  return {
    blocks: options.blocksMax ?? Math.ceil(tables.blocks.length * 1.25) + spare.blocks,
    destinations: options.destinationsMax ?? Math.ceil(destinations * 1.25) + spare.destinations,
    links: Math.min(layout.linksMax, tables.links.length + spare.links),
    sessionSlots: options.sessionSlots ?? defaultSessionSlots,
    findsHeaviest: options.findsHeaviest ?? false,
    followsSpin: options.followsSpin ?? false,
    ...(options.halves ? halfSampling(options.halves) : {}),
  };
}

/** Bytes that all wires together take beside. Throws HeadgateError `native_missing`. */
export function sharedMemoryOf(capacity: Capacity): number {
  const native = loadNative<{ engineSharedBytes(capacity: Capacity): number }>();
  return native.engineSharedBytes(capacity);
}

/** Bytes that the kernel takes for the counts of a wire with a program at its ports. Throws HeadgateError `native_missing`. */
export function kernelMemoryOf(capacity: Capacity): number {
  const native = loadNative<{ engineKernelBytes(capacity: Capacity): number }>();
  return native.engineKernelBytes(capacity);
}

/** Bytes of a wire with so many workers. Throws HeadgateError `native_missing`. */
export function memoryOf(capacity: Capacity, workers = 1): number {
  const native = loadNative<{ engineBytes(capacity: Capacity, workers: number): number }>();
  return native.engineBytes(capacity, workers);
}
