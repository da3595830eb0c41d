import type { LinkId } from '../base/units.ts';
import type { Direction } from './link.ts';

/** What may tell of congestion. */
export type SignKind = 'probe_loss' | 'delay_growth' | 'retransmission' | 'discards' | 'load';

export interface CongestionReason {
  readonly kind: SignKind;
  readonly value: number;
  /** What this sign alone says, 0 to 1, after its age and coverage. */
  readonly evidence: number;
}

export interface CongestionVerdict {
  readonly link: LinkId;
  readonly direction: Direction;
  /** 0 free, 1 certainly congested. */
  readonly value: number;
  readonly isCongested: boolean;
  /** The strongest first; those that say nothing are left out. */
  readonly reasons: readonly CongestionReason[];
}
