/**
 * Outbound by time: a content network whose preferred provider becomes slow on the way out. Probes find it, the probed
 * destinations leave by another, and return when it is fast again. The drawing is in src/lab/content/topology.ts.
 */
import t from 'tap';
import { allByNorth } from '../../src/lab/content/lab.ts';
import { demand, router } from '../../src/lab/content/topology.ts';
import { startOutflow } from '../../src/lab/content/traffic.ts';
import { delayWayOut, openContent, startContentUnit } from '../support/content.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';

const timeout = 300_000;
t.setTimeout(timeout);
const isLong = process.env.HEADGATE_LONG === '1';
const skip =
  labTestSkip(['/usr/sbin/bird', '/usr/sbin/snmpd', '/usr/sbin/nft', '/usr/bin/cc']) ||
  (!isLong && 'half a minute: with --long');

t.test('a slow way out is left while it is slow', { skip, timeout }, async (t) => {
  const lab = await openContent(t, 'hgtimed', 'timed');
  const unit = await startContentUnit(t, lab, 'timed');
  await waitFor('every destination to be reached by north', 60_000, async () =>
    allByNorth(await lab.waysOut()),
  );
  const traffic = await startOutflow(lab);
  t.teardown(() => traffic.stop());
  traffic.setDemand(demand(3_000_000));
  const wayTo = (host: string) => lab.run(router.name, ['ip', 'route', 'get', host]);
  const relay = await delayWayOut(t, lab, 'north', 40_000);
  await waitFor('the probed destinations to leave by another provider', 90_000, async () => {
    const ways = await lab.waysOut();
    return ways.north === 196;
  });
  t.notMatch(await wayTo('10.200.0.1'), 'dev north');
  t.match(await wayTo('10.200.1.1'), 'dev north', 'the control share stays, to compare with');
  t.match(await wayTo('10.200.9.1'), 'dev north', 'of the others nothing is known');
  const { detours } = await unit.destinations();
  t.equal(detours.length, 4);
  const rounds = new Set(detours.map(({ age_ms }) => age_ms));
  t.ok(rounds.size >= 3, `little by little: in ${rounds.size} rounds`);
  for (const { because, reason } of detours) {
    t.equal(because, 'performance');
    t.match(reason, /^[34]\d(\.\d)? ms faster by (south|east) \(\d+ samples\)$/);
  }
  relay.kill('SIGKILL');
  await lab.run('north', ['ip', 'rule', 'del', 'iif', 'customer', 'table', '100']);
  await waitFor('all to be back when north is as fast again', 120_000, async () =>
    allByNorth(await lab.waysOut()),
  );
  t.same((await unit.destinations()).detours, []);
});
