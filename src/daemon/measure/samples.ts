import type { Bitps, LinkId, PrefixText } from '../../core/base/units.ts';
import type { Direction } from '../../core/model/link.ts';
import type { Sampled, Source } from '../../core/model/observation.ts';

/** What routers' counters and probes say of a link. */
export interface LinkSamples {
  readonly isUp?: boolean;
  /** Live capacity, bit/s. */
  readonly capacity?: number;
  readonly inbound?: Sampled<Bitps>;
  readonly outbound?: Sampled<Bitps>;
  /** Discarded of all packets, 0 to 1. */
  readonly inboundDiscardRatio?: Sampled<number>;
  readonly outboundDiscardRatio?: Sampled<number>;
  readonly lossRatio?: Sampled<number>;
  /** Probes that the loss is of. */
  readonly lossSent?: number;
  /** Loss of the probes of the last two cycles alone. */
  readonly lossNow?: { readonly ratio: number; readonly sent: number };
  readonly rttUs?: Sampled<number>;
  readonly asHops?: Sampled<number>;
  /** What round trips have grown by over their lowest, microseconds. */
  readonly delayGrowthUs?: Sampled<number>;
}

/** What flow exports counted over the averaging time, layer-2 bytes. */
export interface FlowStretch {
  readonly links: ReadonlyMap<LinkId, { readonly inbound: number; readonly outbound: number }>;
  /** Half the width of the 95 % interval that sampling leaves, relative to a link's bytes; the largest of all links. */
  readonly errorRatio: number;
  readonly blocks: ReadonlyArray<{
    readonly block: PrefixText;
    readonly link: LinkId;
    readonly direction: Direction;
    readonly bytes: number;
  }>;
  /** Outbound, by foreign prefix, all links together. */
  readonly destinations: ReadonlyMap<PrefixText, number>;
  readonly elapsedMs: number;
  readonly ageMs: number;
  /** Share of the exported records that arrived, 0 to 1. */
  readonly coverage: number;
  readonly source: Source;
}
