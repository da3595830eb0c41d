/** Commands at one of several units: who answers them, and whom an order reaches. */
import t from 'tap';
import type { Cluster } from '../../../../src/cluster/index.ts';
import type { Answer } from '../../../../src/control/index.ts';
import { err, ok } from '../../../../src/core/base/result.ts';
import { Joint } from '../../../../src/daemon/units/joint.ts';
import { answerUnit, oneFace } from '../../../../src/daemon/units/one-face.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { settingsOf, threeUnits } from '../../../support/settings.ts';

interface Asked {
  readonly unit: string;
  readonly body: unknown;
}

/** West, one of three of which mid leads; `deaf` do not answer. */
function stage({ leader = 'mid', deaf = [] as readonly string[], text = threeUnits } = {}) {
  const asked: Asked[] = [];
  const clock = new FakeClock(1_700_000_000_000);
  const live = ['east', 'mid', 'west'];
  const cluster: Cluster = {
    unit: 'west',
    isLeader: () => leader === 'west',
    leader: () => leader,
    standing: () => 'led',
    holdLeftMs: () => 0,
    membership: () => ({ live, frozen: [], gone: [] }),
    isConnected: () => true,
    plan: () => undefined,
    reports: () => [],
    callReports: () => {},
    report: () => {},
    publishPlan: async () => err({ code: 'superseded', fence: 0 }),
    ask: async (unit, body) => {
      asked.push({ unit, body });
      return deaf.includes(unit) ? err('no answer') : ok(ok({ from: unit }));
    },
    ready: async () => {},
    refusals: () => [],
    counters: () => ({}),
    stop: async () => {},
  };
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const joint = new Joint({ cluster, settings: settingsOf(text), clock, log });
  const own: Array<Readonly<Record<string, unknown>>> = [];
  const commands = ['links', 'blocks', 'plan', 'explain', 'approve', 'withdraw', 'resume'];
  const answers = new Map<string, Answer>(
    [...commands, 'sessions', 'destinations'].map((command) => [
      command,
      (args) => {
        own.push(args);
        return ok({ from: 'west' });
      },
    ]),
  );
  const ordersHere = () => ({ isWithdrawn: true, withheld: [] });
  const face = oneFace({ joint, answers, ordersHere });
  const give = async (command: string, args: Readonly<Record<string, unknown>> = {}) =>
    await face.get(command)?.(args);
  return { joint, answers, asked, own, give };
}

t.test('what concerns the whole is answered by who leads, the rest here', async (t) => {
  for (const command of ['links', 'blocks', 'plan', 'explain', 'approve']) {
    const { give, asked } = stage();
    t.match(await give(command), { ok: true, value: { from: 'mid' } }, command);
    t.same(asked, [{ unit: 'mid', body: { command, args: {} } }]);
  }
  t.match(await stage().give('sessions'), { value: { from: 'west' } });
  t.match(await stage({ leader: 'west' }).give('links'), { value: { from: 'west' } });
  const alone = stage({ deaf: ['mid'] });
  t.match(await alone.give('links'), { value: { from: 'west' } }, 'better than nothing');
  t.match(await alone.give('approve'), { ok: false, error: { code: 'failed' } });
});

t.test('--unit asks that one alone', async (t) => {
  const { give, asked, own } = stage();
  t.match(await give('links', { unit: 'east' }), { value: { from: 'east' } });
  t.same(asked, [{ unit: 'east', body: { command: 'links', args: {} } }]);
  t.match(await give('links', { unit: 'west' }), { value: { from: 'west' } });
  t.same(own, [{}]);
  t.match(await give('links', { unit: 'far' }), { error: { code: 'not_found' } });
});

t.test('an order is carried out here at once, and told to all', async (t) => {
  const { give, asked, own } = stage({ deaf: ['east'] });
  t.match(await give('withdraw', { all: true }), { value: { unreached: ['east'] } });
  t.same(own, [{ all: true }]);
  const orders = { serial: 1, isWithdrawn: true, withheld: [] };
  t.same(asked, [
    { unit: 'mid', body: { orders } },
    { unit: 'east', body: { orders } },
  ]);
});

t.test('an order to one unit is told to no other, and says that it is for it alone', async (t) => {
  const { give, asked, own } = stage();
  await give('withdraw', { all: true, unit: 'east' });
  t.same(asked, [
    { unit: 'east', body: { command: 'withdraw', args: { all: true, alone: true } } },
  ]);
  await give('resume', { unit: 'west' });
  t.same(own, [{ alone: true }]);
  t.equal(asked.length, 1);
});

t.test('of a pair whoever decides over outbound traffic answers for it', async (t) => {
  const text = threeUnits
    .replace('br1, unit: west', 'br1, unit: [west, mid]')
    .replace('br2, unit: mid', 'br2, unit: [west, mid]');
  const { joint, answers, give, asked } = stage({ text });
  t.match(await give('destinations'), { value: { from: 'west' } }, 'nobody does yet');
  const word = {
    decides: true,
    knows: true,
    isTold: true,
    isSettled: true,
    inForce: { detours: [], disproved: [] },
  };
  t.match(await answerUnit({ joint, answers }, { pair: word }), {
    ok: true,
    value: { decides: false },
  });
  t.equal(joint.pair?.decider, 'mid');
  t.match(await give('destinations'), { value: { from: 'mid' } });
  t.equal(asked.at(-1)?.unit, 'mid');
  t.match(await give('destinations', { unit: 'west' }), { value: { from: 'west' } });
  t.equal(stage().joint.pair, undefined, 'who shares no router is no pair');
});
