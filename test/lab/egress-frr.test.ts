/**
 * Outbound by destination on an FRR router: configured by its driver, or spoken to while BMP tells its paths in the place
 * of add-path. The drawing is in src/lab/content/topology.ts.
 */
import t from 'tap';
import { allByNorth } from '../../src/lab/content/lab.ts';
import { demand, destinationCount, router } from '../../src/lab/content/topology.ts';
import { load, night, openAtPeak } from '../support/content-peak.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';

const timeout = 400_000;
t.setTimeout(timeout);
const isLong = process.env.HEADGATE_LONG === '1';
const skip =
  labTestSkip(['/usr/sbin/bird', '/usr/sbin/snmpd', '/usr/lib/frr/bgpd']) ||
  (!isLong && 'a minute: with --long');

t.test('its driver carries detours, and FRR goes back by itself', { skip, timeout }, async (t) => {
  const { lab, unit, traffic } = await openAtPeak(t, 'hgfrrdriver', 'destinations', 'frr');
  const { detours, routers } = await unit.destinations();
  t.match(routers, [{ action: 'control' }]);
  t.ok(detours.length > 0, `${detours.length} of ${destinationCount} destinations detour`);
  const folder = `${lab.folder}/${router.name}`;
  const running = () =>
    lab.run(router.name, ['vtysh', '--vty_socket', folder, '-c', 'show running-config']);
  t.match(await running(), /^ip route 10\.200\.\d+\.0\/24 \S+ tag 26727$/m);

  traffic.setDemand(demand(night));
  await waitFor('everything back on the preferred path at night', 60_000, async () =>
    allByNorth(await lab.waysOut()),
  );
  t.notMatch(await running(), 'tag 26727');

  traffic.setDemand(demand(2 * night));
  await waitFor('the next rise', 60_000, async () => {
    const { routers } = await unit.destinations();
    return (load(routers, 'north')?.without_bitps ?? 0) > 1.5 * night;
  });
  traffic.setDemand(demand(6 * night));
  await waitFor('new detours', 60_000, async () => !allByNorth(await lab.waysOut()));
  unit.process.kill('SIGKILL');
  // The shortest lease there is: 45 s.
  await waitFor('plain BGP when the lease ends', 90_000, async () =>
    allByNorth(await lab.waysOut()),
  );
  t.notMatch(await running(), 'tag 26727');
});

t.test('BMP tells its paths in the place of add-path', { skip, timeout }, async (t) => {
  const { lab, unit, traffic } = await openAtPeak(t, 'hgbmponly', 'bmp', 'frr');
  const { detours, routers } = await unit.destinations();
  t.match(routers, [{ action: 'control' }]);
  t.ok(detours.length > 0, `${detours.length} of ${destinationCount} destinations detour`);
  t.ok(
    detours.every(({ from, state }) => from === 'north' && state === 'sent'),
    'what plain BGP prefers is known, though the router does not tell it any more',
  );
  const prefix = detours[0]?.prefix ?? '';
  const sessions = JSON.stringify(await unit.ask('bgp'));
  t.notMatch(sessions, 'add_path_receive');

  traffic.setDemand(demand(night));
  await waitFor('everything back on the preferred path at night', 60_000, async () =>
    allByNorth(await lab.waysOut()),
  );
  const { detours: left } = await unit.destinations();
  t.notOk(left.some((detour) => detour.prefix === prefix));

  traffic.setDemand(demand(6 * night));
  await waitFor('new detours', 60_000, async () => !allByNorth(await lab.waysOut()));
  // The provider that carries them takes its paths back.
  const { detours: again } = await unit.destinations();
  const carrier = again[0]?.to ?? '';
  await lab.birdc(carrier, 'disable foreign');
  await waitFor('no detour by a provider without paths', 10_000, async () => {
    const ways = await lab.waysOut();
    return (ways[carrier] ?? 0) === 0;
  });
  unit.process.kill('SIGKILL');
  await waitFor('plain BGP within 5 s of SIGKILL', 5000, async () =>
    allByNorth(await lab.waysOut()),
  );
  t.pass();
});
