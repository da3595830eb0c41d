/** The search of a round against looking at every group and every link anew after each move. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { whole } from '../../../../src/core/base/slices.ts';
import { bitps, type LinkId, linkId, ms, prefixText } from '../../../../src/core/base/units.ts';
import { candidatesOf, isWorth, rankOf } from '../../../../src/core/decide/candidates.ts';
import { makeContext } from '../../../../src/core/decide/context.ts';
import { buildNetwork, loadsOf } from '../../../../src/core/decide/network.ts';
import { defaultPolicy, type Policy, type Quality } from '../../../../src/core/decide/policy.ts';
import { judge } from '../../../../src/core/decide/rails/index.ts';
import type { Proposal, RailContext } from '../../../../src/core/decide/rails/rail.ts';
import { searchMoves, tryOut } from '../../../../src/core/decide/search.ts';
import { changeBetween, changed } from '../../../../src/core/decide/spread.ts';
import { emptyBlockState, initialState, type State } from '../../../../src/core/decide/state.ts';
import type { Observation } from '../../../../src/core/model/observation.ts';
import { seeded } from '../../../../src/core/simulate/random.ts';

const now = 1_800_000_000_000;
const targetRails = new Set(['path', 'maintenance', 'oscillation', 'headroom', 'trial']);

/** The same round without any memory between moves, once its trials are made. */
function slowly(start: RailContext): readonly string[] {
  const { judged, context: after } = tryOut(start);
  const said = judged.map(({ proposal, isAccepted }) => described(proposal, isAccepted));
  const closed = new Set(judged.map(({ proposal }) => proposal.group.name));
  let context = after;
  for (;;) {
    const best: Proposal[] = [];
    for (const group of context.groups) {
      if (closed.has(group.name) || group.isPending || group.rate <= 0) continue;
      let chosen: Proposal | undefined;
      for (const proposal of candidatesOf(group, context)) {
        if (closed.has(`${group.name} to ${proposal.target}`)) continue;
        if (!isWorth(proposal, context)) continue;
        if (!chosen || rankOf(proposal) > rankOf(chosen)) chosen = proposal;
      }
      if (chosen) best.push(chosen);
    }
    best.sort((a, b) => rankOf(b) - rankOf(a) || (a.group.name < b.group.name ? -1 : 1));
    let accepted: Proposal | undefined;
    for (const proposal of best) {
      if (said.length >= 256) return said;
      const verdicts = judge(proposal, context);
      const stopped = verdicts.filter(({ result }) => result !== 'pass');
      said.push(described(proposal, stopped.length === 0));
      const isOnlyTarget = stopped.length > 0 && stopped.every(({ rail }) => targetRails.has(rail));
      const { group, target } = proposal;
      closed.add(isOnlyTarget ? `${group.name} to ${target}` : group.name);
      if (stopped.length > 0) continue;
      accepted = proposal;
      break;
    }
    if (!accepted) return said;
    const { group, shares } = accepted;
    const change = changeBetween(group.shares, shares, group.rate);
    const loads = loadsOf(context.network, changed(context.loads.byLink, change));
    context = { ...context, loads, accepted: [...context.accepted, accepted] };
  }
}

const described = (
  { group, kind, target, rung, gain, shiftBitps }: Proposal,
  isAccepted: boolean,
): string => `${group.name} ${kind} ${target} ${rung} ${gain} ${shiftBitps} ${isAccepted}`;

const quickly = (context: RailContext): readonly string[] =>
  whole(searchMoves(context)).map(({ proposal, isAccepted }) => described(proposal, isAccepted));

interface Size {
  readonly seed: number;
  readonly links: number;
  readonly blocks: number;
}

/** A network in the middle of its life: pins, ports, groups, drained and dead links, blocks that were tried and moved. */
function moment({ seed, links: count, blocks: blockCount }: Size): RailContext {
  const random = seeded(seed);
  const below = (end: number) => Math.floor(random() * end);
  const links = Array.from({ length: count }, (_, i) => linkId(`l${String(i).padStart(4, '0')}`));
  const anyLink = (): LinkId => links[below(count)] ?? linkId('l0000');
  const blocks = Array.from({ length: blockCount }, (_, i) => prefixText(`10.0.${i}.0/24`));
  const anyBlock = () => blocks[below(blockCount)] ?? prefixText('10.0.0.0/24');
  const hasPorts = random() < 0.5;
  // Whole figures in half of the networks: equal links, where only the order of names decides.
  const isPlain = random() < 0.5;
  const rate = () => bitps(isPlain ? 10e6 * (1 + below(3)) : random() * 40e6);
  const shares = () => {
    const share = random();
    return { [anyLink()]: share, [anyLink()]: 1 - share };
  };
  const base = defaultPolicy(
    links.map((link, i) => ({
      link,
      capacity: bitps(isPlain ? 100e6 : (0.5 + random()) * 200e6),
      ...(hasPorts && i % 3 < 2 ? { port: `port${Math.floor(i / 3)}` } : {}),
      pricePerMbps: isPlain ? 0 : random(),
    })),
  );
  const qualities: readonly Quality[] = ['congestion', 'load', 'capacity', 'price', 'proximity'];
  const policy: Policy = {
    ...base,
    objective: {
      balance: below(3),
      congestion: below(5),
      response: below(2),
      price: below(2),
    },
    rails: { ...base.rails, sharePerRound: 0.1 + random(), movesPerHour: 4 + below(40) },
    pins: random() < 0.3 ? [{ block: anyBlock(), link: anyLink() }] : [],
    maintenance: random() < 0.3 ? [{ link: anyLink(), from: ms(0), to: ms(now * 2) }] : [],
    groups:
      blockCount > 6 && random() < 0.5
        ? [
            {
              group: 'few',
              blocks: blocks.slice(0, 3),
              links: [anyLink(), anyLink()],
            },
            {
              group: 'picky',
              blocks: blocks.slice(3, 5),
              best: qualities[below(qualities.length)] ?? 'load',
            },
          ]
        : [],
  };
  const observation: Observation = {
    at: ms(now),
    intervalMs: ms(120_000),
    links: links.map((link, i) => ({
      link,
      isUp: random() > 0.1,
      capacity: base.links[i]?.capacity ?? bitps(1),
      ...(random() < 0.5
        ? { rttUs: { value: below(100), ageMs: ms(0), coverage: 1, source: 'wire' } as const }
        : {}),
      lossRatio: {
        value: random() < 0.2 ? random() / 50 : 0,
        ageMs: ms(0),
        coverage: 1,
        source: 'probe',
      },
      billing: { paid: bitps(random() * 50e6), freeSamplesLeft: 1, reason: '' },
    })),
    blocks: blocks.map((block) => ({
      block,
      inbound: Array.from({ length: below(4) }, () => ({ link: anyLink(), rate: rate() })),
      outbound: [],
      ageMs: ms(0),
      coverage: 1,
    })),
  };
  const biased = blocks.filter(() => random() < 0.3);
  const state: State = {
    ...initialState(),
    isEngaged: random() < 0.9,
    plan: {
      generation: 1,
      at: ms(now),
      blocks: biased.map((block) => ({ block, link: anyLink(), rung: 1 + below(3), reason: '' })),
    },
    effects: Object.fromEntries(
      links
        .filter(() => random() < 0.4)
        .map((link) => [
          link,
          Array.from({ length: 1 + below(3) }, () => ({
            mean: random(),
            weight: random() < 0.8 ? 1 + below(8) : 0,
          })),
        ]),
    ),
    blocks: Object.fromEntries(
      biased.map((block) => [
        block,
        {
          ...emptyBlockState,
          changes: [ms(now - random() * 1e8)],
          ...(random() < 0.5 ? { baseline: shares() } : {}),
          tried:
            random() < 0.5
              ? { [anyLink()]: { rung: 1 + below(3), moved: random() / 4, at: ms(now - 1e6) } }
              : {},
        },
      ]),
    ),
    pending:
      biased[0] === undefined || random() < 0.7
        ? []
        : [
            {
              block: biased[0],
              at: ms(now - 1000),
              from: anyLink(),
              to: anyLink(),
              rung: 1,
              shareBefore: 0,
              sharePredicted: 1,
              shares: shares(),
              shiftBitps: 1e6,
            },
          ],
  };
  return whole(makeContext(observation, policy, state, buildNetwork(observation, policy)));
}

const sizes = fc.record({
  seed: fc.nat(),
  links: fc.integer({ min: 2, max: 12 }),
  blocks: fc.integer({ min: 1, max: 24 }),
});

t.test('a round is that of looking at everything anew after each move', async (t) => {
  let moves = 0;
  let rounds = 0;
  fc.assert(
    fc.property(sizes, (size) => {
      const context = moment(size);
      const expected = slowly(context);
      moves += expected.filter((line) => line.endsWith('true')).length;
      rounds++;
      assert.deepEqual(quickly(context), expected);
    }),
    { numRuns: process.env.HEADGATE_LONG === '1' ? 10_000 : 200 },
  );
  t.ok(moves > rounds, `${moves} moves in ${rounds} rounds`);
});

t.test('with many links too', async (t) => {
  let proposals = 0;
  for (const seed of [1, 2, 3, 4]) {
    const context = moment({ seed, links: 150, blocks: 60 });
    const expected = slowly(context);
    proposals += expected.length;
    t.same(quickly(context), expected, `seed ${seed}`);
  }
  t.ok(proposals > 20, `${proposals} proposals`);
});
