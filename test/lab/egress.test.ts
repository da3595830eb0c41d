/**
 * Outbound by destination: a content network whose preferred provider is too small at the peak. Judged by the receivers,
 * the shapers and the router's forwarding table. The drawing is in src/lab/content/topology.ts.
 */
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { allByNorth, type ContentLab } from '../../src/lab/content/lab.ts';
import { threshold } from '../../src/lab/content/settings.ts';
import {
  demand,
  destinationCount,
  largeHosts,
  providers,
  router,
} from '../../src/lab/content/topology.ts';
import { type Outflow, startOutflow } from '../../src/lab/content/traffic.ts';
import { type ContentUnit, openContent, startContentUnit } from '../support/content.ts';
import { carried, load, night, openAtPeak, peak, sharesOf } from '../support/content-peak.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';

const timeout = 600_000;
t.setTimeout(timeout);
const skip = labTestSkip(['/usr/sbin/bird', '/usr/sbin/snmpd']);
const isLong = process.env.HEADGATE_LONG === '1';

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

/** What a second of the day showed. */
interface Second {
  readonly totalBitps: number;
  /** By provider, as the router's interfaces count. */
  readonly shares: readonly number[];
  readonly drops: Readonly<Record<string, number>>;
  readonly detouredBitps: number;
}

/** A day in three minutes. */
async function followDay(
  t: Test,
  lab: ContentLab,
  unit: ContentUnit,
  traffic: Outflow,
): Promise<void> {
  const steps = 180;
  const seconds: Second[] = [];
  let last = {
    counters: await lab.counters(router.name),
    at: Date.now(),
    drops: await lab.dropped(),
  };
  for (let step = 0; step <= steps; step++) {
    const curve = 0.5 - 0.5 * Math.cos((2 * Math.PI * step) / steps);
    const totalBitps = night + (peak - night) * curve;
    traffic.setDemand(demand(totalBitps));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = {
      counters: await lab.counters(router.name),
      at: Date.now(),
      drops: await lab.dropped(),
    };
    const { detours } = await unit.destinations();
    seconds.push({
      totalBitps,
      shares: sharesOf(last.counters, now.counters, now.at - last.at),
      drops: Object.fromEntries(
        Object.entries(now.drops).map(([name, count]) => [name, count - (last.drops[name] ?? 0)]),
      ),
      detouredBitps: detours.reduce((sum, { bitps }) => sum + bitps, 0),
    });
    last = now;
  }
  judgeDay(t, seconds);
  await waitFor('everything back on the preferred path at night', 60_000, async () =>
    allByNorth(await lab.waysOut()),
  );
  t.same((await unit.destinations()).detours, []);
}

function judgeDay(t: Test, seconds: readonly Second[]): void {
  // A point for what is measured: the meter's seconds are not the unit's, and its interfaces carry the routers' own words.
  const overIn = ({ shares }: Second, i: number) => (shares[i] ?? 0) > threshold + 0.01;
  const longest = providers.map((_, i) => {
    let [run, most] = [0, 0];
    for (const second of seconds) {
      run = overIn(second, i) ? run + 1 : 0;
      most = Math.max(most, run);
    }
    return most;
  });
  const sum = (of: (second: Second) => number) => seconds.reduce((all, one) => all + of(one), 0);
  const drops = sum((second) => sumOf(second.drops));
  const needed = sum(({ totalBitps }) => Math.max(0, totalBitps - 1e7 * 0.75));
  const detoured = sum(({ detouredBitps }) => detouredBitps);
  const needless = Math.max(0, detoured - needed) / sum(({ totalBitps }) => totalBitps);
  const isWell = [
    // A cycle is a second.
    t.ok(
      longest.every((count) => count <= 2),
      `cycles in a row above the threshold, by provider: ${longest.join(', ')}`,
    ),
    t.equal(drops, 0, 'no packet is dropped'),
    t.ok(needless <= 0.1, `${(100 * needless).toFixed(1)} % of the traffic detoured needlessly`),
  ].every(Boolean);
  if (isWell) return;
  for (const [i, second] of seconds.entries()) t.comment(`${i} s: ${JSON.stringify(second)}`);
}

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Of the next 20 packets that come to the second provider those without a mark. */
async function unmarkedOf20(lab: ContentLab): Promise<number | undefined> {
  const text = await lab.run('south', [
    ...['timeout', '20', 'tcpdump', '-nn', '-v', '-c', '20', '-i', 'customer', 'udp'],
  ]);
  return text.match(/tos 0x0,/g)?.length;
}

t.test(
  'what is too large for any provider leaves in parts',
  { skip: skip || (!isLong && 'half a minute: with --long'), timeout },
  async (t) => {
    // Four quarters of 4.5 Mbit/s: the whole would fit no link.
    const sent = { hosts: largeHosts, rates: largeHosts.map(() => 4_500_000) };
    const { lab, unit, traffic } = await openAtPeak(t, 'hgsplit', 'bgp', 'bird', sent);
    const { detours } = await unit.destinations();
    t.ok(detours.length > 0 && detours.length < 4, `${detours.length} of 4 quarters detour`);
    for (const { prefix, state } of detours) {
      t.match(prefix, /^10\.201\.\d\.0\/24$/);
      t.equal(state, 'sent');
    }
    const forwarded = await lab.run(router.name, ['ip', 'route', 'show', 'root', '10.201.0.0/16']);
    t.match(forwarded, /^10\.201\.0\.0\/22 .*dev north/m, 'the whole goes as before');
    for (const { prefix, to } of detours)
      t.match(forwarded, new RegExp(`^${prefix} .*dev ${to}`, 'm'));
    for (const { name } of providers) {
      const heard = await lab.birdc(name, 'show route protocol customer');
      t.notMatch(heard, '10.201.', `${name} hears of no part`);
    }
    traffic.setDemand(largeHosts.map(() => 200_000));
    await waitFor('the parts to be gone at night', 60_000, async () => {
      const routes = await lab.run(router.name, ['ip', 'route', 'show', 'root', '10.201.0.0/16']);
      return /^10\.201\.0\.0\/22 .*dev north\b.*\s*$/.test(routes);
    });
    t.same((await unit.destinations()).detours, []);
  },
);

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

    const restarted = await restart(t, lab, unit);
    const kept = restarted.filter(({ prefix }) => detours.some((one) => one.prefix === prefix));
    t.ok(kept.length >= 0.8 * detours.length, `${kept.length} of ${detours.length} go on`);

    // The shortest lease there is: 45 s.
    await waitFor('plain BGP when the lease ends', 90_000, async () =>
      allByNorth(await lab.waysOut()),
    );
    t.pass();
  },
);

/** A unit that is stopped and started again: what was in force stays all the time, and is known afterwards. */
async function restart(t: Test, lab: ContentLab, unit: ContentUnit) {
  const routes = () => lab.run(router.name, ['ip', 'route', 'show', 'root', '10.200.0.0/16']);
  const exited = once(unit.process, 'exit');
  unit.process.kill('SIGTERM');
  await exited;
  const before = await routes();
  t.notOk(allByNorth(await lab.waysOut()), 'the router carries the detours on');
  const again = await startContentUnit(t, lab, 'destinations');
  const startedAt = Date.now();
  t.equal(await routes(), before, 'as they were, before anything is measured');
  await waitFor('a decision of the new unit', 60_000, async () => {
    const { source } = await again.destinations();
    return source !== undefined;
  });
  const { detours } = await again.destinations();
  const young = detours.filter(({ age_ms }) => age_ms < Date.now() - startedAt);
  t.ok(young.length < 0.2 * detours.length, `${young.length} of ${detours.length} began anew`);
  again.process.kill('SIGKILL');
  return detours;
}

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
