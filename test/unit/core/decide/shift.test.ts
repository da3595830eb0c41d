/** Somebody sets the clock: rails count the time that really passed. */
import t from 'tap';
import { bitps, linkId, ms, prefixText } from '../../../../src/core/base/units.ts';
import {
  decide,
  defaultPolicy,
  initialState,
  type State,
} from '../../../../src/core/decide/index.ts';
import { shiftTimes } from '../../../../src/core/decide/shift.ts';
import type { Observation } from '../../../../src/core/model/observation.ts';

const links = ['a', 'b'].map((name) => ({ link: linkId(name), capacity: bitps(100e6) }));
const policy = defaultPolicy(links);
const start = 1_800_000_000_000;
const minute = 60_000;

/** All comes in by link a whatever is announced: every cycle would like to change something. */
const observationAt = (at: number): Observation => ({
  at: ms(at),
  intervalMs: ms(minute),
  links: links.map(({ link, capacity }, i) => ({
    link,
    isUp: true,
    capacity,
    inbound: { value: bitps(i === 0 ? 99e6 : 0), ageMs: ms(0), coverage: 1, source: 'wire' },
  })),
  blocks: Array.from({ length: 12 }, (_, i) => ({
    block: prefixText(`10.0.${i}.0/24`),
    inbound: [{ link: linkId('a'), rate: bitps(99e6 / 12) }],
    outbound: [],
    ageMs: ms(0),
    coverage: 1,
  })),
});

/** Ten cycles, a minute apart. */
function begun(): State {
  let state = initialState();
  for (let i = 0; i < 10; i++)
    state = decide(observationAt(start + i * minute), policy, state).state;
  return state;
}

const movesAt = (at: number, state: State) =>
  decide(observationAt(at), policy, state).moves.map(({ at: _, verdicts, ...move }) => ({
    ...move,
    verdicts: verdicts.map(({ rail, result }) => `${rail} ${result}`),
  }));

t.test('a clock set forward or back changes no verdict', async (t) => {
  const state = begun();
  const at = start + 10 * minute;
  const expected = movesAt(at, state);
  t.ok(expected.length > 0);
  for (const step of [60 * minute, -60 * minute, 3 * 24 * 60 * minute])
    t.same(movesAt(at + step, shiftTimes(state, step)), expected, `${step / minute} minutes`);
});

t.test('else an hour forward would end every dwell', async (t) => {
  const state = begun();
  const at = start + 70 * minute;
  const dwelling = (moves: ReturnType<typeof movesAt>) =>
    moves.filter(({ verdicts }) => verdicts.includes('dwell postpone')).length;
  t.ok(dwelling(movesAt(at, shiftTimes(state, 60 * minute))) > 0);
  t.equal(dwelling(movesAt(at, state)), 0);
});
