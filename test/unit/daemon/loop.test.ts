import t from 'tap';
import { whole } from '../../../src/core/base/slices.ts';
import { bitps, linkId, ms, prefixText } from '../../../src/core/base/units.ts';
import { initialState } from '../../../src/core/decide/index.ts';
import type { Observation } from '../../../src/core/model/observation.ts';
import type { Plan } from '../../../src/core/model/plan.ts';
import { policyOf } from '../../../src/daemon/configure.ts';
import { Loop } from '../../../src/daemon/loop.ts';
import { settingsOf, twoLinks } from '../../support/settings.ts';

const settings = settingsOf(`${twoLinks}rails: { share_per_round: 100% }\n`);
const [north, south] = [linkId('north'), linkId('south')];

/** Both blocks come in by north, which is full. */
function overload(at: number): Observation {
  const sampled = (value: number) => ({
    value: bitps(value),
    ageMs: ms(0),
    coverage: 1,
    source: 'wire' as const,
  });
  return {
    at: ms(at),
    intervalMs: ms(2000),
    links: [
      {
        link: north,
        isUp: true,
        capacity: bitps(100e6),
        inbound: sampled(99e6),
        outbound: sampled(0),
      },
      {
        link: south,
        isUp: true,
        capacity: bitps(100e6),
        inbound: sampled(0),
        outbound: sampled(0),
      },
    ],
    blocks: ['198.51.100.0/24', '198.51.101.0/24'].map((block, i) => ({
      block: prefixText(block),
      inbound: [{ link: north, rate: bitps(i === 0 ? 60e6 : 39e6) }],
      outbound: [],
      ageMs: ms(0),
      coverage: 1,
    })),
  };
}

function start(mode: 'observe' | 'advise' | 'control', initial: Partial<Loop['memory']> = {}) {
  const announced: (Plan | undefined)[] = [];
  const told: string[] = [];
  const loop = new Loop({
    mode,
    policy: policyOf(settings),
    initial: { state: initialState(), isWithdrawn: false, ...initial },
    act: (plan) => announced.push(plan),
    onCycle: (cycle) => told.push(cycle.isCarriedOut ? 'done' : 'held'),
    onMoves: (moves) => told.push(...moves.map((move) => `${move.outcome} ${move.block}`)),
  });
  return { loop, announced, told };
}

const steered = (plan: Plan | undefined) =>
  plan?.blocks.filter((entry) => entry.link !== undefined).length;

t.test('observe plans, and never announces', (t) => {
  const { loop, announced, told } = start('observe');
  for (let i = 1; i < 5; i++) whole(loop.turn(overload(i * 2000)));
  t.ok(announced.every((plan) => plan === undefined));
  t.ok(
    loop.last?.decision.moves.some((move) => move.outcome === 'pending'),
    'it would move',
  );
  t.equal(loop.proposal, undefined);
  t.same(told, ['held', 'held', 'held', 'held']);
  t.match(loop.approve(undefined), { ok: false, error: /mode observe/ });
  t.end();
});

t.test('control announces every block unbiased first, then moves', (t) => {
  const { loop, announced } = start('control');
  whole(loop.turn(overload(2000)));
  t.equal(announced.at(-1)?.blocks.length, 2);
  t.ok((steered(announced.at(-1)) ?? 0) > 0);
  t.equal(loop.moves[0]?.to, south);
  t.end();
});

t.test('advise waits for the approval of exactly what was shown', (t) => {
  const { loop, announced, told } = start('advise');
  whole(loop.turn(overload(2000)));
  t.equal(announced.at(-1), undefined, 'nothing is announced before');
  const shown = loop.proposal;
  t.ok(shown && shown.decision.moves.length > 0);
  t.match(loop.approve('00000000'), { ok: false, error: /the proposal is now/ });
  whole(loop.turn(overload(4000)));
  t.equal(loop.proposal?.id, shown?.id, 'the same moves keep their name');
  t.ok(loop.approve(shown?.id).ok);
  t.ok((steered(announced.at(-1)) ?? 0) > 0);
  t.match(told.at(-1), /^pending 198/, 'history is told of the moves');
  t.match(loop.approve(undefined), { ok: false, error: /nothing waits/ });
  t.equal(loop.moves[0]?.outcome, 'approved');
  whole(loop.turn(overload(6000)));
  t.ok((steered(announced.at(-1)) ?? 0) > 0, 'what was approved stays');
  t.end();
});

t.test('what was decided while a command came is decided again, under what holds then', (t) => {
  const { loop, announced, told } = start('control');
  const turn = loop.turn(overload(2000));
  turn.next();
  loop.withdraw(2001, undefined);
  const { before, isCarriedOut } = whole(turn);
  t.equal(before, loop.last?.before);
  t.notOk(isCarriedOut, 'nothing is carried out that was withdrawn meanwhile');
  t.equal(announced.at(-1), undefined);
  t.equal(told.filter((one) => one === 'held').length, 1, 'one cycle, not two');
  loop.resume();
  const next = loop.turn(overload(4000));
  next.next();
  loop.adopt('observe', policyOf(settings));
  t.notOk(whole(next).isCarriedOut, 'nor under settings that no longer hold');
  t.end();
});

t.test('withdraw --all takes everything back until resume, over a restart too', (t) => {
  const { loop, announced } = start('control');
  whole(loop.turn(overload(2000)));
  loop.withdraw(3000, undefined);
  t.equal(announced.at(-1), undefined);
  whole(loop.turn(overload(4000)));
  t.equal(announced.at(-1), undefined);
  t.equal(loop.stopped.length + loop.moves.length > 0, true);

  const again = start('control', loop.memory);
  whole(again.loop.turn(overload(6000)));
  t.equal(again.announced.at(-1), undefined);
  again.loop.resume();
  whole(again.loop.turn(overload(8000)));
  t.equal(again.announced.at(-1)?.blocks.length, 2);
  t.end();
});

t.test('one of several units steps aside: it announces nothing and decides on', async (t) => {
  const { loop, announced } = start('control');
  whole(loop.turn(overload(2000)));
  loop.stepAside(true);
  t.equal(announced.at(-1), undefined);
  for (let i = 2; i < 5; i++) whole(loop.turn(overload(i * 2000)));
  t.equal(announced.at(-1), undefined);
  t.same([loop.isWithdrawn, steered(loop.inForce)], [false, 1], 'for the others it goes on');
  const again = start('control', loop.memory);
  t.equal(again.announced.at(-1), undefined, 'over a restart too');
  again.loop.stepAside(false);
  t.equal(steered(again.announced.at(-1)), 1);
});

t.test('one block can be taken back; the others stay', (t) => {
  const { loop, announced } = start('control');
  whole(loop.turn(overload(2000)));
  loop.withdraw(3000, [prefixText('198.51.100.0/24')]);
  const blocks = () => announced.at(-1)?.blocks.map((entry) => entry.block as string);
  t.same(blocks(), ['198.51.101.0/24']);
  whole(loop.turn(overload(4000)));
  t.same(blocks(), ['198.51.101.0/24']);
  const again = start('control', loop.memory);
  t.same(
    again.announced[0]?.blocks.map((entry) => entry.block as string),
    ['198.51.101.0/24'],
  );
  loop.resume();
  whole(loop.turn(overload(6000)));
  t.same(blocks(), ['198.51.100.0/24', '198.51.101.0/24']);
  t.end();
});

t.test('a restart announces what was in force, at once', (t) => {
  const { loop, announced } = start('control');
  whole(loop.turn(overload(2000)));
  const again = start('control', loop.memory);
  t.same(again.announced[0], announced.at(-1));
  t.equal(start('observe', loop.memory).announced[0], undefined, 'but not in observe');
  t.end();
});

t.test('changing to observe takes everything back', (t) => {
  const { loop, announced } = start('control');
  whole(loop.turn(overload(2000)));
  loop.adopt('observe', policyOf(settings));
  t.equal(announced.at(-1), undefined);
  whole(loop.turn(overload(4000)));
  t.equal(announced.at(-1), undefined);
  t.end();
});
