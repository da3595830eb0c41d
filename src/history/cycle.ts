import type { Decision, Policy, State } from '../core/decide/index.ts';
import type { Observation } from '../core/model/observation.ts';
import type { Mode } from '../core/settings/index.ts';

/** One turn of measure → decide → act → verify: what is written to history and what replay reads. Plain JSON. */
export interface Cycle {
  readonly observation: Observation;
  readonly policy: Policy;
  /** The state that the decision started from. */
  readonly before: State;
  readonly decision: Decision;
  readonly mode: Mode;
  /** Whether the moves were carried out in this turn. */
  readonly isCarriedOut: boolean;
}
