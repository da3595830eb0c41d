/** What nobody knows is tried on small groups, all rungs of all links at once, and only while a link needs relief. */
import t from 'tap';
import { whole } from '../../../../src/core/base/slices.ts';
import { bitps, linkId, ms, prefixText } from '../../../../src/core/base/units.ts';
import { makeContext } from '../../../../src/core/decide/context.ts';
import { decide } from '../../../../src/core/decide/index.ts';
import { buildNetwork } from '../../../../src/core/decide/network.ts';
import { defaultPolicy, type Policy } from '../../../../src/core/decide/policy.ts';
import { initialState, type State } from '../../../../src/core/decide/state.ts';
import { trialsDue } from '../../../../src/core/decide/trials.ts';
import type { Observation } from '../../../../src/core/model/observation.ts';

const now = 1_800_000_000_000;
const links = ['a', 'b', 'c'].map((name) => ({ link: linkId(name), capacity: bitps(100e6) }));
const policy: Policy = { ...defaultPolicy(links), rungs: 4 };
const engaged: State = { ...initialState(), isEngaged: true };

/** Twenty blocks, all by link a; the first is the largest. */
function observationOf(total: number): Observation {
  const sizes = Array.from({ length: 20 }, (_, i) => (i === 0 ? 20 : 1 + (i % 5)));
  const sum = sizes.reduce((x, y) => x + y, 0);
  return {
    at: ms(now),
    intervalMs: ms(120_000),
    links: links.map(({ link, capacity }, i) => ({
      link,
      isUp: true,
      capacity,
      inbound: { value: bitps(i === 0 ? total : 0), ageMs: ms(0), coverage: 1, source: 'wire' },
    })),
    blocks: sizes.map((size, i) => ({
      block: prefixText(`10.0.${i}.0/24`),
      inbound: [{ link: linkId('a'), rate: bitps((total * size) / sum) }],
      outbound: [],
      ageMs: ms(0),
      coverage: 1,
    })),
  };
}

function trialsOf(total: number, state: State = engaged, own: Policy = policy) {
  const observation = observationOf(total);
  const network = buildNetwork(observation, own);
  const context = whole(makeContext(observation, own, state, network));
  return trialsDue(context).map(({ group, target, rung }) => ({
    name: group.name,
    rate: group.rate,
    what: `${network.links[target]}@${rung}`,
  }));
}

t.test(
  'a hot link: every rung of every other link once, on the smaller half of the groups',
  async (t) => {
    const trials = trialsOf(98e6);
    t.same(
      trials.map(({ what }) => what),
      ['b@1', 'c@1', 'b@2', 'c@2', 'b@3', 'c@3', 'b@4', 'c@4'],
    );
    t.equal(new Set(trials.map(({ name }) => name)).size, trials.length, 'each with its own group');
    t.ok(trials.every(({ rate }) => rate <= 98e6 / 20));
  },
);

t.test('none while no link needs relief', async (t) => {
  t.same(trialsOf(70e6), []);
});

t.test('what is known or is being tried is not tried again', async (t) => {
  const effect = { mean: 0.5, weight: 1 };
  const state: State = {
    ...engaged,
    effects: { b: [effect, effect, effect, effect], c: [effect] },
    pending: [
      {
        block: prefixText('10.0.9.0/24'),
        at: ms(now - 1000),
        from: linkId('a'),
        to: linkId('c'),
        rung: 2,
        shareBefore: 0,
        sharePredicted: 0.5,
        shares: { a: 0.5, c: 0.5 },
        shiftBitps: 1e6,
      },
    ],
  };
  t.same(
    trialsOf(98e6, state).map(({ what }) => what),
    ['c@3', 'c@4'],
  );
});

t.test('half of the moves of an hour are left for relief', async (t) => {
  const rails = { ...policy.rails, movesPerHour: 6 };
  t.equal(trialsOf(98e6, engaged, { ...policy, rails }).length, 3);
  t.equal(trialsOf(98e6, engaged, { ...policy, rails: { ...rails, movesPerHour: 0 } }).length, 0);
});

t.test(
  'a decision makes them in its first round, and the large block waits for what they show',
  async (t) => {
    const decision = decide(observationOf(98e6), policy, initialState());
    const made = decision.moves.filter(({ outcome }) => outcome === 'pending');
    t.ok(made.length >= 6, `${made.length} moves`);
    t.notOk(made.some(({ block }) => block === '10.0.0.0/24'));
  },
);
