/**
 * Detours with real routers and the policy that `headgate router-config` prints:
 *
 *     hgdetour: unit .9 and .10 (AS 64512, our speaker), providers .3 (AS 65001) and .5 (AS 65002, our speaker too),
 *               and for some of the story a customer .7 (AS 65003)
 *       | 10.78.0.0/24
 *     hgdetour-far: router .2 (AS 64512), which tells the unit both paths to a destination of both providers
 *
 * The router takes the path that the unit asks for, passes it on to nobody, and is back at its own the moment the
 * detour or its session ends.
 */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { prefixOf } from '../../../src/core/base/prefix.ts';
import { asn, linkId, prefixText, routerId } from '../../../src/core/base/units.ts';
import { inside, run, spawnInside } from '../../../src/lab/namespaces.ts';
import { birdReader } from '../../../src/router/bird/dialect.ts';
import type { RouterReader } from '../../../src/router/driver.ts';
import { frrReader } from '../../../src/router/frr/dialect.ts';
import { openShell } from '../../../src/router/shell.ts';
import { renderPolicy } from '../../../src/router/templates/index.ts';
import type { RouterPolicy } from '../../../src/router/templates/policy.ts';
import { createSpeaker, type RouterPeering, type Speaker } from '../../../src/speaker/index.ts';
import { labTestSkip, waitFor } from '../../support/lab.ts';
import { enterPair } from '../../support/namespace-pair.ts';

const [router, unit, egress, north, south, customer] = ['.2', '.9', '.10', '.3', '.5', '.7'].map(
  (end) => `10.78.0${end}`,
) as [string, string, string, string, string, string];
const destination = prefixText('203.0.113.0/24');
const br1 = routerId('br1');
const far = 'hgdetour-far';
const deadlineMs = 60_000;

const policy: RouterPolicy = {
  router: br1,
  asn: asn(64512),
  unit: { address: unit, asn: asn(64512), egressAddress: egress },
  networks: [prefixOf(prefixText('198.51.100.0/22'))],
  floor: { ipv4: 24, ipv6: 48 },
  links: [
    { number: 1, name: linkId('north'), asn: asn(65001), neighbors: [north] },
    { number: 2, name: linkId('south'), asn: asn(65002), neighbors: [south] },
  ],
  maxPrefixes: 16,
  maxDetours: 16,
  addPath: true,
};

interface Kind {
  readonly name: string;
  readonly programs: readonly string[];
  readonly start: (folder: string, policy: RouterPolicy) => readonly ChildProcess[];
  readonly reader: (folder: string) => RouterReader;
  /** Next hop of the best path, and all that the router knows of it. */
  readonly best: (folder: string) => Promise<{ readonly nextHop: string; readonly text: string }>;
}

const bird: Kind = {
  name: 'BIRD',
  programs: ['/usr/sbin/bird'],
  start: (folder, policy) => {
    const neighbor = (name: string, address: string, peer: number, filter: string) => `
protocol bgp ${name} {
  local as 64512; neighbor ${address} as ${peer}; passive on;
  ipv4 { import all; export filter ${filter}; };
}`;
    writeFileSync(
      join(folder, 'bird.conf'),
      `router id 10.0.0.1;
protocol device { }
protocol direct { ipv4; }
${renderPolicy('bird', policy)}
${neighbor('north', north, 65001, 'headgate_to_north')}
${neighbor('south', south, 65002, 'headgate_to_south')}
${policy.hasCustomers ? neighbor('customer', customer, 65003, '{ headgate_to_customer(); accept; }') : ''}
`,
    );
    const argv = ['bird', '-f', '-c', join(folder, 'bird.conf'), '-s', join(folder, 'ctl')];
    return [spawnInside(far, argv, { stdio: 'ignore' })];
  },
  reader: (folder) => birdReader({ shell, socket: join(folder, 'ctl') }),
  best: async (folder) => {
    const show = `show route for ${destination} primary all`;
    const text = await run(inside(far, ['birdc', '-s', join(folder, 'ctl'), show])).catch(() => '');
    return { nextHop: /BGP\.next_hop: (\S+)/.exec(text)?.[1] ?? '', text };
  },
};

const frr: Kind = {
  name: 'FRR',
  programs: ['/usr/lib/frr/bgpd', '/usr/lib/frr/zebra'],
  start: (folder, policy) => {
    const neighbor = (address: string, peer: number, name: string) => `
 neighbor ${address} remote-as ${peer}
 neighbor ${address} passive
 address-family ipv4 unicast
  neighbor ${address} activate
  neighbor ${address} route-map HEADGATE-TO-${name} out
 exit-address-family`;
    writeFileSync(join(folder, 'zebra.conf'), 'hostname br1\n');
    writeFileSync(
      join(folder, 'bgpd.conf'),
      `router bgp 64512
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 ! Else the path that was chosen last wins a tie, and plain BGP would not be one thing.
 bgp bestpath compare-routerid
exit
${renderPolicy('frr', policy)}
router bgp 64512${neighbor(north, 65001, 'north')}${neighbor(south, 65002, 'south')}${policy.hasCustomers ? neighbor(customer, 65003, 'CUSTOMERS') : ''}
exit
`,
    );
    // The daemons drop to their own user, who must own their sockets.
    execFileSync('chown', ['-R', 'frr:frrvty', folder]);
    return (['zebra', 'bgpd'] as const).map((daemon) =>
      spawnInside(
        far,
        [
          ...[`/usr/lib/frr/${daemon}`, '-f', join(folder, `${daemon}.conf`), '-P', '0'],
          ...['-z', join(folder, 'zserv.api'), '-i', join(folder, `${daemon}.pid`)],
          ...['--vty_socket', folder, '--log', 'stdout'],
        ],
        { stdio: 'ignore' },
      ),
    );
  },
  reader: (folder) => frrReader({ shell, vtysh: ['vtysh', '--vty_socket', folder, '-d', 'bgpd'] }),
  best: async (folder) => {
    const show = `show bgp ipv4 unicast ${destination} bestpath`;
    const argv = ['vtysh', '--vty_socket', folder, '-d', 'bgpd', '-c', show];
    const text = await run(inside(far, argv)).catch(() => '');
    return { nextHop: /^ {4}(10\.78\.0\.\d+) from/m.exec(text)?.[1] ?? '', text };
  },
};

/** The router is in the far namespace. */
const shell = openShell(inside(far, []), 10_000);
const silent = { debug: () => {}, info: () => {}, warn: () => {} };
const skip = labTestSkip([]);
t.setTimeout(300_000);

if (skip) t.test('detours with real routers', { skip }, async () => {});
else if (
  await enterPair('hgdetour', import.meta.url, {
    near: [unit, egress, north, south, customer],
    far: [router],
  })
) {
  for (const kind of [bird, frr]) {
    const missing = kind.programs.filter((path) => !existsSync(path));
    const lacks = missing.length > 0 ? `${missing.join(', ')} is not installed` : false;
    t.test(`${kind.name} takes detours`, { skip: lacks }, (t) => story(t, kind, policy));
    const isLong = process.env.HEADGATE_LONG === '1';
    t.test(
      `${kind.name} with customers tells them, and nobody else`,
      { skip: lacks || (!isLong && 'once more the same: with --long') },
      (t) => story(t, kind, { ...policy, hasCustomers: true }),
    );
  }
} else process.exit();

async function story(t: Test, kind: Kind, policy: RouterPolicy): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hgdetour-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const children = kind.start(folder, policy);
  t.teardown(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  const providers = await Promise.all([speak(t, 65001, north), speak(t, 65002, south)]);
  const speaker = await speak(t, 64512, unit, { egressAddress: egress });
  const told = () => speaker.routesFrom(br1, destination).map((route) => route.nextHop);
  await waitFor('the router tells both paths', deadlineMs, () => told().length === 2);
  await waitFor('the egress session is up', deadlineMs, () => {
    return speaker.sessions()[0]?.egress?.phase === 'established';
  });
  const own = (await kind.best(folder)).nextHop;
  t.ok(told().includes(own), `plain BGP goes by ${own}`);
  const other = own === north ? south : north;
  const isBest = async (nextHop: string) => (await kind.best(folder)).nextHop === nextHop;

  const detour = { prefix: destination, nextHop: other, localPref: 900 };
  speaker.setDetours(br1, [detour]);
  await waitFor('the router takes the detour', deadlineMs, () => isBest(other));
  const { text } = await kind.best(folder);
  if (policy.hasCustomers) {
    const buyer = await speak(t, 65003, customer);
    const heard = () => buyer.routesFrom(br1, destination);
    await waitFor('the customer to hear of it', deadlineMs, () => heard().length > 0);
    t.same(heard()[0]?.largeCommunities, [], 'without our marker');
    const { advertisedTo } = kind.reader(folder);
    t.same(
      [...(await advertisedTo(destination, [north, south, customer]))],
      [customer],
      'the router says the same when it is asked',
    );
  } else t.match(text, /no-export|65535,65281/, 'and may not pass it on');
  t.match(speaker.detours(br1), [{ state: 'sent' }]);
  t.equal(told().length, 2, 'both paths are told still, so that the detour stands on one');
  for (const provider of providers)
    t.notOk(
      provider.routesFrom(br1, destination).some(({ prefix }) => prefix === destination),
      'no provider hears of it',
    );

  speaker.setDetours(br1, []);
  await waitFor('it is taken back', deadlineMs, () => isBest(own));
  speaker.setDetours(br1, [detour]);
  await waitFor('it is there again', deadlineMs, () => isBest(other));
  await speaker.stop();
  await waitFor('with the session it is gone', deadlineMs, () => isBest(own));
}

/** Our speaker as the unit, or as a provider that announces the destination. */
async function speak(
  t: Test,
  localAsn: number,
  address: string,
  more: Partial<RouterPeering> = {},
): Promise<Speaker> {
  const isProvider = localAsn !== 64512;
  const speaker = createSpeaker({
    routers: [
      {
        name: br1,
        address: router,
        asn: asn(64512),
        localAddress: address,
        announceDelayMs: 500,
        mraiMs: 0,
        ...(isProvider ? { nextHop: { ipv4: address } } : {}),
        ...more,
      },
    ],
    localAsn: asn(localAsn),
    routerId: address,
    networks: isProvider ? [prefixOf(destination)] : policy.networks,
    log: silent,
  });
  await speaker.start();
  t.teardown(() => speaker.stop());
  // A customer only listens.
  const isTeller = isProvider && address !== customer;
  const announcement = {
    prefix: destination,
    communities: [],
    largeCommunities: [[localAsn, 0, 1] as const],
    prepend: 0,
  };
  speaker.setDesired(new Map([[br1, isTeller ? [announcement] : []]]));
  return speaker;
}
