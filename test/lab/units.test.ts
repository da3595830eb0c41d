/**
 * Three units as one, each at a border router of its own, over a NATS of three nodes with TLS and nkeys, four providers
 * with real traffic (drawn in `src/lab/units-topology.ts`); the units' clocks are 5 s ahead, right and 5 s behind.
 * `units/watch.ts` looks at every router and at the receivers all the time.
 *
 * By default the leader's death and orders at any unit; with HEADGATE_LONG=1 everything that `units/scenarios.ts` has.
 * Random faults are in `units-faults.test.ts`.
 */
import t from 'tap';
import { labTestSkip } from '../support/lab.ts';
import { natsSkip } from './units/nats.ts';
import { pause } from './units/random-faults.ts';
import * as scenarios from './units/scenarios.ts';
import { hasFalseClocks, UnitsStage } from './units/stage.ts';

const isLong = process.env.HEADGATE_LONG === '1';
const skip = labTestSkip(['/usr/sbin/bird', '/usr/lib/frr/bgpd']) || natsSkip();
const startMs = 90_000;
const timeout = 170_000 + (isLong ? 600_000 : 0);
t.setTimeout(2 * timeout);

const always: ReadonlyArray<readonly [string, scenarios.Scenario]> = [
  ['the leader is killed: another decides, nothing changes', scenarios.leaderKilled],
  ['orders and questions at any unit', scenarios.orders],
];
const whenLong: ReadonlyArray<readonly [string, scenarios.Scenario]> = [
  ['the leader stands still past its lease, and goes on', scenarios.leaderStopped],
  ['one site is cut off from two, for less than the hold time', scenarios.partedShortly],
  ['one site is cut off from two, for longer', scenarios.partedLong],
  ['a NATS node is lost', scenarios.natsNode],
  ['the quorum is lost, for less than the hold time', scenarios.quorumShortly],
  ['the quorum is lost, for longer', scenarios.quorumLong],
  ['a unit is restarted in a move', scenarios.restartedInAMove],
];

t.test('three units, three border routers, four providers', { skip, timeout }, async (t) => {
  const stage = await UnitsStage.open();
  t.teardown(() => stage.close());
  const took = await stage.untilOne('one plan at all routers', startMs);
  t.comment(`one plan ${took} ms after the start`);
  t.comment(`clocks: ${hasFalseClocks ? '+5 s, right, -5 s' : 'all right, no libfaketime'}`);
  stage.watch.judge();
  for (const [name, play] of always) await t.test(name, (t) => play(t, stage));
  if (isLong) {
    stage.demand(0);
    for (const [name, play] of whenLong) await t.test(name, (t) => play(t, stage));
  }
  t.comment(JSON.stringify(stage.watch.figures));
  t.same(stage.watch.faults, [], 'nothing was held against any router');
});

t.test(
  'mode advise: approved at any unit',
  { skip: skip || (isLong ? false : 'set HEADGATE_LONG=1'), timeout: 170_000 },
  async (t) => {
    const stage = await UnitsStage.open('advise');
    t.teardown(() => stage.close());
    await pause(1000);
    await scenarios.approval(t, stage);
  },
);
if (!isLong) t.test('all scenarios', { skip: 'set HEADGATE_LONG=1' }, () => {});
