import type { ControlError } from '../../control/index.ts';
import { err, ok, type Result } from '../../core/base/result.ts';
import type { Clock } from '../clock.ts';
import type { Components } from '../components.ts';
import { nameAnswers } from '../names.ts';
import { destinationAnswers } from '../outbound/destination-views.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { bgpAnswers } from '../routes/bgp-answers.ts';
import { facesOf } from '../units/unit-in-cluster.ts';
import { type AnswerParts, answersOf } from './answers.ts';

export interface UnitAnswerParts extends Pick<AnswerParts, 'picture' | 'loop' | 'note'> {
  readonly components: Components;
  readonly outbound: Outbound | undefined;
  readonly clock: Clock;
  /** Reads the settings file anew; gives the keys that changed, or why nothing did. */
  readonly reload: () => Promise<Result<readonly string[], string>>;
}

/** Every command that a running unit answers, into the answers of its components. */
export function setAnswers({
  components,
  outbound,
  clock,
  reload,
  ...parts
}: UnitAnswerParts): void {
  const { answers, speaker, configured, station, history, names, joined, diary } = components;
  for (const [command, answer] of [
    ...answersOf({ ...parts, speaker, configured, history }),
    ...bgpAnswers(speaker, station),
    ...nameAnswers(names),
    ...destinationAnswers(outbound, clock),
  ])
    answers.set(command, answer);
  answers.set('reload', async () => {
    const changed = await reload();
    if (changed.ok) return ok({ changed: changed.value });
    return err<ControlError>({ code: 'refused', message: changed.error });
  });
  answers.set('audit', () => ok({ path: diary.path, head: diary.head }));
  if (joined) facesOf(joined, answers, parts.loop);
}
