/** A unit whose resolvers follow the better provider, and leave one that fails. The map is in test/support/dns-lab/world.ts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { openControlClient } from '../../src/control/index.ts';
import { spawnInside } from '../../src/lab/namespaces.ts';
import {
  openWorld,
  type Provider,
  providerNames,
  siteNetwork,
  sites,
  unit as unitNamespace,
  type Visit,
  type World,
} from '../support/dns-lab/world.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';

const skip = labTestSkip(['/usr/sbin/unbound', '/usr/bin/dig', '/dev/net/tun']);
const service = 'www.svc.example.net';
const ttlMs = 3000;
/** Three probes lost in a row, each known after its timeout. */
const healthMs = 3 * 500 * 1.5 + 2000;

// Waits have deadlines of their own, for machines that do other things too.
const timeout = 400_000;
t.setTimeout(timeout);

const settingsOf = (folder: string) => `
asn: 64512
mode: control
networks: [203.0.113.0/24, 198.51.100.0/24]
links:
  - { name: north, asn: 65001, capacity: 1G, source: 203.0.113.1 }
  - { name: south, asn: 65002, capacity: 1G, source: 198.51.100.1 }
cycle: { interval: 1s, average: 2s }
rails: { share_per_round: 50% }
probe: { interval: 500ms, timeout: 2s, found: 0, budget: { per_network: 20 } }
control: { socket: ${folder}/unit.sock }
history: { path: ${folder}/history.db }
metrics: { listen: 127.0.0.1:9469 }
dns:
  listen: [203.0.113.53, 198.51.100.53]
  zones:
    - name: svc.example.net
      nameservers:
        - { name: ns-north.svc.example.net, addresses: [203.0.113.53] }
        - { name: ns-south.svc.example.net, addresses: [198.51.100.53] }
  names:
    - name: ${service}
      ttl: ${ttlMs / 1000}s
      addresses: [{ link: north, address: 203.0.113.10 }, { link: south, address: 198.51.100.10 }]
      check: { kind: tcp, port: 80, interval: 1s }
`;

interface RunningUnit {
  /** Why a site's resolver is answered as it is. */
  explain(site: number): Promise<string>;
  stop(): Promise<number | null>;
}

async function startUnit(t: Test): Promise<RunningUnit> {
  // Not the test's own folder: a socket's path has at most 107 characters.
  const folder = mkdtempSync(join(tmpdir(), 'hgdl-'));
  const file = `${folder}/headgate.yaml`;
  writeFileSync(file, settingsOf(folder));
  const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
  const child = spawnInside(unitNamespace, [process.execPath, cli, 'run', '--config', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  t.teardown(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const ask = async (command: string, args: Readonly<Record<string, unknown>>) => {
    const client = await openControlClient(`${folder}/unit.sock`);
    try {
      return await client.ask(command, args);
    } finally {
      client.close();
    }
  };
  await waitFor('the unit answers', 60_000, async () => {
    if (child.exitCode !== null) throw new Error(`the unit ended: ${said}`);
    return ask('status', {}).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return {
    async explain(site) {
      const answer = await ask('explain_resolver', { address: `${siteNetwork(site)}.2` });
      // What src/daemon/names.ts answers.
      return answer.ok ? (answer.value as { readonly text: string }).text : '';
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', resolve);
        child.kill('SIGTERM');
      }),
  };
}

const bestOf = (site: number): Provider => (site < 2 ? 'north' : 'south');
const shareBy = (visits: readonly Visit[], provider: Provider) =>
  visits.filter((visit) => visit.provider === provider).length / visits.length;

t.test('connections come in by the better provider', { skip, timeout }, async (t) => {
  const world = await openWorld(t.testdir());
  t.teardown(() => world.close());
  for (const site of sites)
    for (const provider of providerNames)
      await world.delay(site, provider, provider === bestOf(site) ? 20 : 60);
  const unit = await startUnit(t);
  world.startUsers(service);
  const since = (at: number, site: number) =>
    world.visits.filter((visit) => visit.site === site && visit.at >= at);
  const isPlanned = async (site: number, provider: Provider) =>
    (await unit.explain(site)).includes(`${siteNetwork(site)}.0/24: ${provider} 100 %`);
  for (const site of sites)
    await waitFor(`site ${site} by ${bestOf(site)}`, 60_000, () => isPlanned(site, bestOf(site)));

  // What was cached before the plan has run out, and what the plan chose first is old enough to be changed.
  let calmAt = Date.now() + 2 * ttlMs;
  await waitFor('a calm while: every visit by the best', 120_000, () => {
    const isCalm = sites.every((site) => shareBy(since(calmAt, site), bestOf(site)) === 1);
    if (!isCalm && Date.now() > calmAt + 1000) calmAt = Date.now();
    return isCalm && sites.every((site) => since(calmAt, site).length >= 80);
  });
  t.pass('each site comes in by its best provider');

  await t.test('the way by north gets worse for one site', (t) =>
    pathWorsens(t, world, isPlanned, since, calmAt),
  );
  await t.test('a provider fails', (t) => providerFails(t, world, since));
  t.equal(await unit.stop(), 0, 'SIGTERM ends it cleanly');
});

async function pathWorsens(
  t: Test,
  world: World,
  isPlanned: (site: number, provider: Provider) => Promise<boolean>,
  since: (at: number, site: number) => readonly Visit[],
  calmAt: number,
): Promise<void> {
  const worseAt = Date.now();
  await world.delay(0, 'north', 250);
  await waitFor('site 0 by south', 60_000, () => isPlanned(0, 'south'));
  const decidedMs = Date.now() - worseAt;
  t.comment(`decided ${decidedMs} ms after the path got worse; a TTL is ${ttlMs} ms`);
  // Three TTLs; where a busy machine decided late, what caches keep after that.
  const from = Math.max(worseAt + 3 * ttlMs, worseAt + decidedMs + 1.5 * ttlMs);
  await waitFor('visits after three TTLs', 90_000, () =>
    sites.every((site) => since(from, site).length >= 60),
  );
  const moved = shareBy(since(from, 0), 'south');
  t.ok(moved >= 0.85, `${(moved * 100).toFixed(1)} % of site 0 come by south`);
  for (const site of [1, 2, 3]) {
    const best = bestOf(site);
    t.equal(shareBy(since(calmAt, site), best), 1, `site ${site} has not moved`);
  }
}

async function providerFails(
  t: Test,
  world: World,
  since: (at: number, site: number) => readonly Visit[],
): Promise<void> {
  const failedAt = Date.now();
  await world.cut('north');
  for (const site of sites) {
    await waitFor(
      `site ${site} is told south`,
      60_000,
      async () => (await world.lookUp(site, service)).trim() === '198.51.100.10',
    );
  }
  const tookMs = Date.now() - failedAt;
  t.comment(
    `no answer points to it after ${tookMs} ms; a health interval and a TTL: ${healthMs + ttlMs}`,
  );
  const from = Date.now();
  await waitFor('everybody is served by south', 90_000, () =>
    sites.every((site) => since(from, site).length >= 20),
  );
  for (const site of sites)
    t.equal(shareBy(since(from, site), 'south'), 1, `site ${site} stays with south`);
}
