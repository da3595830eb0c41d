import type { LinkId, Ms, PrefixText } from '../base/units.ts';
import type { Move, MoveOutcome, Plan, RailVerdict } from '../model/plan.ts';

/** What a rung towards a link was seen to do: the share of the traffic not yet there that came. */
export interface Effect {
  readonly mean: number;
  /** Number of observations, older ones fading; 0 means that the mean is only assumed. */
  readonly weight: number;
}

/** Share of a block's traffic by link; links not named carry none. */
export type Shares = Readonly<Record<string, number>>;

export interface BlockState {
  /** Times of the changes of this block's announcement within the last 24 policy hours, oldest first. */
  readonly changes: readonly Ms[];
  /** Links that the block was moved away from, and when. */
  readonly left: ReadonlyArray<{ readonly link: LinkId; readonly at: Ms }>;
  /** Where the Internet sent the block while its announcement was unbiased. */
  readonly baseline?: Shares;
  /** By target link: the highest rung tried, and the share that it brought. */
  readonly tried: Readonly<
    Record<string, { readonly rung: number; readonly moved: number; readonly at: Ms }>
  >;
  /** Dwell is multiplied by this; grows when the block goes back and forth. */
  readonly dwellFactor: number;
  /** Somebody else steered it, or not all routers carried it: not announced by us before this time. */
  readonly handsOffUntil?: Ms;
  readonly handsOffReason?: string;
}

/** A move whose effect has not been judged yet. */
export interface Pending {
  readonly block: PrefixText;
  readonly at: Ms;
  readonly from: LinkId | undefined;
  readonly to: LinkId;
  readonly rung: number;
  /** Share of the block on the target before, and as predicted. */
  readonly shareBefore: number;
  readonly sharePredicted: number;
  /** Predicted shares of the block by link. */
  readonly shares: Shares;
  readonly shiftBitps: number;
}

/** All that a decision remembers. Plain JSON: goes to history and to the other units as it is. */
export interface State {
  readonly plan: Plan;
  readonly blocks: Readonly<Record<string, BlockState>>;
  readonly pending: readonly Pending[];
  /** By target link, one entry per rung from 1. */
  readonly effects: Readonly<Record<string, readonly Effect[]>>;
  /** Times of all changes within the last policy hour. */
  readonly recent: readonly Ms[];
  /** Relief or balancing has started and has not reached its lower threshold yet. */
  readonly isEngaged: boolean;
  readonly frozen?: { readonly since: Ms; readonly reasons: readonly string[] };
}

/** How a settled move compared with its prediction. */
export interface Verification {
  readonly block: PrefixText;
  readonly to: LinkId;
  readonly rung: number;
  readonly sharePredicted: number;
  readonly shareSeen: number;
  readonly outcome: MoveOutcome;
  readonly reason: string;
}

export interface DecidedMove extends Move {
  readonly verdicts: readonly RailVerdict[];
  readonly outcome: MoveOutcome;
  /** Share of the block on the target as predicted and as seen, once the move is judged. */
  readonly judged?: { readonly predicted: number; readonly seen: number };
}

/** A candidate of one block with each term of its score. */
export interface Candidate {
  readonly link: LinkId | undefined;
  readonly rung: number;
  /** Weighted terms of the whole network's score after the change; lower is better. */
  readonly terms: {
    readonly balance: number;
    readonly congestion: number;
    readonly response: number;
    readonly price: number;
  };
  readonly score: number;
  /** Expected share of the block's traffic on `link`. */
  readonly share: number;
  readonly rejectedBy?: string;
}

export interface Explanation {
  readonly block: PrefixText;
  readonly text: string;
  readonly candidates: readonly Candidate[];
  readonly verdicts: readonly RailVerdict[];
  readonly ageMs: number;
  readonly coverage: number;
}

export interface Decision {
  readonly plan: Plan;
  /** Those to carry out have outcome `pending`; the rest was stopped by a rail. */
  readonly moves: readonly DecidedMove[];
  /** The state if the moves are carried out. */
  readonly state: State;
  /** The state if they are not (modes `observe` and `advise`): learned, but nothing changed. */
  readonly held: State;
  readonly verifications: readonly Verification[];
  readonly explanations: readonly Explanation[];
}

/** Nothing decided yet: every block unbiased. */
export function initialState(): State {
  return {
    // The epoch: no decision has been taken at any time.
    plan: { generation: 0, at: 0 as Ms, blocks: [] },
    blocks: {},
    pending: [],
    effects: {},
    recent: [],
    isEngaged: false,
  };
}

export const emptyBlockState: BlockState = { changes: [], left: [], tried: {}, dwellFactor: 1 };
