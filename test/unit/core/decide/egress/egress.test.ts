import fc from 'fast-check';
import t from 'tap';
import { bitps, type LinkId, linkId, ms, prefixText } from '../../../../../src/core/base/units.ts';
import {
  type DestinationObservation,
  decideEgress,
  type EgressObservation,
  type EgressPolicy,
  type Override,
} from '../../../../../src/core/decide/egress/index.ts';

const policy: EgressPolicy = { threshold: 0.95, target: 0.9, release: 0.8, overridesMax: 1000 };
const names = ['a', 'b', 'c'].map(linkId);

const route = (link: LinkId) => ({ link, nextHop: `192.0.2.${link.charCodeAt(0)}` });
const destination = (
  i: number,
  rate: number,
  links: readonly LinkId[] = names,
): DestinationObservation => ({
  destination: prefixText(`203.0.${i}.0/24`),
  rate: bitps(rate),
  routes: links.map(route),
});
const observe = (
  destinations: readonly DestinationObservation[],
  capacities = [100, 100, 100],
  down: readonly LinkId[] = [],
  at = 0,
): EgressObservation => ({
  at: ms(at),
  links: names.map((link, i) => ({
    link,
    isUp: !down.includes(link),
    capacity: bitps(capacities[i] ?? 0),
    unattributed: bitps(0),
  })),
  destinations,
});
const planned = (plan: ReturnType<typeof decideEgress>, link: LinkId) =>
  plan.projection.find((p) => p.link === link)?.planned ?? Number.NaN;

t.test('nothing is detoured while every preferred link has room', async (t) => {
  const plan = decideEgress(observe([destination(1, 40), destination(2, 50)]), policy, []);
  t.same(plan.overrides, []);
  t.equal(planned(plan, names[0] ?? linkId('')), 90);
});

t.test(
  'a link above its threshold sheds just enough, the smallest destination that suffices',
  async (t) => {
    const plan = decideEgress(
      observe([destination(1, 60), destination(2, 35), destination(3, 12)]),
      policy,
      [],
    );
    t.match(plan.overrides, [
      { destination: '203.0.2.0/24', link: 'b', from: 'a', because: 'overload' },
    ]);
    t.equal(plan.overrides.length, 1, '35 covers the excess of 17; 12 does not');
    t.match(plan.overrides[0]?.text, /a was projected above 95 %/);
  },
);

t.test('what grows is relieved before it is too much, and leaves room where it goes', async (t) => {
  const now = observe([destination(1, 60), destination(2, 30)], [100, 33, 100]);
  t.same(decideEgress(now, policy, []).overrides, []);
  t.match(
    decideEgress({ ...now, growth: 1.1 }, policy, []).overrides,
    [{ destination: '203.0.2.0/24', link: 'c' }],
    '99 of 100 by then, and 33 fill b',
  );
  const { overrides } = decideEgress({ ...now, growth: 1.1 }, policy, []);
  const small = observe([destination(1, 45), destination(2, 30)]);
  t.equal(decideEgress({ ...small, growth: 1.1 }, policy, overrides).overrides.length, 1);
  t.equal(decideEgress(small, policy, overrides).overrides.length, 0);
});

t.test('the cheapest link with room is taken', async (t) => {
  const base = observe([destination(1, 60), destination(2, 40)]);
  const links = base.links.map((link) => ({ ...link, pricePerMbps: link.link === 'c' ? 1 : 5 }));
  t.equal(decideEgress({ ...base, links }, policy, []).overrides[0]?.link, 'c');
});

t.test('a link with a threshold of its own sheds at that, and is filled to less', async (t) => {
  const base = observe([destination(1, 30), destination(2, 15)]);
  const links = base.links.map((link) => (link.link === 'a' ? { ...link, threshold: 0.4 } : link));
  const plan = decideEgress({ ...base, links }, policy, []);
  t.match(plan.overrides, [{ destination: '203.0.2.0/24', text: /above 40 %/ }]);
  t.ok(planned(plan, names[0] ?? linkId('')) <= 100 * 0.4 * (policy.target / policy.threshold));
});

t.test('a link that detours have filled is relieved like any other', async (t) => {
  const first = decideEgress(observe([destination(1, 80), destination(2, 40)]), policy, []);
  t.match(first.overrides, [{ destination: '203.0.2.0/24', link: 'b' }]);
  const ofB = destination(3, 70, [linkId('b'), linkId('a'), linkId('c')]);
  const plan = decideEgress(
    observe([destination(1, 80), destination(2, 40), ofB]),
    policy,
    first.overrides,
  );
  t.same(plan.unplaced, []);
  t.match(
    plan.overrides,
    [{ destination: '203.0.2.0/24', from: 'a', link: 'c' }],
    'it goes on to c',
  );
});

t.test('what fits nowhere is said, not hidden', async (t) => {
  const plan = decideEgress(observe([destination(1, 150)]), policy, []);
  t.same(plan.overrides, []);
  t.match(plan.unplaced, [{ link: 'a', excess: 55, text: /no destination fits/ }]);
});

t.test('a detour ends only when the preferred link stays well below its threshold', async (t) => {
  const first = decideEgress(observe([destination(1, 60), destination(2, 40)]), policy, []);
  t.equal(first.overrides.length, 1);
  const still = decideEgress(
    observe([destination(1, 50), destination(2, 36)]),
    policy,
    first.overrides,
  );
  t.same(still.removed, [], '86 is below the threshold but above the release');
  const quiet = decideEgress(
    observe([destination(1, 45), destination(2, 30)]),
    policy,
    still.overrides,
  );
  t.equal(quiet.overrides.length, 0);
  t.match(quiet.removed[0]?.removedBecause, /stays below 80 %/);
});

t.test('an override whose path is withdrawn or whose link fails goes at once', async (t) => {
  const { overrides } = decideEgress(observe([destination(1, 60), destination(2, 40)]), policy, []);
  const small = [destination(1, 60), destination(2, 40, [linkId('a'), linkId('c')])];
  t.match(decideEgress(observe(small), policy, overrides).removed, []);
  const withdrawn = decideEgress(observe(small), policy, overrides);
  t.ok(withdrawn.overrides.every((override) => override.link !== 'b'));
  const down = decideEgress(
    observe([destination(1, 60), destination(2, 40)], undefined, [linkId('b')]),
    policy,
    overrides,
  );
  t.ok(down.overrides.every((override) => override.link === 'c'));
});

t.test(
  'a faster path is taken when it is measurably faster, little by little, and left when it is not',
  async (t) => {
    const performance = {
      gainUs: 5000,
      gainShare: 0.1,
      samplesMin: 10,
      sharePerRound: 0.5,
      controlShare: 0,
      settleMs: 60_000,
      restMs: 3_600_000,
    };
    const timed = (us: number): DestinationObservation => ({
      ...destination(1, 10),
      rtt: { a: { us: 50_000, samples: 50 }, b: { us, samples: 50 } },
    });
    const others = [destination(2, 10), destination(3, 10)];
    const run = (us: number, inForce: readonly Override[] = []) =>
      decideEgress(observe([timed(us), ...others]), { ...policy, performance }, inForce);
    t.same(run(47_000).overrides, [], '3 ms are not enough');
    const fast = run(20_000);
    t.match(fast.overrides, [{ link: 'b', because: 'performance', text: /30 ms faster/ }]);
    t.same(run(49_000, fast.overrides).overrides, [], 'undone when it does not help any more');
    const narrow = { ...policy, performance: { ...performance, sharePerRound: 0.1 } };
    t.same(
      decideEgress(observe([timed(20_000), ...others]), narrow, []).overrides,
      [],
      'a third at once is too much',
    );
    const control = { ...policy, performance: { ...performance, controlShare: 1 } };
    t.same(
      decideEgress(observe([timed(20_000), ...others]), control, []).overrides,
      [],
      'the control share stays',
    );
  },
);

t.test(
  'a detour that does not shorten the traffic own round trips is undone, and rests',
  async (t) => {
    const performance = {
      gainUs: 5000,
      gainShare: 0.1,
      samplesMin: 10,
      sharePerRound: 1,
      controlShare: 0,
      settleMs: 60_000,
      restMs: 3_600_000,
    };
    const timed = (passiveUs: number): DestinationObservation => ({
      ...destination(1, 10),
      rtt: { a: { us: 50_000, samples: 50 }, b: { us: 20_000, samples: 50 } },
      passive: { us: passiveUs, samples: 50 },
    });
    const run = (
      at: number,
      passiveUs: number,
      before: Pick<ReturnType<typeof decideEgress>, 'overrides' | 'disproved'>,
    ) =>
      decideEgress(
        observe([timed(passiveUs)], undefined, [], at),
        { ...policy, performance },
        before.overrides,
        before.disproved,
      );
    const first = run(0, 70_000, { overrides: [], disproved: [] });
    t.match(first.overrides, [{ link: 'b', expected: { before: { us: 70_000 }, gainUs: 30_000 } }]);
    t.equal(run(120_000, 40_000, first).overrides.length, 1, 'it helped');
    t.equal(run(30_000, 70_000, first).overrides.length, 1, 'not judged before it has settled');
    const second = run(120_000, 69_000, first);
    t.same(second.overrides, []);
    t.match(second.removed, [{ removedBecause: 'it did not help: 70 ms before, 69 ms by b' }]);
    t.same(run(180_000, 69_000, second).overrides, [], 'it rests');
    t.equal(run(120_000 + 3_600_001, 69_000, second).overrides.length, 1, 'and is tried again');
  },
);

t.test('what is sticky keeps its way until it is gone or the way is lost', async (t) => {
  const sticky = { ...policy, isSticky: true };
  const first = decideEgress(observe([destination(1, 60), destination(2, 40)]), sticky, []);
  t.match(first.overrides, [{ destination: '203.0.2.0/24', link: 'b' }]);
  const quiet = observe([destination(1, 10), destination(2, 10)]);
  t.same(decideEgress(quiet, sticky, first.overrides).overrides, first.overrides);
  const full = [destination(1, 10), destination(2, 40), destination(3, 70, [linkId('b')])];
  t.same(
    decideEgress(observe(full), sticky, first.overrides).overrides,
    first.overrides,
    'not even an overload moves it on',
  );
  const down = observe([destination(1, 10), destination(2, 40)], undefined, [linkId('b')]);
  t.same(decideEgress(down, sticky, first.overrides).overrides, []);
  t.same(decideEgress(observe([destination(1, 10)]), sticky, first.overrides).overrides, []);
});

const anyDestinations = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.shuffledSubarray(names, { minLength: 1 })), {
    maxLength: 12,
  })
  .map((list) => list.map(([rate, links], i) => destination(i, rate, links)));

t.test('the order of the input does not matter', async () => {
  fc.assert(
    fc.property(
      anyDestinations.chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
      ),
      ([list, shuffled]) => {
        const one = decideEgress(observe(list), policy, []);
        const other = decideEgress(
          { ...observe(shuffled), links: [...observe([]).links].reverse() },
          policy,
          [],
        );
        return JSON.stringify(one) === JSON.stringify(other);
      },
    ),
  );
});

t.test('a restart with the overrides in force changes nothing', async () => {
  fc.assert(
    fc.property(anyDestinations, (list) => {
      const first = decideEgress(observe(list), policy, []);
      const again = decideEgress(observe(list), policy, first.overrides);
      return (
        JSON.stringify(again.overrides) === JSON.stringify(first.overrides) &&
        again.removed.length === 0
      );
    }),
  );
});

t.test(
  'no link is filled above its target by a detour, and only received paths are used',
  async () => {
    fc.assert(
      fc.property(anyDestinations, (list) => {
        const plan = decideEgress(observe(list), policy, []);
        const isReal = plan.overrides.every((override) =>
          list.some(
            (d) =>
              d.destination === override.destination &&
              d.routes.some((r) => r.nextHop === override.nextHop && r.link === override.link),
          ),
        );
        return (
          isReal &&
          plan.projection.every(
            ({ plain, planned: load, capacity }) =>
              load <= Math.max(plain, capacity * policy.target),
          )
        );
      }),
    );
  },
);

t.test(
  'relief is found in nearly all small cases in which exhaustive search finds any',
  async (t) => {
    let possible = 0;
    let found = 0;
    fc.assert(
      fc.property(
        anyDestinations.filter((list) => list.length <= 7),
        (list) => {
          const fits = (loads: readonly number[]) => loads.every((load) => load <= 95);
          const search = (i: number, loads: number[]): boolean => {
            const next = list[i];
            if (!next) return fits(loads);
            return next.routes.some(({ link }) => {
              const copy = [...loads];
              const at = names.indexOf(link);
              copy[at] = (copy[at] ?? 0) + next.rate;
              return search(i + 1, copy);
            });
          };
          if (search(0, [0, 0, 0])) {
            possible++;
            if (decideEgress(observe(list), policy, []).unplaced.length === 0) found++;
          }
        },
      ),
      { numRuns: 500, seed: 7 },
    );
    t.ok(possible > 100, `${possible} cases`);
    t.ok(found / possible > 0.97, `${found} of ${possible}`);
  },
);

t.test('over a day little is detoured needlessly and all is back at night', async (t) => {
  let overrides: readonly Override[] = [];
  let detoured = 0;
  let needed = 0;
  let total = 0;
  for (let minute = 0; minute < 1440; minute++) {
    const curve = 0.5 - 0.5 * Math.cos((2 * Math.PI * minute) / 1440);
    const list = Array.from({ length: 200 }, (_, i) =>
      destination(i, (0.1 + curve) * ((i % 17) + 1) * 0.06),
    );
    const plan = decideEgress(
      observe(list, [100, 100, 100], [], minute * 60_000),
      policy,
      overrides,
    );
    overrides = plan.overrides;
    const sum = list.reduce((all, d) => all + d.rate, 0);
    total += sum;
    needed += Math.max(0, sum - 90);
    detoured += list
      .filter((d) => overrides.some((o) => o.destination === d.destination))
      .reduce((all, d) => all + d.rate, 0);
    t.ok(plan.unplaced.length === 0);
  }
  t.ok(needed > 0, 'the curve goes above the threshold');
  t.ok(
    (detoured - needed) / total < 0.1,
    `${((100 * (detoured - needed)) / total).toFixed(1)} % needless`,
  );
  t.same(overrides, [], 'midnight');
});
