/**
 * Outbound by destination: a content network whose preferred provider is too small at the peak. Judged by the receivers,
 * the shapers and the router's forwarding table. The drawing is in src/lab/content/topology.ts.
 */
import t, { type Test } from 'tap';
import { allByNorth, type ContentLab } from '../../src/lab/content/lab.ts';
import { type Carrier, threshold } from '../../src/lab/content/settings.ts';
import { demand, destinationCount, providers, router } from '../../src/lab/content/topology.ts';
import { type Outflow, startOutflow } from '../../src/lab/content/traffic.ts';
import { type ContentUnit, openContent, startContentUnit } from '../support/content.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';

const timeout = 600_000;
t.setTimeout(timeout);
const skip = labTestSkip(['/usr/sbin/bird', '/usr/sbin/snmpd']);
const isLong = process.env.HEADGATE_LONG === '1';

/** IP bit/s over all destinations: a third of north at night, twice what it carries at the peak. */
const night = 3_000_000;
const peak = 20_000_000;

t.test(
  'a peak is carried by detours, and the death of the unit ends them',
  { skip, timeout },
  async (t) => {
    const lab = await openContent(t, 'hgegress');
    const unit = await startContentUnit(t, lab);
    await waitFor('every destination to be reached by north', 60_000, async () =>
      allByNorth(await lab.waysOut()),
    );
    const traffic = await startOutflow(lab);
    t.teardown(() => traffic.stop());
    traffic.setDemand(demand(night));
    await waitFor('the night to be measured', 60_000, async () => {
      const { routers } = await unit.destinations();
      return (load(routers, 'north')?.without_bitps ?? 0) > 0.8 * night;
    });
    t.same((await unit.destinations()).detours, [], 'nothing is detoured while north has room');

    if (isLong) await followDay(t, lab, unit, traffic);
    traffic.setDemand(demand(peak));
    await carried(t, lab, traffic);
    const view = await unit.destinations();
    t.ok(
      view.detours.length > 0,
      `${view.detours.length} of ${destinationCount} destinations detour`,
    );
    t.ok(view.detours.every(({ from, because }) => from === 'north' && because === 'overload'));
    const north = load(view.routers, 'north');
    t.ok(
      (north?.without_bitps ?? 0) > 1e7,
      'without us north would be too small, and the plan says so',
    );
    t.ok((north?.planned_bitps ?? 0) <= 1e7 * threshold);

    const killed = Date.now();
    unit.process.kill('SIGKILL');
    await waitFor('plain BGP within 5 s of SIGKILL', 5000, async () =>
      allByNorth(await lab.waysOut()),
    );
    t.pass(`plain BGP ${Date.now() - killed} ms after SIGKILL`);
  },
);

t.test(
  'cut off, the routers are back within the hold time',
  { skip: skip || (!isLong && 'a minute: with --long'), timeout },
  async (t) => {
    const lab = await openContent(t, 'hgegress');
    const unit = await startContentUnit(t, lab);
    const traffic = await startOutflow(lab);
    t.teardown(() => traffic.stop());
    traffic.setDemand(demand(peak));
    await carried(t, lab, traffic);
    t.ok((await unit.destinations()).detours.length > 0);
    await lab.run(router.name, ['ip', 'link', 'set', 'mgmt', 'down']);
    // hold_time is 6 s in the lab.
    await waitFor('plain BGP within the hold time', 10_000, async () =>
      allByNorth(await lab.waysOut()),
    );
    t.pass();
  },
);

/** A day in three minutes. */
async function followDay(
  t: Test,
  lab: ContentLab,
  unit: ContentUnit,
  traffic: Outflow,
): Promise<void> {
  const steps = 180;
  const before = { sent: traffic.sent(), dropped: await lab.dropped() };
  let over = 0;
  let worst = 0;
  let carriedBits = 0;
  let detouredBits = 0;
  let neededBits = 0;
  let last = await lab.counters(router.name);
  let lastAt = Date.now();
  for (let step = 0; step <= steps; step++) {
    const curve = 0.5 - 0.5 * Math.cos((2 * Math.PI * step) / steps);
    const total = night + (peak - night) * curve;
    traffic.setDemand(demand(total));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = await lab.counters(router.name);
    const seconds = (Date.now() - lastAt) / 1000;
    lastAt = Date.now();
    const loads = providers.map(({ name, capacityBitps }) => {
      const bytes = (now.get(name)?.txBytes ?? 0) - (last.get(name)?.txBytes ?? 0);
      return (bytes * 8) / seconds / capacityBitps;
    });
    last = now;
    // The meter's own seconds are not the unit's: two points of tolerance.
    const isOver = loads.some((share) => share > threshold + 0.02);
    over = isOver ? over + 1 : 0;
    worst = Math.max(worst, over);
    carriedBits += total;
    neededBits += Math.max(0, total - 1e7 * 0.75);
    const { detours } = await unit.destinations();
    detouredBits += detours.reduce((sum, { bitps }) => sum + bitps, 0);
  }
  t.ok(worst <= 2, `no provider above its threshold for more than ${worst} cycles in a row`);
  // None but for bursts after moments in which this machine did not run the wire: at most one packet in a thousand.
  const drops = sumOf(await lab.dropped()) - sumOf(before.dropped);
  const sent = traffic.sent() - before.sent;
  t.ok(drops <= sent / 1000, `shapers dropped ${drops} of ${sent} packets`);
  const needless = Math.max(0, detouredBits - neededBits) / carriedBits;
  t.ok(needless <= 0.1, `${(100 * needless).toFixed(1)} % of the traffic detoured needlessly`);
  await waitFor('everything back on the preferred path at night', 60_000, async () =>
    allByNorth(await lab.waysOut()),
  );
  t.same((await unit.destinations()).detours, []);
}

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Waits until the receivers get all that is sent, with no provider above its threshold. */
async function carried(t: Test, lab: ContentLab, traffic: Outflow): Promise<void> {
  let text = '';
  await waitFor('the peak to be carried whole', 60_000, async () => {
    const [sent, received, dropped] = [traffic.sent(), traffic.received(), await lab.dropped()];
    const counters = await lab.counters(router.name);
    const from = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const seconds = (Date.now() - from) / 1000;
    const later = await lab.counters(router.name);
    const loads = providers.map(({ name, capacityBitps }) => {
      const bytes = (later.get(name)?.txBytes ?? 0) - (counters.get(name)?.txBytes ?? 0);
      return (bytes * 8) / seconds / capacityBitps;
    });
    const arrived = (traffic.received() - received) / Math.max(1, traffic.sent() - sent);
    text = `${loads.map((share) => `${(100 * share).toFixed(0)} %`).join(', ')}; ${(100 * arrived).toFixed(1)} % arrive`;
    const isClean = JSON.stringify(await lab.dropped()) === JSON.stringify(dropped);
    return (
      isClean &&
      traffic.sent() > sent &&
      arrived > 0.97 &&
      loads.every((share) => share <= threshold + 0.03)
    );
  });
  t.pass(text);
}

/** The content network with a unit, its traffic first all by north, then at a peak that is carried. */
async function openAtPeak(t: Test, prefix: string, carrier: Carrier) {
  const lab = await openContent(t, prefix, carrier);
  const unit = await startContentUnit(t, lab, carrier);
  const traffic = await startOutflow(lab);
  t.teardown(() => traffic.stop());
  await waitFor('every destination to be reached by north', 60_000, async () =>
    allByNorth(await lab.waysOut()),
  );
  traffic.setDemand(demand(peak));
  await carried(t, lab, traffic);
  return { lab, unit, traffic };
}

/** Of the next 20 packets that come to the second provider those without a mark. */
async function unmarkedOf20(lab: ContentLab): Promise<number | undefined> {
  const text = await lab.run('south', [
    ...['timeout', '20', 'tcpdump', '-nn', '-v', '-c', '20', '-i', 'customer', 'udp'],
  ]);
  return text.match(/tos 0x0,/g)?.length;
}

const load = (routers: Awaited<ReturnType<ContentUnit['destinations']>>['routers'], name: string) =>
  routers.flatMap(({ links }) => links).find(({ link }) => link === name);

t.test(
  'without a wire flow exports say where the traffic goes',
  {
    skip:
      labTestSkip(['/usr/sbin/bird', '/usr/sbin/snmpd', '/usr/sbin/softflowd']) ||
      (!isLong && 'half a minute: with --long'),
    timeout,
  },
  async (t) => {
    const { unit } = await openAtPeak(t, 'hgexports', 'exports');
    const { source, detours } = await unit.destinations();
    t.equal(source, 'flows');
    t.ok(detours.length > 0, `${detours.length} of ${destinationCount} destinations detour`);
  },
);

t.test(
  'without a session for detours marked packets leave by the links of their marks',
  { skip: labTestSkip(['/usr/sbin/bird', '/usr/sbin/snmpd', '/usr/sbin/nft']), timeout },
  async (t) => {
    const { lab, unit } = await openAtPeak(t, 'hgmarks', 'marks');
    const { detours, routers } = await unit.destinations();
    t.ok(detours.length > 0, `${detours.length} of ${destinationCount} destinations detour`);
    t.match(routers, [{ action: 'control' }]);
    t.ok(allByNorth(await lab.waysOut()), 'the routing table of BGP is as it was');
    // What the providers see of the marks.
    t.equal(await unmarkedOf20(lab), 20, 'the router takes the marks off again');
  },
);

t.test(
  'configured by its driver the router carries detours, and goes back by itself when the unit dies',
  { skip: skip || (!isLong && 'half a minute: with --long'), timeout },
  async (t) => {
    const lab = await openContent(t, 'hgdriver');
    const unit = await startContentUnit(t, lab, 'destinations');
    const traffic = await startOutflow(lab);
    t.teardown(() => traffic.stop());
    traffic.setDemand(demand(peak));
    await carried(t, lab, traffic);
    const { detours, routers } = await unit.destinations();
    t.match(routers, [{ action: 'control' }]);
    t.ok(detours.length > 0, `${detours.length} of ${destinationCount} destinations detour`);
    t.match(
      await lab.birdc(router.name, 'show route protocol headgate_destinations4 count'),
      /[1-9]/,
    );
    unit.process.kill('SIGKILL');
    // The lease is rails.hold: 30 min, 100 times as fast.
    await waitFor('plain BGP when the lease ends', 40_000, async () =>
      allByNorth(await lab.waysOut()),
    );
    t.pass();
  },
);

t.test(
  'on a router that takes neither, the heaviest sessions are routed one by one until they end',
  {
    skip:
      labTestSkip(['/usr/sbin/bird', '/usr/sbin/snmpd', '/usr/sbin/nft']) ||
      (!isLong && 'two minutes: with --long'),
    timeout,
  },
  async (t) => {
    const { lab, unit, traffic } = await openAtPeak(t, 'hgsessions', 'sessions');
    const rules = async () => {
      const ruleset = await lab.run(router.name, ['nft', 'list', 'ruleset']);
      return new Set(ruleset.match(/198\.18\.0\.10 \. \d+ \. 10\.200\.\d+\.1 \. 9/g));
    };
    const { detours } = await unit.destinations();
    t.ok(detours.length > 0, `${detours.length} of ${destinationCount} sessions detour`);
    t.match(detours[0]?.prefix, /^udp 198\.18\.0\.10:\d+ > 10\.200\.\d+\.1:9$/);
    t.ok(allByNorth(await lab.waysOut()), 'the routing table is as it was');
    t.equal(await unmarkedOf20(lab), 20, 'no packet bears a mark');

    const before = await rules();
    t.ok(before.size > 0);
    traffic.setDemand(demand(night));
    await waitFor('the night to be measured', 60_000, async () => {
      const { routers } = await unit.destinations();
      return (load(routers, 'north')?.without_bitps ?? 1e9) < 1.5 * night;
    });
    const after = await rules();
    t.ok(
      [...before].every((rule) => after.has(rule)),
      'they keep their way, though north has room for them again',
    );
    await traffic.stop();
    await waitFor(
      'the rules to go with their sessions',
      120_000,
      async () => (await rules()).size === 0,
    );
    t.pass();
  },
);
