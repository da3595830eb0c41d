import type { LinkId, Ms } from '../../base/units.ts';
import type { RailVerdict } from '../../model/plan.ts';
import type { Effects } from '../effects.ts';
import type { Group } from '../group.ts';
import type { Loads, Network } from '../network.ts';
import type { Policy } from '../policy.ts';
import type { Spread } from '../spread.ts';
import type { State } from '../state.ts';

/** A change of one group that the search would like to make. */
export interface Proposal {
  readonly group: Group;
  /** `steer` to another link, `escalate` on the same link, `roll_back` a failure, `pin` by the operator's word. */
  readonly kind: 'steer' | 'escalate' | 'roll_back' | 'pin';
  /** Index of the target link; -1 makes the group unbiased again. */
  readonly target: number;
  readonly rung: number;
  /** Expected after the change. */
  readonly shares: Spread;
  /** Fall of the objective, per unit of all traffic. */
  readonly gain: number;
  /** Bit/s that change links. */
  readonly shiftBitps: number;
}

/** What a rail may look at. */
export interface RailContext {
  readonly now: Ms;
  readonly policy: Policy;
  readonly state: State;
  readonly network: Network;
  readonly groups: readonly Group[];
  /** Expected, with the moves already accepted in this round. */
  readonly loads: Loads;
  /** Inbound bit/s of the whole network. */
  readonly total: number;
  readonly effects: Effects;
  /** Accepted in this round. */
  readonly accepted: readonly Proposal[];
}

/** One safety limit: passes, postpones or refuses a proposal, with the figures that it went by. */
export interface Rail {
  readonly name: string;
  readonly judge: (proposal: Proposal, context: RailContext) => RailVerdict;
}

export const pass = (rail: string, reason: string): RailVerdict => ({
  rail,
  result: 'pass',
  reason,
});
export const postpone = (rail: string, reason: string): RailVerdict => ({
  rail,
  result: 'postpone',
  reason,
});
export const refuse = (rail: string, reason: string): RailVerdict => ({
  rail,
  result: 'refuse',
  reason,
});

export const targetName = (proposal: Proposal, context: RailContext): LinkId | undefined =>
  context.network.links[proposal.target];

/** 0.873 → `87 %`. */
export const percent = (share: number): string => `${Math.round(share * 100)} %`;

export function duration(milliseconds: number): string {
  if (milliseconds < 10_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  if (milliseconds < 120_000) return `${Math.round(milliseconds / 1000)} s`;
  return `${Math.round(milliseconds / 60_000)} min`;
}
