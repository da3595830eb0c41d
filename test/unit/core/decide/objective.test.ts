/** What the objective sees beside load: congestion that was told, money that is paid already; and where it aims. */
import t from 'tap';
import { whole } from '../../../../src/core/base/slices.ts';
import { bitps, linkId, ms, prefixText } from '../../../../src/core/base/units.ts';
import { aimOf, loadSteps, misplaced } from '../../../../src/core/decide/aim.ts';
import { judgeCongestion } from '../../../../src/core/decide/congestion.ts';
import { makeContext } from '../../../../src/core/decide/context.ts';
import { decide, defaultPolicy, initialState } from '../../../../src/core/decide/index.ts';
import { buildNetwork } from '../../../../src/core/decide/network.ts';
import type { Policy } from '../../../../src/core/decide/policy.ts';
import { isWorkDue } from '../../../../src/core/decide/rails/hysteresis.ts';
import type { LinkObservation, Observation } from '../../../../src/core/model/observation.ts';

const north = linkId('north');
const south = linkId('south');

/** Blocks of 10 Mb/s each: `here` of them by north, `there` by south; both links carry 100 Mb/s. */
function border(
  here: number,
  there: number,
  told: Partial<Record<string, Partial<LinkObservation>>> = {},
): Observation {
  const block = (i: number, link: typeof north) => ({
    block: prefixText(`10.${i >> 8}.${i & 255}.0/24`),
    inbound: [{ link, rate: bitps(10e6) }],
    outbound: [],
    ageMs: ms(0),
    coverage: 1,
  });
  const link = (name: typeof north, blocks: number): LinkObservation => ({
    link: name,
    isUp: true,
    capacity: bitps(100e6),
    inbound: { value: bitps(blocks * 10e6), ageMs: ms(0), coverage: 1, source: 'wire' },
    ...told[name],
  });
  return {
    at: ms(1_800_000_000_000),
    intervalMs: ms(120_000),
    links: [link(north, here), link(south, there)],
    blocks: Array.from({ length: here + there }, (_, i) => block(i, i < here ? north : south)),
  };
}

const policy = (objective: Partial<Policy['objective']> = {}): Policy => {
  const base = defaultPolicy([north, south].map((link) => ({ link, capacity: bitps(100e6) })));
  return { ...base, objective: { ...base.objective, ...objective } };
};

const contextOf = (observation: Observation, own = policy()) =>
  whole(makeContext(observation, own, initialState(), buildNetwork(observation, own)));

const wanted = (observation: Observation, own = policy()) =>
  decide(observation, own, initialState()).moves.map(({ to, outcome }) => ({ to, outcome }));

t.test(
  'a link that is congested though not full loses blocks; the same without the verdict not',
  async (t) => {
    const signs = [{ kind: 'probe_loss' as const, value: 0.02, low: 0.01, ageMs: 0, coverage: 1 }];
    const congestion = [judgeCongestion(north, 'inbound', signs, false)];
    t.match(wanted(border(4, 4, { north: { congestion } })), [{ to: south }]);
    t.same(
      wanted(border(4, 4)).filter(({ outcome }) => outcome === 'pending'),
      [],
    );
  },
);

t.test('a verdict by load alone adds nothing to the load', async (t) => {
  const signs = [{ kind: 'load' as const, value: 1, ageMs: 0, coverage: 1 }];
  const congestion = [judgeCongestion(north, 'inbound', signs, false)];
  const observation = border(4, 4, { north: { congestion } });
  t.ok(congestion[0]?.isCongested);
  const context = contextOf(observation);
  t.same(context.network.loss, [0, 0]);
  t.notOk(isWorkDue(context, false));
});

t.test('the other direction says nothing of what comes in', async (t) => {
  const signs = [{ kind: 'discards' as const, value: 0.05, ageMs: 0, coverage: 1 }];
  const congestion = [judgeCongestion(north, 'outbound', signs, false)];
  t.same(contextOf(border(4, 4, { north: { congestion } })).network.loss, [0, 0]);
});

t.test(
  'traffic goes to the cheaper link, and a bit that is paid already is cheaper still',
  async (t) => {
    const priced = (paid: number | undefined): readonly unknown[] => {
      const own = policy({ balance: 0, price: 1 });
      const links = own.links.map((link) => ({
        ...link,
        pricePerMbps: link.link === north ? 1 : 2,
      }));
      const billing = { paid: bitps(paid ?? 0), freeSamplesLeft: 10, reason: 'committed' };
      const told = paid === undefined ? {} : { south: { billing } };
      return wanted(border(4, 4, told), { ...own, links });
    };
    t.match(priced(undefined), [{ to: north }]);
    t.match(priced(80e6), [{ to: south }]);
  },
);

t.test('the aim evens out unequal links, moving no more than that takes', async (t) => {
  const context = contextOf(border(8, 0));
  const moved = whole(misplaced(context));
  t.ok(moved.size >= 3 && moved.size <= 4, `${moved.size} of 8`);
  t.same(whole(misplaced(contextOf(border(4, 4)))).size, 0);
  t.equal(whole(aimOf(context)).groups.length, 8);
});

t.test('a link that is down or out of bounds is no aim', async (t) => {
  const down = border(8, 0, { south: { isUp: false } });
  t.same(whole(misplaced(contextOf(down))).size, 0);
  const blocks = border(8, 0).blocks.map(({ block }) => block);
  const bound: Policy = { ...policy(), groups: [{ group: 'all', blocks, links: [north] }] };
  t.same(whole(misplaced(contextOf(border(8, 0), bound))).size, 0);
});

t.test('the cost of load rises in every step', async (t) => {
  const steps = loadSteps({ balance: 1, congestion: 4, response: 0, price: 0 }, 0.85);
  for (const [i, step] of steps.entries()) {
    const before = steps[i - 1];
    if (before) t.ok(step.from > before.from && step.slope > before.slope);
  }
  t.same(loadSteps({ balance: 0, congestion: 0, response: 1, price: 0 }, 0.85), []);
});

t.test('a large network: the moves of a round are those that the aim has', async (t) => {
  const roomy = (link: LinkObservation) => ({ ...link, capacity: bitps(12.5e9) });
  const seen = border(1200, 300);
  const observation = { ...seen, links: seen.links.map(roomy) };
  const own = {
    ...policy(),
    links: policy().links.map(({ link }) => ({ link, capacity: bitps(12.5e9) })),
  };
  const aimed = new Set(
    [...whole(misplaced(contextOf(observation, own)))].map((group) => group.name),
  );
  const made = decide(observation, own, initialState()).moves;
  t.ok(made.some(({ outcome }) => outcome === 'pending'));
  t.ok(made.every(({ block, to }) => to === south && aimed.has(block)));
});
