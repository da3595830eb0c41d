import fc from 'fast-check';
import t from 'tap';
import { type LinkId, linkId, type PrefixText, prefixText } from '../../../src/core/base/units.ts';
import { layout } from '../../../src/engine/layout.ts';
import type { Weights } from '../../../src/engine/options.ts';
import { apportion } from '../../../src/engine/rendezvous.ts';
import { type Bucket, plain, type WayState, Ways, written } from '../../../src/engine/ways.ts';

const [a, b, c, d] = ['north', 'south', 'east', 'west'].map(linkId) as [
  LinkId,
  LinkId,
  LinkId,
  LinkId,
]; // four names, four links
const first = (weights: Weights) => apportion(weights).map((links) => links[0]);
const shareOf = (link: LinkId, buckets: readonly (LinkId | undefined)[]) =>
  buckets.filter((each) => each === link).length / layout.buckets;

t.test('shares are what the weights say, to half a percent', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 }),
      (numbers) => {
        const weights = Object.fromEntries(numbers.map((weight, i) => [`link${i}`, weight]));
        const sum = numbers.reduce((x, y) => x + y, 0);
        const buckets = first(weights);
        return numbers.every(
          (weight, i) => Math.abs(shareOf(linkId(`link${i}`), buckets) - weight / sum) <= 0.005,
        );
      },
    ),
    { numRuns: 15 },
  );
});

t.test('a change of weights moves at most twice what it must, and two percent', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 })), {
        minLength: 2,
        maxLength: 5,
      }),
      (pairs) => {
        const side = (of: 0 | 1) =>
          Object.fromEntries(pairs.map((pair, i) => [`link${i}`, pair[of]]));
        const sums = [0, 1].map((of) => pairs.reduce((x, pair) => x + (pair[of] ?? 0), 0));
        const least =
          pairs.reduce(
            (x, pair) => x + Math.abs(pair[0] / (sums[0] ?? 1) - pair[1] / (sums[1] ?? 1)),
            0,
          ) / 2;
        const [before, after] = [first(side(0)), first(side(1))];
        const moved = before.filter((link, i) => link !== after[i]).length / layout.buckets;
        return moved <= 2 * least + 0.02;
      },
    ),
    { numRuns: 15 },
  );
});

t.test(
  'a link that goes gives away its own buckets only, in the proportion of the others',
  async (t) => {
    const weights = { [a]: 4, [b]: 2, [c]: 1, [d]: 1 };
    const ways = new Ways();
    const aims = { destinations: new Map(), otherwise: weights, down: new Set<LinkId>() };
    ways.aim(aims, 1n);
    const before = nowOf(ways.otherwise);
    ways.readjust({ down: new Set([a]) }, 2n);
    const after = nowOf(ways.otherwise);
    t.ok(before.every((link, i) => link === a || after[i] === link));
    t.notOk(after.includes(a));
    const gained = shareOf(b, after) - shareOf(b, before);
    t.ok(
      Math.abs(gained - 0.25) < 0.05,
      `half of the half goes to the one that has half of the rest: ${gained}`,
    );
    ways.readjust({ down: new Set([a, b, c, d]) }, 3n);
    t.same(new Set(nowOf(ways.otherwise)), new Set([plain]), 'with none left the router chooses');
    ways.readjust({ down: new Set() }, 4n);
    t.same(nowOf(ways.otherwise), before, 'and all is as it was when they are back');
    t.ok(ways.otherwise?.buckets.every(({ before }) => before === plain));
  },
);

t.test(
  'a bucket remembers what it was before, and after five minutes only who was written down',
  async (t) => {
    const ways = new Ways();
    const aim = (otherwise: Weights, seconds: number) =>
      ways.aim(
        { destinations: new Map(), otherwise, down: new Set() },
        BigInt(seconds) * 1_000_000_000n,
      );
    aim({ [a]: 1 }, 1000);
    t.equal(ways.otherwise?.alone, a, 'one link needs no buckets');
    t.equal(ways.states.length, 0);
    aim({ [a]: 1, [b]: 1 }, 1100);
    const moved = bucketsOf(ways.otherwise).filter(({ before }) => before === a);
    t.ok(moved.every(({ now }) => now === b));
    t.ok(Math.abs(moved.length - 512) < 8);
    aim({ [a]: 1, [b]: 1, [c]: 1 }, 1200);
    t.ok(
      bucketsOf(ways.otherwise).some(({ now, before }) => now === b && before === a),
      'within the time it still knows',
    );
    aim({ [a]: 1, [b]: 1 }, 1600);
    const befores = bucketsOf(ways.otherwise).map(({ before }) => before);
    t.ok(befores.includes(c) && befores.includes(written));
    t.ok(befores.filter((each) => each === a).length < 20, 'but for a few that came and went');
    aim({ [a]: 1, [b]: 1 }, 1600 + 86_400);
    t.same(new Set(bucketsOf(ways.otherwise).map(({ before }) => before)), new Set([undefined]));
  },
);

t.test(
  'a destination takes the memory of its old way along, also when it loses its aim',
  async (t) => {
    const [x, y, z] = ['203.0.113.0/24', '198.18.0.0/15', '192.0.2.0/24'].map(prefixText) as [
      PrefixText,
      PrefixText,
      PrefixText,
    ]; // three texts, three prefixes
    const ways = new Ways();
    const aim = (destinations: Array<[PrefixText, Weights | undefined]>, ns: bigint) =>
      ways.aim({ destinations: new Map(destinations), otherwise: {}, down: new Set() }, ns);
    aim(
      [
        [x, { [a]: 1 }],
        [y, undefined],
        [z, undefined],
      ],
      10n,
    );
    aim(
      [
        [x, { [b]: 1 }],
        [y, { [b]: 1 }],
        [z, undefined],
      ],
      20n,
    );
    t.same(bucketsOf(ways.destinations.get(x))[0], { now: b, before: a });
    t.same(
      bucketsOf(ways.destinations.get(y))[0],
      { now: b, before: plain },
      'who went as the router liked goes on so',
    );
    t.equal(ways.destinations.get(z), ways.otherwise);
    t.equal(ways.states.length, 2);
    aim([[z, undefined]], 30n);
    t.same(bucketsOf(ways.destinations.get(x))[0], { now: plain, before: b });
    t.same([...ways.destinations.keys()], [z, x, y], 'published on, for the sessions that stay');
  },
);

t.test('a link of weight 0 is taken only when all others are down', async (t) => {
  const ways = new Ways();
  const otherwise = { [a]: 3, [b]: 1, [c]: 0 };
  ways.aim({ destinations: new Map(), otherwise, down: new Set() }, 1n);
  t.notOk(nowOf(ways.otherwise).includes(c));
  ways.readjust({ down: new Set([a]) }, 2n);
  t.ok(nowOf(ways.otherwise).every((link) => link === b));
  ways.readjust({ down: new Set([a, b]) }, 3n);
  t.ok(nowOf(ways.otherwise).every((link) => link === c));
});

t.test('groups have weights of their own, and destinations take their past along', async (t) => {
  const ways = new Ways();
  const aims = { destinations: new Map(), otherwise: { [a]: 1 }, down: new Set<LinkId>() };
  const both = { name: 'both', weights: { [a]: 1, [b]: 1 } };
  const all = { name: 'all', weights: { [a]: 1, [b]: 1, [c]: 2 } };
  ways.aim({ ...aims, groups: [both, all] }, 1n);
  t.equal(ways.states.length, 2, 'published, each by itself');
  const before = nowOf(ways.groups.get('all'));
  t.equal(before.filter((link) => link === c).length, layout.buckets / 2);

  ways.readjust({ groups: [{ ...both, weights: { [a]: 0, [b]: 1 } }] }, 10n);
  t.ok(nowOf(ways.groups.get('both')).every((link) => link === b));
  t.same(nowOf(ways.groups.get('all')), before, 'the other stays');
  t.ok(
    bucketsOf(ways.groups.get('both')).some((bucket) => bucket.before === a),
    'and sessions stay where they began',
  );

  // Link c tells its routes no more: what was in `all` is in a group without it now.
  const less = { name: 'all without c', from: 'all', weights: { [a]: 1, [b]: 1 } };
  ways.aim({ ...aims, groups: [both, less] }, 20n);
  const after = bucketsOf(ways.groups.get('all without c'));
  for (const [i, { now, before: was }] of after.entries()) {
    const old = before[i];
    t.not(now, c);
    t.not(was, c, 'sessions leave a link that is no way any more');
    if (old !== c && old !== now) t.equal(was, old, 'the others stay');
  }
});

t.test('too many ways forget the oldest changes first, and say so', async (t) => {
  const ways = new Ways();
  const prefixes = Array.from({ length: 72 }, (_, i) => prefixText(`203.0.${i}.0/24`));
  const moved = new Map<PrefixText, Weights | undefined>();
  const aim = (ns: bigint) =>
    ways.aim({ destinations: moved, otherwise: { [a]: 1, [b]: 1 }, down: new Set() }, ns);
  for (const prefix of prefixes) moved.set(prefix, { [a]: 1 });
  aim(1n);
  let most = 0;
  for (const [i, prefix] of prefixes.entries()) {
    moved.set(prefix, { [c]: 1, [d]: 1 + (i % 3) });
    aim(BigInt(10 + i));
    most = Math.max(most, ways.states.length);
  }
  t.equal(most, layout.waysMax);
  t.ok(ways.forgotten > 0);
  const last = bucketsOf(ways.destinations.get(prefixText('203.0.71.0/24')));
  t.ok(
    last.every(({ before }) => before === a),
    'the latest is remembered',
  );
});

t.test('what an earlier unit wrote down is looked up', async (t) => {
  const ways = new Ways();
  ways.aim({ destinations: new Map(), otherwise: { [a]: 1, [b]: 1 }, down: new Set() }, 5n, true);
  t.ok(bucketsOf(ways.otherwise).every(({ before }) => before === written));
});

function bucketsOf(state: WayState | undefined): readonly Bucket[] {
  return state?.buckets ?? [];
}

function nowOf(state: WayState | undefined): readonly (LinkId | undefined)[] {
  return bucketsOf(state).map(({ now }) => now as LinkId); // plain is compared, never used as a link
}
