import type { LinkId, Ms, PrefixText } from '../base/units.ts';

/** `undefined` preference means unbiased: announced alike on all links, the Internet chooses. */
export interface BlockPlan {
  readonly block: PrefixText;
  readonly link: LinkId | undefined;
  /** Rung of the escalation ladder: 0 unbiased, 1..N prepends on the other links, then more. */
  readonly rung: number;
  readonly reason: string;
}

/**
 * The output of a decision. Plain JSON. A block that is absent is not announced by us:
 * the routers' own aggregate carries it.
 */
export interface Plan {
  /** Counts decisions that changed something. */
  readonly generation: number;
  readonly at: Ms;
  readonly blocks: readonly BlockPlan[];
}

/** `postponed` and `refused` moves were stopped by a rail and changed nothing. */
export type MoveOutcome =
  | 'pending'
  | 'approved'
  | 'worked'
  | 'missed'
  | 'escalated'
  | 'rolled_back'
  | 'postponed'
  | 'refused';

/** One change between the plan in force and the new one. */
export interface Move {
  readonly at: Ms;
  readonly block: PrefixText;
  readonly from: LinkId | undefined;
  readonly to: LinkId | undefined;
  readonly rung: number;
  readonly reason: string;
  /** What is expected: the inbound rate (bit/s) that leaves `from` for `to`. */
  readonly predictedShiftBitps: number;
}

/** What a safety limit said of a move. */
export interface RailVerdict {
  readonly rail: string;
  readonly result: 'pass' | 'postpone' | 'refuse';
  readonly reason: string;
}
