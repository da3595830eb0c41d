/**
 * The loop against a small model of the lab's border: links `north` (small) and `south`, four sources, of which one
 * prefers north by local preference and one moves only at two prepends.
 */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import {
  bitps,
  linkId,
  type Ms,
  ms,
  type PrefixText,
  prefixText,
} from '../../../../src/core/base/units.ts';
import {
  type Decision,
  decide,
  defaultPolicy,
  explain,
  initialState,
  type Policy,
  type State,
} from '../../../../src/core/decide/index.ts';
import { emptyBlockState } from '../../../../src/core/decide/state.ts';
import type { BlockRouting, Observation } from '../../../../src/core/model/observation.ts';
import {
  answer,
  type SimulatedDemand,
  type SimulatedLink,
  type SimulatedSource,
  type SimulatedTraffic,
} from '../../../../src/core/simulate/border.ts';

// Others may be using the machine.
t.setTimeout(300_000);

const north = linkId('north');
const south = linkId('south');
const links: readonly SimulatedLink[] = [
  { link: north, capacity: bitps(20e6) },
  { link: south, capacity: bitps(60e6) },
];
const sources: readonly SimulatedSource[] = [
  { name: 'easy1', distance: { north: 2, south: 2 } },
  { name: 'easy2', distance: { north: 2, south: 2 } },
  { name: 'two', distance: { north: 2, south: 3 } },
  { name: 'loyal', distance: { north: 2, south: 2 }, prefers: north },
];
const scale = 180; // dwell 10 s, settle 1.7 s
const interval = ms(1000);

function labPolicy(change: Partial<Policy> = {}, rails: Partial<Policy['rails']> = {}): Policy {
  const policy = defaultPolicy(links, scale);
  return {
    ...policy,
    ...change,
    rails: { ...policy.rails, sharePerRound: 0.4, movesPerHour: 60, settleMs: ms(2000), ...rails },
  };
}

const block = (i: number): PrefixText => prefixText(`198.51.${100 + i}.0/24`);

/** Every block gets `rates[i]`, a quarter of it from each source. */
const demandOf = (rates: readonly number[], from = sources): SimulatedDemand[] =>
  rates.flatMap((rate, i) =>
    from.map((source) => ({ source: source.name, block: block(i), rate: rate / from.length })),
  );

interface Run {
  readonly traffic: SimulatedTraffic[];
  readonly decisions: Decision[];
  readonly state: State;
}

function runLoop(
  policy: Policy,
  phases: ReadonlyArray<{ readonly steps: number; readonly demand: readonly SimulatedDemand[] }>,
  with_: {
    readonly links?: readonly SimulatedLink[];
    readonly sources?: readonly SimulatedSource[];
  } = {},
): Run {
  let state = initialState();
  let at = 1_800_000_000_000;
  const run: { traffic: SimulatedTraffic[]; decisions: Decision[] } = {
    traffic: [],
    decisions: [],
  };
  for (const { steps, demand } of phases) {
    for (let step = 0; step < steps; step++) {
      at += interval;
      const traffic = answer(
        with_.links ?? links,
        with_.sources ?? sources,
        demand,
        state.plan,
        ms(at),
        interval,
      );
      const decision = decide(traffic.observation, policy, state);
      state = decision.state;
      run.traffic.push(traffic);
      run.decisions.push(decision);
    }
  }
  return { ...run, state };
}

const made = (run: Run) =>
  run.decisions.flatMap((decision) => decision.moves.filter((move) => move.outcome === 'pending'));

function assertCalm(t: Test, run: Run, dwellMs: Ms): void {
  const moves = made(run);
  for (const name of new Set(moves.map((move) => move.block))) {
    const own = moves.filter((move) => move.block === name);
    for (const [i, move] of own.entries()) {
      const last = own[i - 1];
      if (!last) continue;
      t.ok(move.at - last.at >= dwellMs, `${name} rests for its dwell time`);
      t.notOk(move.to !== last.to && move.to === last.from, `${name} does not go back and forth`);
    }
  }
}

/** Moves to a link that the block was moved away from by its previous move. */
const countSwings = (run: Run): number => {
  const last = new Map<string, { from: string | undefined; to: string | undefined }>();
  let swings = 0;
  for (const move of made(run)) {
    const previous = last.get(move.block);
    if (previous && move.to !== undefined && move.to === previous.from && move.to !== previous.to)
      swings++;
    last.set(move.block, move);
  }
  return swings;
};

const worst = (traffic: SimulatedTraffic): number =>
  Math.max(...links.map(({ link, capacity }) => (traffic.offered[link] ?? 0) / capacity));

t.test('one link too small: blocks move until no link is above 95 %', async (t) => {
  const policy = labPolicy();
  // 36 Mb/s over six blocks, all by north (20 Mb/s): ties go there by name.
  const run = runLoop(policy, [{ steps: 40, demand: demandOf([6e6, 6e6, 6e6, 6e6, 6e6, 6e6]) }]);
  t.ok(worst(run.traffic[0] as SimulatedTraffic) > 1.5, 'overloaded at first');
  const relievedAt = run.traffic.findIndex((traffic) => worst(traffic) < 0.95);
  t.ok(relievedAt > 0 && relievedAt < 20, `relief after ${relievedAt} cycles`);
  t.ok(
    run.traffic.slice(relievedAt).every((traffic) => worst(traffic) < 0.95),
    'and it stays',
  );
  assertCalm(t, run, policy.rails.dwellMs);
  t.ok(
    made(run).every((move) => move.reason.length > 20),
    'every move has its reason',
  );
});

t.test('three shifts of the load: relief each time, and no block back and forth', async (t) => {
  const policy = labPolicy();
  const heavy = [
    [9e6, 9e6, 9e6, 1e6, 1e6, 1e6, 1e6, 1e6],
    [1e6, 1e6, 1e6, 9e6, 9e6, 9e6, 1e6, 1e6],
    [1e6, 9e6, 1e6, 1e6, 1e6, 9e6, 9e6, 1e6],
    [1e6, 1e6, 9e6, 9e6, 1e6, 1e6, 1e6, 9e6],
  ];
  const run = runLoop(
    policy,
    heavy.map((rates) => ({ steps: 60, demand: demandOf(rates) })),
  );
  assertCalm(t, run, policy.rails.dwellMs);
  for (const phase of [0, 1, 2, 3]) {
    const end = run.traffic.slice(phase * 60 + 45, phase * 60 + 60);
    t.ok(
      end.every((traffic) => worst(traffic) < 0.95),
      `phase ${phase} ends relieved`,
    );
  }
});

t.test('sources that nothing moves: bounded tries, then rest', async (t) => {
  const policy = labPolicy();
  const loyal = sources.map((source) => ({ ...source, prefers: north }));
  const run = runLoop(policy, [{ steps: 300, demand: demandOf([6e6, 6e6, 6e6, 6e6]) }], {
    sources: loyal,
  });
  assertCalm(t, run, policy.rails.dwellMs);
  t.ok(made(run).length <= 4 * 4, `${made(run).length} moves in 300 cycles`);
  const late = run.decisions.slice(200).flatMap((decision) => decision.moves);
  t.same(
    late.filter((move) => move.outcome === 'pending').map((move) => move.reason),
    [],
  );
  t.ok(
    run.state.plan.blocks.every((entry) => entry.link === undefined),
    'useless prepends are gone',
  );
});

t.test('what a rung brings is learned: later blocks start where it works', async (t) => {
  const stubborn: SimulatedSource[] = [{ name: 'two', distance: { north: 2, south: 3 } }];
  const policy = labPolicy();
  const run = runLoop(policy, [{ steps: 80, demand: demandOf([8e6, 8e6, 8e6, 8e6], stubborn) }], {
    sources: stubborn,
  });
  t.ok(worst(run.traffic.at(-1) as SimulatedTraffic) < 0.95, 'two prepends were found');
  const effects = run.state.effects[south] ?? [];
  t.ok((effects[0]?.mean ?? 1) < 0.2, 'one prepend does little');
  t.ok((effects[1]?.mean ?? 0) > 0.8, 'two do it');
  assertCalm(t, run, policy.rails.dwellMs);
});

t.test('balanced already: nothing moves', async (t) => {
  const even = sources.map((source, i) => ({ ...source, prefers: i % 4 === 0 ? north : south }));
  const run = runLoop(labPolicy(), [{ steps: 30, demand: demandOf([6e6, 6e6, 6e6, 6e6]) }], {
    sources: even,
  });
  t.same(made(run), []);
});

t.test('stale measurements freeze, and after the hold time all returns to plain BGP', async (t) => {
  const policy = labPolicy();
  const run = runLoop(policy, [{ steps: 30, demand: demandOf([6e6, 6e6, 6e6, 6e6, 6e6]) }]);
  const last = run.decisions.at(-1) as Decision;
  const biased = last.state.plan.blocks.filter((entry) => entry.link !== undefined);
  t.ok(biased.length > 0);
  const stale = (at: number): Observation => {
    const seen = (run.traffic.at(-1) as SimulatedTraffic).observation;
    const [first, ...others] = seen.links;
    if (!first?.inbound) throw new Error('the model measures every link');
    const old = { ...first.inbound, ageMs: ms(policy.rails.maxAgeMs + 1) };
    return { ...seen, at: ms(at), links: [{ ...first, inbound: old }, ...others] };
  };
  const frozen = decide(stale(1_800_000_031_000), policy, last.state);
  t.same(frozen.plan, last.plan, 'the plan stays');
  t.match(frozen.state.frozen?.reasons, [/^stale: load of north/]);
  const over = decide(stale(1_800_000_031_000 + policy.rails.holdMs), policy, frozen.state);
  t.same(over.plan.blocks, [], 'plain BGP');
  t.equal(over.moves.length, biased.length);
});

t.test(
  'a block that a router lacks is left to the aggregate, unless it could not take it up yet',
  async (t) => {
    const policy = labPolicy();
    const demand = demandOf([6e6, 6e6, 6e6, 6e6]);
    const { state, traffic } = runLoop(policy, [{ steps: 60, demand }]);
    const last = traffic.at(-1)?.observation;
    const steered = state.plan.blocks.find(({ link }) => link === south)?.block;
    if (!last || !steered) throw new Error('nothing was steered');
    const heldBy = (routing: BlockRouting): readonly (string | undefined)[] => {
      const blocks = last.blocks.map((seen) =>
        seen.block === steered ? { ...seen, routing } : seen,
      );
      const later = { ...last, at: ms(last.at + policy.rails.settleMs), blocks };
      const { plan, moves } = decide(later, policy, state);
      const done = moves.filter((move) => move.block === steered && move.outcome === 'pending');
      const reasons = done.map(({ reason }) => reason);
      return [plan.blocks.find((entry) => entry.block === steered)?.link, ...reasons];
    };
    t.same(heldBy({ carriedOn: [north, south] }), [south]);
    const left = [undefined, 'not all routers carry it: left to the aggregate'];
    t.same(heldBy({ carriedOn: [south] }), left);
    t.same(
      heldBy({ carriedOn: [south], awaitedOn: [north] }),
      [south],
      'its session has just come up',
    );
    t.same(heldBy({ carriedOn: [], awaitedOn: [north] }), left, 'the other has no excuse');
    t.same(heldBy({ carriedOn: [south], frozenReason: 'its unit is silent' }), [south]);
  },
);

t.test('mode observe keeps learning and changes nothing', async (t) => {
  const demand = demandOf([6e6, 6e6, 6e6, 6e6, 6e6]);
  const { observation } = answer(links, sources, demand, initialState().plan, ms(1e12), interval);
  const decision = decide(observation, labPolicy(), initialState());
  t.ok(decision.moves.some((move) => move.outcome === 'pending'));
  t.ok(decision.held.plan.blocks.every((entry) => entry.link === undefined));
  t.same(decision.held.pending, []);
  t.ok(Object.keys(decision.held.blocks).length > 0, 'baselines are noted');
});

t.test('the same input in any order gives the same decision', async () => {
  const demand = demandOf([6e6, 3e6, 9e6, 4e6, 6e6, 5e6]);
  const policy = labPolicy();
  const run = runLoop(policy, [{ steps: 7, demand }]);
  const { observation } = run.traffic.at(-1) as SimulatedTraffic;
  const { state } = run.decisions[2] as Decision;
  const expected = JSON.stringify(decide(observation, policy, state));
  const shuffle = <T>(values: readonly T[], keys: readonly number[]): T[] =>
    values
      .map((value, i) => ({ value, key: keys[i % keys.length] ?? 0 }))
      .sort((a, b) => a.key - b.key)
      .map(({ value }) => value);
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 7, maxLength: 7 }), (keys) => {
      const shuffled: Observation = {
        ...observation,
        links: shuffle(observation.links, keys),
        blocks: shuffle(observation.blocks, keys).map((entry) => ({
          ...entry,
          inbound: shuffle(entry.inbound, keys),
        })),
      };
      const shuffledPolicy = { ...policy, links: shuffle(policy.links, keys) };
      const shuffledState: State = {
        ...state,
        pending: shuffle(state.pending, keys),
        plan: { ...state.plan, blocks: shuffle(state.plan.blocks, keys) },
      };
      return JSON.stringify(decide(shuffled, shuffledPolicy, shuffledState)) === expected;
    }),
  );
});

t.test('state and decision survive JSON', async (t) => {
  const run = runLoop(labPolicy(), [{ steps: 12, demand: demandOf([6e6, 6e6, 6e6, 6e6, 6e6]) }]);
  const last = run.decisions.at(-1);
  t.same(JSON.parse(JSON.stringify(last)), last);
});

t.test('explain says how near a block is to being damped', async (t) => {
  const policy = labPolicy();
  const run = runLoop(policy, [{ steps: 4, demand: demandOf([6e6, 6e6, 6e6, 6e6, 6e6]) }]);
  const { observation } = run.traffic.at(-1) as SimulatedTraffic;
  const own = made(run)[0]?.block ?? block(0);
  const { dampingHalfLifeMs: half, dampingLimit, movesPerDay } = policy.rails;
  // One half-life ago, and two: of 1,500 each a half and a quarter are left.
  const changes = [ms(observation.at - 2 * half), ms(observation.at - half)];
  const state: State = {
    ...run.state,
    blocks: { ...run.state.blocks, [own]: { ...emptyBlockState, changes } },
  };
  t.match(
    explain(own, observation, policy, state)?.text,
    `Changed 2 of ${movesPerDay} times in 24 h; its damping penalty is 1125, one more change would make it 2625 of ${dampingLimit}.`,
  );
  const calm = { ...state, blocks: {} };
  t.notMatch(explain(own, observation, policy, calm)?.text, /damping penalty/, 'never changed');
});

t.test('explain names every candidate with its terms, and what stops it', async (t) => {
  const policy = labPolicy();
  const run = runLoop(policy, [{ steps: 4, demand: demandOf([6e6, 6e6, 6e6, 6e6, 6e6]) }]);
  const { observation } = run.traffic.at(-1) as SimulatedTraffic;
  const moved = made(run)[0];
  t.ok(moved);
  const told = explain(moved?.block ?? block(0), observation, policy, run.state);
  t.match(told?.text, /biased to south with 1 prepend on the others; .* come in/);
  t.ok((told?.candidates.length ?? 0) >= 2);
  t.match(told?.candidates.find((c) => c.rejectedBy)?.rejectedBy, /settle|dwell|hysteresis/);
  t.equal(explain(prefixText('192.0.2.0/24'), observation, policy, run.state), undefined);
  const fresh = runLoop(policy, [{ steps: 1, demand: demandOf([6e6, 6e6, 6e6, 6e6, 6e6]) }]);
  const seen = fresh.traffic.at(-1)?.observation ?? observation;
  t.match(
    explain(made(fresh)[0]?.block ?? block(0), seen, policy, fresh.state)?.text,
    /Moved to south .* ago: \d+ % of it is predicted to come in there/,
  );
  t.match(
    told?.text,
    /If it came in .*: (the links|less|more|answers|it would).* \(\d\.\d+ to \d\.\d+\)/,
  );
  t.match(
    told?.text,
    /Expected of \d prepends? against the links beside \w+: \d+ % of what is not there yet, give or take \d+ % \((from \d moves?|assumed, since it was never tried)\)/,
  );
  t.notMatch(told?.text, /is congested/);
  const [first, ...rest] = observation.links;
  const verdict = {
    link: first?.link ?? linkId(''),
    direction: 'inbound',
    value: 0.97,
    isCongested: true,
    reasons: [
      { kind: 'probe_loss', value: 0.02, evidence: 0.9 },
      { kind: 'delay_growth', value: 30_500, evidence: 0.6 },
      { kind: 'load', value: 0.99, evidence: 0.6 },
    ],
  } as const;
  const full = { ...observation, links: [{ ...first, congestion: [verdict] }, ...rest] };
  t.match(
    // The spread of what may be undefined: a run has links.
    explain(moved?.block ?? block(0), full as typeof observation, policy, run.state)?.text,
    `${verdict.link} is congested inbound: probe loss 2.0 %, delay growth 30.5 ms, load 99 %.`,
  );
});
t.test(
  'any sources and loads: within the return window no flapping, and rest when the load rests',
  async () => {
    const anySource = fc.record({
      distance: fc.record({
        north: fc.integer({ min: 1, max: 4 }),
        south: fc.integer({ min: 1, max: 4 }),
      }),
      prefers: fc.constantFrom(undefined, undefined, north, south),
    });
    // A step is a second; a block may return to a link after 12 dwell times of 10 s.
    const policy = labPolicy({}, { oscillationDwells: 12 });
    fc.assert(
      fc.property(
        fc.array(anySource, { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 2, maxLength: 10 }),
        (kinds, rates) => {
          const from = kinds.map(({ distance, prefers }, i) => ({
            name: `s${i}`,
            distance,
            ...(prefers ? { prefers } : {}),
          }));
          const demand = demandOf(
            rates.map((rate) => rate * 1e5),
            from,
          );
          const run = runLoop(policy, [{ steps: 115, demand }], { sources: from });
          const changesLate = run.decisions
            .slice(85)
            .flatMap(({ moves }) => moves.filter((move) => move.outcome === 'pending'));
          return changesLate.length === 0 && countSwings(run) === 0;
        },
      ),
      { numRuns: process.env.HEADGATE_LONG === '1' ? 1000 : 60 },
    );
  },
);

t.test('loads that differ by 1 % give nearly the same moves', async () => {
  const policy = labPolicy();
  const rates = Array.from({ length: 40 }, (_, i) => (0.3 + ((i * 7) % 13) / 10) * 1e6);
  const state = runLoop(policy, [{ steps: 12, demand: demandOf(rates) }]).state;
  const planAfter = (factors: readonly number[]) => {
    const demand = demandOf(rates.map((rate, i) => rate * (factors[i] ?? 1)));
    const { observation } = answer(links, sources, demand, state.plan, ms(1.9e12), interval);
    return new Map(decide(observation, policy, state).plan.blocks.map((b) => [b.block, b.link]));
  };
  const before = planAfter([]);
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.99, max: 1.01, noNaN: true }), { minLength: 40, maxLength: 40 }),
      (factors) => {
        const after = planAfter(factors);
        const differing = [...before].filter(([name, link]) => after.get(name) !== link);
        return differing.length <= 4;
      },
    ),
  );
});
