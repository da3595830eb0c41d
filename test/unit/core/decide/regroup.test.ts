/** Blocks cut, joined and grouped by what they carry. */
import fc from 'fast-check';
import t from 'tap';
import { covers, prefixOf } from '../../../../src/core/base/prefix.ts';
import { bitps, linkId, ms, type PrefixText, prefixText } from '../../../../src/core/base/units.ts';
import {
  decide,
  defaultPolicy,
  initialState,
  type State,
} from '../../../../src/core/decide/index.ts';
import {
  type Division,
  type RegroupInput,
  redivide,
  regroup,
} from '../../../../src/core/decide/regroup.ts';
import { emptyBlockState } from '../../../../src/core/decide/state.ts';
import type { Observation } from '../../../../src/core/model/observation.ts';

const north = linkId('north');
const south = linkId('south');
const links = [north, south].map((link) => ({ link, capacity: bitps(100e6) }));
const policy = defaultPolicy(links);
const at = (text: string) => prefixText(text);
const alone = (...texts: readonly string[]): Division[] =>
  texts.map((text) => ({ prefix: at(text) }));

function ask(
  configured: readonly Division[],
  rates: Readonly<Record<string, number>>,
  change: Partial<RegroupInput> = {},
) {
  const present = change.present ?? configured;
  return regroup({
    configured,
    present,
    usage: new Map(present.map(({ prefix }) => [prefix, (rates[prefix] ?? 0) * 1e6])),
    policy,
    state: initialState(),
    regroup: { heavy: 0.1, light: 0.001, floor: { ipv4: 24, ipv6: 48 } },
    ...change,
  });
}
const byNorth = (prefixes: readonly string[]): State => ({
  ...initialState(),
  blocks: Object.fromEntries(
    prefixes.map((prefix) => [prefix, { ...emptyBlockState, baseline: { north: 1 } }]),
  ),
});

t.test('a block too heavy to place is cut in two, and says what that gains', async (t) => {
  const [whole] = alone('198.51.100.0/22');
  if (!whole) throw new Error('there is one');
  const state = byNorth([whole.prefix]);
  const { divisions, changes } = ask([whole], { [whole.prefix]: 90 }, { state });
  t.same(divisions, alone('198.51.100.0/23', '198.51.102.0/23'));
  t.match(changes, [{ kind: 'split', reason: /90\.0 Mb\/s, more than 10 %/ }]);
  t.ok((changes[0]?.gain ?? 0) > 0.3, `90 of 100 on one link, or 45 on each: ${changes[0]?.gain}`);
  t.same(ask([whole], { [whole.prefix]: 9 }, { state }).changes, []);
});

t.test('not below the floor, and not while a move of it is being judged', async (t) => {
  const [whole] = alone('198.51.100.0/24');
  if (!whole) throw new Error('there is one');
  t.same(ask([whole], { [whole.prefix]: 90 }).changes, []);
  const [large] = alone('198.51.100.0/22');
  if (!large) throw new Error('there is one');
  const pending = {
    block: large.prefix,
    at: ms(0),
    from: north,
    to: south,
    rung: 1,
    shareBefore: 0,
    sharePredicted: 0.5,
    shares: {},
    shiftBitps: 1,
  };
  const state = { ...byNorth([large.prefix]), pending: [pending] };
  t.same(ask([large], { [large.prefix]: 90 }, { state }).changes, []);
});

t.test(
  'halves are joined when they are light and steered alike, and never beyond what is set',
  async (t) => {
    const configured = alone('198.51.100.0/22');
    const present = alone('198.51.100.0/23', '198.51.102.0/23');
    const rates = { '198.51.100.0/23': 2, '198.51.102.0/23': 2 };
    const { divisions, changes } = ask(configured, rates, { present });
    t.same(divisions, configured);
    t.match(changes, [{ kind: 'join' }]);
    t.same(
      ask(configured, { '198.51.100.0/23': 3, '198.51.102.0/23': 3 }, { present }).changes,
      [],
      '6 is more than half of 10',
    );
    const plan = {
      ...initialState().plan,
      blocks: [{ block: at('198.51.100.0/23'), link: south, rung: 1, reason: '' }],
    };
    t.same(ask(configured, rates, { present, state: { ...initialState(), plan } }).changes, []);
    t.same(ask(present, rates).changes, [], 'two that were set so');
  },
);

t.test(
  'light blocks of one link move as one; one that grows leaves; named groups stay',
  async (t) => {
    const blocks = Array.from({ length: 6 }, (_, i) => `198.51.${i}.0/24`);
    const state = byNorth(blocks);
    const rates = {
      '198.51.0.0/24': 9,
      '198.51.1.0/24': 0.001,
      '198.51.2.0/24': 0.002,
      '198.51.3.0/24': 0.001,
    };
    const configured = alone(...blocks).map((own, i) => (i === 5 ? { ...own, group: 'web' } : own));
    const { divisions, changes } = ask(configured, rates, { state });
    t.match(changes, [{ kind: 'merge' }]);
    t.same(
      divisions.map(({ group }) => group),
      [undefined, 'light-1', 'light-1', 'light-1', 'light-1', 'web'],
    );
    t.same(
      ask(configured, rates, { state, present: divisions }).changes,
      [],
      'asked again, nothing changes',
    );
    const grown = ask(configured, { ...rates, '198.51.2.0/24': 1 }, { state, present: divisions });
    t.match(grown.changes, [{ kind: 'part', blocks: ['198.51.2.0/24'] }]);
  },
);

t.test(
  'whatever is asked: the same addresses, no overlap, within the floor; asked again, it settles',
  async () => {
    const configured = alone('10.0.0.0/20', '10.0.16.0/21', '10.0.32.0/24');
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 80 }), { minLength: 4, maxLength: 9 }),
        (weights) => {
          let present: readonly Division[] = configured;
          // Each /24 carries the same in every round: what is asked again and again must come to rest.
          const rateOf = ({ prefix }: Division) => {
            const { bytes, length } = prefixOf(prefix);
            let sum = 0;
            for (let i = 0; i < 2 ** (24 - length); i++)
              sum += weights[((bytes[2] ?? 0) + i) % weights.length] ?? 0;
            return sum;
          };
          for (let round = 0; round < 12; round++) {
            const rates = Object.fromEntries(present.map((own) => [own.prefix, rateOf(own)]));
            const next = ask(configured, rates, {
              present,
              state: byNorth(configured.map(({ prefix }) => prefix)),
            });
            const isWhole = configured.every((outer) => {
              const parts = next.divisions.filter((own) =>
                covers(prefixOf(outer.prefix), prefixOf(own.prefix)),
              );
              const sum = parts.reduce(
                (all, own) =>
                  all + 2 ** (prefixOf(outer.prefix).length - prefixOf(own.prefix).length),
                0,
              );
              return sum === 1;
            });
            if (!isWhole || next.divisions.some((own) => prefixOf(own.prefix).length > 24))
              return false;
            if (next.changes.length === 0) return true;
            present = next.divisions;
          }
          return false;
        },
      ),
      { numRuns: 60 },
    );
  },
);

t.test('what takes the place of a block takes after it, and rests', async (t) => {
  const block = at('198.51.100.0/22');
  const state: State = {
    ...initialState(),
    plan: { generation: 3, at: ms(0), blocks: [{ block, link: south, rung: 2, reason: 'full' }] },
    blocks: { [block]: { ...emptyBlockState, baseline: { north: 1 }, changes: [ms(5)] } },
  };
  const cut = redivide(state, alone('198.51.100.0/23', '198.51.102.0/23'), ms(9));
  t.match(cut.plan, {
    generation: 4,
    blocks: [
      { block: '198.51.100.0/23', link: south, rung: 2 },
      { block: '198.51.102.0/23', link: south, rung: 2 },
    ],
  });
  t.same(cut.blocks['198.51.102.0/23']?.changes, [5, 9]);
  t.equal(cut.blocks[block], undefined);
  const joined = redivide(cut, alone(block), ms(11));
  t.match(joined.plan.blocks, [{ block, link: south, rung: 2 }]);
  t.same(joined.blocks[block]?.baseline, { north: 1 });
});

t.test(
  'the closed loop: an elephant that no link can take is cut until the links are even',
  async (t) => {
    // Sixteen /24s of 9 Mb/s set as one block: it only fits one link, and no link has room for it.
    const configured = alone('10.0.0.0/20');
    const loops = (isRegrouped: boolean): number => {
      let present: readonly Division[] = configured;
      let state = initialState();
      let worst = 1;
      for (let round = 0; round < 200; round++) {
        const now = ms(1_800_000_000_000 + round * 10 * 60_000);
        const loads = new Map([
          [north, 0],
          [south, 0],
        ]);
        const blocks = present.map(({ prefix }) => {
          const rate = 9e6 * 2 ** (24 - prefixOf(prefix).length);
          const plan = state.plan.blocks.find(({ block }) => block === prefix);
          const share = plan?.link === south ? ([0.5, 0.8, 1][plan.rung - 1] ?? 1) : 0;
          loads.set(south, (loads.get(south) ?? 0) + rate * share);
          loads.set(north, (loads.get(north) ?? 0) + rate * (1 - share));
          const inbound = [
            { link: north, rate: bitps(rate * (1 - share)) },
            { link: south, rate: bitps(rate * share) },
          ];
          return { block: prefix, inbound, outbound: [], ageMs: ms(0), coverage: 1 };
        });
        const observation: Observation = {
          at: now,
          intervalMs: ms(120_000),
          links: links.map(({ link, capacity }) => ({
            link,
            capacity,
            isUp: true,
            inbound: {
              value: bitps(loads.get(link) ?? 0),
              ageMs: ms(0),
              coverage: 1,
              source: 'wire',
            },
          })),
          blocks,
        };
        worst = Math.max(...links.map(({ link, capacity }) => (loads.get(link) ?? 0) / capacity));
        state = decide(observation, policy, state).state;
        if (!isRegrouped || round % 6 !== 5) continue;
        const usage = new Map(
          blocks.map(({ block, inbound }): [PrefixText, number] => [
            block,
            inbound.reduce((sum, { rate }) => sum + rate, 0),
          ]),
        );
        const next = regroup({
          configured,
          present,
          usage,
          policy,
          state,
          regroup: { heavy: 0.2, light: 0, floor: { ipv4: 24, ipv6: 48 } },
        });
        if (next.changes.length === 0) continue;
        present = next.divisions;
        state = redivide(state, present, now);
      }
      return worst;
    };
    const [whole, cut] = [loops(false), loops(true)];
    t.ok(whole > 1, `in one piece: ${whole.toFixed(2)}`);
    t.ok(cut <= 0.9, `cut: ${cut.toFixed(2)}`);
  },
);
