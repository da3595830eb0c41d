/** Each rail bites, and does not bite; the pair differs in the one figure that the rail is about. */
import t from 'tap';
import { whole } from '../../../../src/core/base/slices.ts';
import {
  bitps,
  linkId,
  type Ms,
  ms,
  type PrefixText,
  prefixText,
} from '../../../../src/core/base/units.ts';
import { makeContext } from '../../../../src/core/decide/context.ts';
import { buildNetwork, loadsOf } from '../../../../src/core/decide/network.ts';
import { defaultPolicy, type Policy } from '../../../../src/core/decide/policy.ts';
import { control, unitHash } from '../../../../src/core/decide/rails/control.ts';
import { dampingPenalty, penaltyPerChange } from '../../../../src/core/decide/rails/damping.ts';
import { freezeReasons } from '../../../../src/core/decide/rails/freeze.ts';
import { isWorkDue } from '../../../../src/core/decide/rails/hysteresis.ts';
import { rails } from '../../../../src/core/decide/rails/index.ts';
import type { Proposal, RailContext } from '../../../../src/core/decide/rails/rail.ts';
import { spreadOf } from '../../../../src/core/decide/spread.ts';
import {
  type BlockState,
  emptyBlockState,
  initialState,
  type State,
} from '../../../../src/core/decide/state.ts';
import type { BlockRouting, Observation } from '../../../../src/core/model/observation.ts';
import type { BlockPlan } from '../../../../src/core/model/plan.ts';

const now = 1_800_000_000_000;
const minute = 60_000;
const a = linkId('a');
const b = linkId('b');
const block = prefixText('198.51.100.0/24');
const small = prefixText('198.51.101.0/24');
/** A link that needs relief at once. */
const full = { a: 95e6, b: 10e6 };
const ago = (minutes: number): Ms => ms(now - minutes * minute);

interface Case {
  readonly policy?: (policy: Policy) => Partial<Policy>;
  readonly rails?: Partial<Policy['rails']>;
  readonly block?: Partial<BlockState>;
  readonly state?: Partial<State>;
  readonly plan?: Partial<BlockPlan>;
  readonly routing?: BlockRouting;
  readonly loads?: Readonly<Record<string, number>>;
  readonly down?: string;
  readonly proposal?: Partial<Proposal>;
  /** Rates of the two blocks, Mb/s, both by link a unless the plan says otherwise. */
  readonly rates?: readonly [number, number];
  readonly accepted?: boolean;
  readonly saidOf?: RegExp;
}

/** Links a and b of 100 Mb/s; the block brings 20 Mb/s by a, and the proposal takes half of it to b. */
function judge(rail: string, given: Case): { readonly result: string; readonly reason: string } {
  const links = [
    { link: a, capacity: bitps(100e6) },
    { link: b, capacity: bitps(100e6) },
  ];
  const base = defaultPolicy(links);
  const policy: Policy = {
    ...base,
    ...given.policy?.(base),
    rails: { ...base.rails, ...given.rails },
  };
  const [own, other] = given.rates ?? [20, 10];
  const at = given.plan?.link ?? a;
  const seen = (name: PrefixText, rate: number, routing?: BlockRouting) => ({
    block: name,
    inbound: [{ link: name === block ? at : a, rate: bitps(rate * 1e6) }],
    outbound: [],
    ageMs: ms(0),
    coverage: 1,
    ...(routing ? { routing } : {}),
  });
  const observation: Observation = {
    at: ms(now),
    intervalMs: ms(120_000),
    links: links.map(({ link, capacity }) => ({
      link,
      capacity,
      isUp: given.down !== link,
      inbound: {
        value: bitps(given.loads?.[link] ?? (link === a ? 90e6 : 10e6)),
        ageMs: ms(0),
        coverage: 1,
        source: 'wire',
      },
    })),
    blocks: [seen(block, own, given.routing), seen(small, other)],
  };
  const entry: BlockPlan = { block, link: undefined, rung: 0, reason: '', ...given.plan };
  const state: State = {
    ...initialState(),
    isEngaged: true,
    effects: { b: [{ mean: 0.5, weight: 8 }], a: [{ mean: 0.5, weight: 8 }] },
    plan: { generation: 1, at: ms(now), blocks: [entry] },
    blocks: { [block]: { ...emptyBlockState, ...given.block } },
    ...given.state,
  };
  const network = buildNetwork(observation, policy);
  const context: RailContext = whole(makeContext(observation, policy, state, network));
  const group = context.groups.find((candidate) => candidate.blocks.includes(block));
  if (!group) throw new Error('the block is observed');
  const proposal: Proposal = {
    group,
    kind: 'steer',
    target: 1,
    rung: 1,
    shares: spreadOf([
      [0, 0.5],
      [1, 0.5],
    ]),
    gain: 0.1,
    shiftBitps: (own / 2) * 1e6,
    ...given.proposal,
  };
  const accepted = given.accepted ? [proposal] : [];
  const found = rails.find((candidate) => candidate.name === rail);
  if (!found) throw new Error(`no rail ${rail}`);
  return found.judge(proposal, { ...context, accepted });
}

const at = (minutes: number): BlockState['changes'] => [ago(minutes)];
const pending = (to: typeof a, shiftBitps: number, name = small): State['pending'] => [
  {
    block: name,
    at: ago(1),
    from: a,
    to,
    rung: 1,
    shareBefore: 0,
    sharePredicted: 0.5,
    shares: { a: 0.5, b: 0.5 },
    shiftBitps,
  },
];

const table: ReadonlyArray<readonly [rail: string, bites: Case, not: Case]> = [
  ['dwell', { block: { changes: at(29) } }, { block: { changes: at(31) } }],
  [
    'dwell',
    { block: { changes: at(59), dwellFactor: 2 }, saidOf: /back and forth/ },
    { block: { changes: at(61), dwellFactor: 2 } },
  ],
  [
    'dwell',
    { block: { changes: at(1) }, plan: { link: b, rung: 1 } },
    { block: { changes: at(1) }, plan: { link: b, rung: 1 }, down: 'b' },
  ],
  // Unless a link is all but full a return waits eight times as long.
  [
    'oscillation',
    { block: { left: [{ link: b, at: ago(121) }] } },
    { block: { left: [{ link: b, at: ago(121) }] }, loads: full },
  ],
  [
    'oscillation',
    { block: { left: [{ link: b, at: ago(119) }] }, loads: full },
    { block: { left: [{ link: b, at: ago(121) }] }, loads: full },
  ],
  [
    'oscillation',
    {
      block: { left: [{ link: b, at: ago(6 * 24 * 60) }], dwellFactor: 2 },
      saidOf: /has been back/,
    },
    { block: { left: [{ link: b, at: ago(6 * 24 * 60) }], dwellFactor: 1 } },
  ],
  [
    'oscillation',
    {
      block: { left: [{ link: a, at: ago(6 * 24 * 60) }], dwellFactor: 2 },
      plan: { link: b, rung: 1 },
      proposal: { target: 0 },
      down: b,
      saidOf: /has been back/,
    },
    {
      block: { left: [{ link: a, at: ago(8 * 24 * 60) }], dwellFactor: 2 },
      plan: { link: b, rung: 1 },
      proposal: { target: 0 },
    },
  ],
  [
    'oscillation',
    { block: { left: [{ link: b, at: ago(1) }] } },
    { block: { left: [{ link: a, at: ago(1) }] } },
  ],
  [
    'oscillation',
    {
      block: { changes: at(119) },
      loads: full,
      plan: { link: b, rung: 1 },
      proposal: { target: -1, shares: spreadOf([[0, 1]]) },
      saidOf: /released after/,
    },
    {
      block: { changes: at(121) },
      loads: full,
      plan: { link: b, rung: 1 },
      proposal: { target: -1, shares: spreadOf([[0, 1]]) },
    },
  ],
  ['damping', { block: { changes: at(20) } }, { block: { changes: at(31) } }],
  [
    'daily',
    { block: { changes: [1, 2, 3, 4, 5, 6, 7, 8].map((i) => ago(60 * (24 - i))) } },
    { block: { changes: [1, 2, 3, 4, 5, 6, 7].map((i) => ago(60 * (24 - i))) } },
  ],
  [
    'hourly',
    { state: { recent: Array.from({ length: 30 }, () => ago(30)) } },
    { state: { recent: Array.from({ length: 30 }, () => ago(61)) } },
  ],
  [
    'hourly',
    { rails: { movesPerHour: 1 }, accepted: true },
    { rails: { movesPerHour: 2 }, accepted: true },
  ],
  ['hourly', { rails: { movesPerHour: 0 } }, { rails: { movesPerHour: 1 } }],
  [
    'share',
    { state: { pending: pending(b, 1e6) } },
    { state: { pending: pending(b, 1e6) }, rails: { sharePerRound: 0.12 } },
  ],
  ['share', { accepted: true, rails: { sharePerRound: 0.15 } }, { rails: { sharePerRound: 0.01 } }],
  ['headroom', { loads: { a: 90e6, b: 82e6 } }, { loads: { a: 90e6, b: 60e6 } }],
  [
    'headroom',
    { loads: { a: 90e6, b: 78e6 }, state: { effects: {} }, saidOf: /up to/ },
    { loads: { a: 90e6, b: 76e6 } },
  ],
  ['path', { down: 'b' }, {}],
  ['path', { down: 'a', saidOf: /only link/ }, { down: 'a', proposal: { target: -1 } }],
  [
    'path',
    { routing: { carriedOn: [b] }, saidOf: /router of a/ },
    { routing: { carriedOn: [a, b] } },
  ],
  [
    'maintenance',
    { policy: () => ({ maintenance: [{ link: b, from: ago(1), to: ms(now + 1) }] }) },
    { policy: () => ({ maintenance: [{ link: b, from: ago(9), to: ago(1) }] }) },
  ],
  [
    'pin',
    { policy: () => ({ pins: [{ block, link: a }] }) },
    { policy: () => ({ pins: [{ block, link: b }] }) },
  ],
  [
    'control',
    { rails: { controlShare: unitHash(block) + 0.001 } },
    { rails: { controlShare: unitHash(block) - 0.001 } },
  ],
  ['rpki', { routing: { roa: 'invalid' } }, { routing: { roa: 'valid' } }],
  ['withheld', { routing: { isWithheld: true } }, { routing: { isWithheld: false } }],
  ['silent', { routing: { frozenReason: 'unit east is silent' } }, { routing: {} }],
  ['foreign', { routing: { isForeign: true } }, { routing: { isForeign: false } }],
  ['foreign', { block: { handsOffUntil: ms(now + 1000) } }, { block: { handsOffUntil: ms(now) } }],
  [
    'settle',
    { state: { pending: pending(b, 1e6, block) } },
    { state: { pending: pending(b, 1e6) } },
  ],
  [
    'trial',
    { state: { effects: {} }, rates: [20, 5] },
    { state: { effects: {} }, rates: [20, 15] },
  ],
  [
    'trial',
    { state: { effects: {}, pending: pending(b, 1e6) } },
    { state: { pending: pending(b, 1e6) } },
  ],
  ['hysteresis', { state: { isEngaged: false } }, { state: { isEngaged: true } }],
  ['hysteresis', { proposal: { gain: 0.0001 }, saidOf: /costs/ }, { proposal: { gain: 0.02 } }],
];

for (const [i, [rail, bites, not]] of table.entries()) {
  t.test(`${rail} (${i}) bites, and does not bite`, async (t) => {
    const bitten = judge(rail, bites);
    t.not(bitten.result, 'pass', bitten.reason);
    if (bites.saidOf) t.match(bitten.reason, bites.saidOf);
    const passed = judge(rail, not);
    t.equal(passed.result, 'pass', passed.reason);
  });
}

t.test('every rail has a test that bites', async (t) => {
  t.same([...new Set(table.map(([rail]) => rail))].sort(), rails.map((rail) => rail.name).sort());
});

t.test('work begins at the upper thresholds and ends at the lower ones', async (t) => {
  const links = [a, b].map((link) => ({ link, capacity: bitps(100e6) }));
  const policy: Policy = defaultPolicy(links);
  const empty: Observation = {
    at: ms(now),
    intervalMs: ms(1),
    links: links.map((l) => ({ ...l, isUp: true })),
    blocks: [],
  };
  const network = buildNetwork(empty, policy);
  const due = (loads: readonly number[], wasEngaged: boolean) =>
    isWorkDue({ network, policy, loads: loadsOf(network, loads) }, wasEngaged);
  t.notOk(due([84e6, 60e6], false));
  t.ok(due([86e6, 60e6], false));
  t.ok(due([81e6, 75e6], true));
  t.notOk(due([79e6, 75e6], true));
  t.ok(due([50e6, 9e6], false), 'uneven');
  t.notOk(due([50e6, 11e6], false));
  t.ok(due([40e6, 19e6], true));
  t.notOk(due([40e6, 21e6], true));
});

t.test('input that is missing, stale, thin or contradictory freezes', async (t) => {
  const links = [a, b].map((link) => ({ link, capacity: bitps(100e6) }));
  const policy = defaultPolicy(links);
  const good: Observation = {
    at: ms(now),
    intervalMs: ms(1),
    links: links.map((link) => ({
      ...link,
      isUp: true,
      inbound: { value: bitps(50e6), ageMs: ms(0), coverage: 1, source: 'wire' },
    })),
    blocks: [
      { block, inbound: [{ link: a, rate: bitps(50e6) }], outbound: [], ageMs: ms(0), coverage: 1 },
    ],
  };
  const [first, second] = good.links;
  const [seen] = good.blocks;
  if (!first?.inbound || !second || !seen) throw new Error('made above');
  const sample = first.inbound;
  const { inbound: _, ...unmeasured } = first;
  const reasons = (change: Partial<Observation>) => freezeReasons({ ...good, ...change }, policy);
  t.same(reasons({}), []);
  t.match(reasons({ links: [second] }), [/^missing: nothing known of link a/]);
  t.match(reasons({ links: [unmeasured, second] }), [/^missing: no inbound load of link a/]);
  t.same(
    reasons({ links: [{ ...unmeasured, isUp: false }, second] }),
    [],
    'a link that is down measures nothing',
  );
  t.match(reasons({ links: [{ ...first, inbound: { ...sample, ageMs: ms(301_000) } }, second] }), [
    /^stale: load of a/,
  ]);
  t.same(
    reasons({ links: [{ ...first, inbound: { ...sample, ageMs: ms(299_000) } }, second] }),
    [],
  );
  t.match(reasons({ links: [{ ...first, inbound: { ...sample, coverage: 0.4 } }, second] }), [
    /^coverage: only 40 % of link a/,
  ]);
  t.match(reasons({ blocks: [{ ...seen, coverage: 0.4 }] }), [/^coverage: only 40 % of block/]);
  t.match(reasons({ blocks: [{ ...seen, inbound: [{ link: a, rate: bitps(80e6) }] }] }), [
    /^contradiction: the blocks of a/,
  ]);
  t.same(reasons({ blocks: [{ ...seen, inbound: [{ link: a, rate: bitps(60e6) }] }] }), []);
  const disagreeing = (direction: 'inbound' | 'outbound', ratio: number, other: number) => {
    const rates = [
      { source: 'snmp', rate: bitps(50e6) },
      { source: 'ipfix', rate: bitps(other) },
    ] as const;
    return reasons({ links: [{ ...first, comparisons: [{ direction, rates, ratio }] }, second] });
  };
  t.match(disagreeing('inbound', 0.4, 30e6), [
    'contradiction: snmp says 50000000 bit/s inbound by a, ipfix 30000000',
  ]);
  t.same(disagreeing('inbound', 0.2, 40e6), [], 'within the limit');
  t.same(disagreeing('outbound', 1, 0), [], 'many exporters see one direction only');
  t.same(disagreeing('inbound', 0.4, 49.5e6), [], 'too little to matter');
});

t.test('a change every 30 minutes stays below the default suppress threshold', async (t) => {
  const changes: number[] = [];
  for (let time = 0; time < 24 * 60; time += 30) {
    t.ok(penaltyPerChange + dampingPenalty(changes, time, 15) <= 2000);
    changes.push(time);
  }
  t.ok(
    penaltyPerChange + dampingPenalty([0], 6, 15) > 2000,
    'after six minutes it would be suppressed',
  );
});

t.test('the control groups are about as many as asked for', async (t) => {
  const names = Array.from({ length: 2000 }, (_, i) => `198.51.${i >> 8}.${i & 255}/32`);
  const share = names.filter((name) => unitHash(name) < 0.1).length / names.length;
  t.ok(share > 0.07 && share < 0.13, String(share));
  t.equal(control.name, 'control');
});
