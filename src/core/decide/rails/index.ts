import type { RailVerdict } from '../../model/plan.ts';
import { control } from './control.ts';
import { daily } from './daily.ts';
import { damping } from './damping.ts';
import { dwell } from './dwell.ts';
import { foreign } from './foreign.ts';
import { headroom } from './headroom.ts';
import { hourly } from './hourly.ts';
import { hysteresis } from './hysteresis.ts';
import { maintenance } from './maintenance.ts';
import { oscillation } from './oscillation.ts';
import { path } from './path.ts';
import { pin } from './pin.ts';
import type { Proposal, Rail, RailContext } from './rail.ts';
import { rpki } from './rpki.ts';
import { settle } from './settle.ts';
import { share } from './share.ts';
import { silent } from './silent.ts';
import { trial } from './trial.ts';
import { withheld } from './withheld.ts';

/** In the order in which they are asked: what can never be first, what only needs time last. */
export const rails: readonly Rail[] = [
  withheld,
  silent,
  foreign,
  rpki,
  path,
  pin,
  maintenance,
  control,
  hysteresis,
  settle,
  dwell,
  oscillation,
  damping,
  daily,
  headroom,
  trial,
  share,
  hourly,
];

/** Asks every rail; the move may be made when all pass. */
export function judge(proposal: Proposal, context: RailContext): readonly RailVerdict[] {
  return rails.map((rail) => rail.judge(proposal, context));
}
