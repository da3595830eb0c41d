/** Resolvers follow the better provider, and leave one that fails. The map is in test/support/dns-lab/world.ts. */
import t from 'tap';
import { bitps, linkId, ms, prefixText } from '../../src/core/base/units.ts';
import {
  decideResolvers,
  defaultResolverPolicy,
  type ResolverPlan,
} from '../../src/core/decide/resolvers.ts';
import {
  border,
  openWorld,
  type Provider,
  providerNames,
  providers,
  siteNetwork,
  sites,
  type Visit,
  type World,
} from '../support/dns-lab/world.ts';
import { type DnsProgram, startDnsProgram } from '../support/dns-program.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';

const skip = labTestSkip(['/usr/sbin/unbound', '/usr/bin/dig', '/usr/bin/ping', '/dev/net/tun']);
const service = 'www.svc.example.net';
const ttlMs = 2000;
/** A round of probes begins this often, or when the last one's second is over. */
const intervalMs = 1000;
/** Rounds without an answer that take a path out: one alone may be a busy machine. */
const fall = 2;
const healthMs = (fall + 1) * (intervalMs + 600);

const settings = {
  listen: providerNames.map((provider) => `${providers[provider].space}.53`),
  zones: [
    {
      name: 'svc.example.net',
      nameservers: providerNames.map((provider) => ({
        name: `ns-${provider}.svc.example.net`,
        addresses: [`${providers[provider].space}.53`],
      })),
    },
  ],
  names: [
    {
      name: service,
      ttl: '2s',
      addresses: providerNames.map((link) => ({ link, address: `${providers[link].space}.10` })),
    },
  ],
};
// Dwell and shares in the lab's time: one TTL is 2 s, and one site is a quarter of the traffic.
const policy = { ...defaultResolverPolicy, dwellMs: ms(3 * ttlMs), sharePerRound: 0.5 };

/** Probes, decides and publishes until stopped: what the daemon's cycle does. */
function startCycle(
  world: World,
  program: DnsProgram,
): { plan: () => ResolverPlan | undefined; stop: () => Promise<void> } {
  let plan: ResolverPlan | undefined;
  let isRunning = true;
  const known = new Map<string, { rttMs: number; missed: number }>();
  /** The path's time, kept for a round in which nothing came back. */
  const measure = async (site: number, link: Provider) => {
    const rttMs = await world.probe(site, link);
    const last = known.get(`${site} ${link}`);
    const missed = rttMs === undefined ? (last?.missed ?? 0) + 1 : 0;
    const kept = rttMs ?? last?.rttMs;
    if (kept !== undefined) known.set(`${site} ${link}`, { rttMs: kept, missed });
    return missed < fall ? kept : undefined;
  };
  const cycle = async () => {
    while (isRunning) {
      const startedAt = Date.now();
      const resolvers = await Promise.all(
        sites.map(async (site) => ({
          network: prefixText(`${siteNetwork(site)}.0/24`),
          rate: bitps(100e6),
          paths: await Promise.all(
            providerNames.map(async (link) => {
              const rtt = await measure(site, link);
              const probe = rtt === undefined ? {} : { probe: { rttUs: rtt * 1000, lossRatio: 0 } };
              return { link: linkId(link), isReturning: rtt !== undefined, ...probe };
            }),
          ),
        })),
      );
      const seen = providerNames.map((link) => ({
        link: linkId(link),
        capacity: bitps(1e9),
        otherLoad: bitps(0),
        isAnnounced: resolvers.some(({ paths }) =>
          paths.some((path) => path.link === link && path.isReturning),
        ),
      }));
      plan = decideResolvers({ at: ms(Date.now()), providers: seen, resolvers }, policy, plan);
      await program.follow(plan);
      const restMs = Math.max(0, intervalMs - (Date.now() - startedAt));
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  };
  const done = cycle();
  return {
    plan: () => plan,
    stop: () => {
      isRunning = false;
      return done;
    },
  };
}

const shareBy = (visits: readonly Visit[], provider: Provider) =>
  visits.filter((visit) => visit.provider === provider).length / visits.length;

t.test('connections come in by the better provider', { skip }, async (t) => {
  const world = await openWorld(t.testdir());
  t.teardown(() => world.close());
  // Sites 0 and 1 are near by north, 2 and 3 by south.
  for (const site of sites)
    for (const provider of providerNames)
      await world.delay(site, provider, (provider === 'north') === site < 2 ? 20 : 60);
  const program = await startDnsProgram(border, 'native', settings);
  const cycle = startCycle(world, program);
  t.teardown(async () => {
    await cycle.stop();
    await program.stop();
  });
  await waitFor('a plan for every site', 30_000, () => cycle.plan()?.entries.length === 4);
  world.startUsers(service);
  const since = (at: number, site: number) =>
    world.visits.filter((visit) => visit.site === site && visit.at >= at);
  await waitFor('users of every site are served', 30_000, () =>
    sites.every((site) => since(0, site).length >= 20),
  );

  const calmAt = Date.now();
  await waitFor('a calm while', 30_000, () =>
    sites.every((site) => since(calmAt, site).length >= 40),
  );
  for (const site of sites) {
    const best = site < 2 ? 'north' : 'south';
    t.equal(shareBy(since(calmAt, site), best), 1, `site ${site} by ${best}`);
  }

  // The way by north gets worse for site 0 alone.
  const worseAt = Date.now();
  await world.delay(0, 'north', 250);
  await waitFor('visits after three TTLs', 60_000, () =>
    sites.every((site) => since(worseAt + 3 * ttlMs, site).length >= 60),
  );
  const moved = shareBy(since(worseAt + 3 * ttlMs, 0), 'south');
  t.ok(moved >= 0.85, `${(moved * 100).toFixed(1)} % of site 0 come by south after three TTLs`);
  t.comment(`site 0: ${(moved * 100).toFixed(1)} % by south after ${(3 * ttlMs) / 1000} s`);
  for (const site of [1, 2, 3]) {
    const best = site < 2 ? 'north' : 'south';
    t.equal(shareBy(since(calmAt, site), best), 1, `site ${site} has not moved`);
  }

  // North fails.
  const failedAt = Date.now();
  await world.cut('north');
  await waitFor(
    'one health interval and a TTL',
    60_000,
    () => Date.now() - failedAt > healthMs + ttlMs,
  );
  for (const site of sites)
    t.equal(
      (await world.lookUp(site, service)).trim(),
      '198.51.100.10',
      `site ${site} is told south`,
    );
  await waitFor('everybody is served by south', 60_000, () =>
    sites.every((site) => {
      const late = since(failedAt + healthMs + ttlMs, site);
      return late.length >= 20 && shareBy(late, 'south') === 1;
    }),
  );
});
