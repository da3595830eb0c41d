import type { Decision, Policy, State } from '../core/decide/index.ts';
import type { Observation } from '../core/model/observation.ts';
import type { Mode } from '../core/settings/index.ts';

/** The input of one decision: with it the decision can be taken again, on any machine. Plain JSON. */
export interface CycleInput {
  readonly observation: Observation;
  readonly policy: Policy;
  /** The state that the decision started from. */
  readonly before: State;
  readonly mode: Mode;
  /** Whether the moves were carried out in this turn. */
  readonly isCarriedOut: boolean;
}

/** One turn of measure → decide → act → verify. */
export interface Cycle extends CycleInput {
  readonly decision: Decision;
}
