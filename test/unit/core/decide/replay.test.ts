/** Recorded days decided again: the same policy gives the same days, another one its own. */
import t from 'tap';
import { bitps, linkId, type Ms, ms, prefixText } from '../../../../src/core/base/units.ts';
import {
  decide,
  defaultPolicy,
  initialState,
  type Policy,
} from '../../../../src/core/decide/index.ts';
import { type RecordedInput, Replay, reimagine } from '../../../../src/core/decide/replay.ts';
import { answer } from '../../../../src/core/simulate/border.ts';

const north = linkId('north');
const south = linkId('south');
const links = [
  { link: north, capacity: bitps(100e6), pricePerMbps: 1 },
  { link: south, capacity: bitps(100e6), pricePerMbps: 3 },
];
const minute = 60_000;

/** Hours of a border whose eight blocks come in by north, which is too small. */
function record(policy: Policy, cycles: number): RecordedInput[] {
  const demands = Array.from({ length: 8 }, (_, i) => ({
    source: 'far',
    block: prefixText(`198.51.${i}.0/24`),
    rate: 14e6,
  }));
  const sources = [{ name: 'far', distance: { north: 2, south: 3 } }];
  let state = initialState();
  return Array.from({ length: cycles }, (_, i) => {
    const at = ms(1_800_000_000_000 + i * minute);
    const { observation } = answer(links, sources, demands, state.plan, at, ms(2 * minute) as Ms);
    const before = state;
    state = decide(observation, policy, state).state;
    return { observation, policy, before };
  });
}

const replayed = (inputs: readonly RecordedInput[], policy?: Policy) => {
  const replay = new Replay(policy);
  for (const input of inputs) replay.step(input);
  return replay.outcome();
};

t.test('under the recorded policy the days are as they were', async (t) => {
  const inputs = record(defaultPolicy(links), 240);
  const again = replayed(inputs);
  t.equal(again.cycles, 240);
  t.equal(again.alike, 240, 'every plan is the one that was recorded');
  t.ok(again.moves.length > 0);
  t.equal(again.recorded.moves, again.moves.length);
  t.same(again.replayed.links, again.recorded.links);
});

t.test(
  'under a policy that may move nothing the overload stays, and costs what north costs',
  async (t) => {
    const inputs = record(defaultPolicy(links), 240);
    const base = defaultPolicy(links);
    const still = { ...base, rails: { ...base.rails, movesPerHour: 0 } };
    const { recorded, replayed: other, moves } = replayed(inputs, still);
    t.same(moves, []);
    t.equal(other.moves, 0);
    t.ok(
      other.overload > recorded.overload + 0.3,
      `${other.overload} against ${recorded.overload}`,
    );
    t.ok(other.costPerMonth < recorded.costPerMonth, 'south is dearer');
    const byNorth = other.links.find(({ link }) => link === north);
    t.ok((byNorth?.p95Bitps ?? 0) >= 99e6, `${byNorth?.p95Bitps}`);
  },
);

t.test('a block that the other plan leaves alone is where it was unbiased', async (t) => {
  const inputs = record(defaultPolicy(links), 240);
  const last = inputs.at(-1);
  if (!last) throw new Error('there is a last one');
  const biased = last.before.plan.blocks.filter(({ link }) => link !== undefined);
  t.ok(biased.length > 0);
  const seen = reimagine(last, { ...last.before.plan, blocks: [] });
  for (const { block } of biased) {
    const own = seen.blocks.find((entry) => entry.block === block);
    const rates = new Map(own?.inbound.map(({ link, rate }) => [link, rate]));
    t.ok((rates.get(north) ?? 0) > 0 && (rates.get(south) ?? 0) < 1, `${block} is back on north`);
  }
  const sum = (observation: typeof seen) =>
    observation.links.reduce((total, { inbound }) => total + (inbound?.value ?? 0), 0);
  t.ok(Math.abs(sum(seen) - sum(last.observation)) < 1, 'nothing is lost or made');
});
