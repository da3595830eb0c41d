/**
 * Real routers tell our BMP station (RFC 7854) what they hear:
 *
 *     hgbmp: unit .9 (AS 64512, our speaker and the station), provider .3 (AS 65001, our speaker)
 *       | 10.77.0.0/24
 *     hgbmp-far: router .2 (AS 64512)
 *
 * The router's policy refuses one of the provider's two prefixes.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Prefix, prefixOf } from '../../../src/core/base/prefix.ts';
import { asn, prefixText, routerId } from '../../../src/core/base/units.ts';
import type { Announcement } from '../../../src/core/bgp/announcement.ts';
import { spawnInside } from '../../../src/lab/namespaces.ts';
import { renderFrrPolicy } from '../../../src/router/templates/frr.ts';
import type { RouterPolicy } from '../../../src/router/templates/policy.ts';
import { BmpStation, createSpeaker, type Speaker } from '../../../src/speaker/index.ts';
import { labTestSkip, waitFor } from '../../support/lab.ts';
import { enterPair } from '../../support/namespace-pair.ts';

const [router, unit, provider] = ['10.77.0.2', '10.77.0.9', '10.77.0.3'];
const [block, accepted, refused] = ['198.51.100.0/24', '203.0.113.0/24', '203.0.114.0/24'];
const br1 = routerId('br1');
const deadlineMs = 60_000;
const port = 11_019;

interface Kind {
  readonly name: string;
  readonly programs: readonly string[];
  readonly start: (folder: string) => ChildProcess;
  /** It tells the tables before its policy beside those after it. */
  readonly tellsBoth: boolean;
}

/** As `headgate router-config --kind frr` would print it. */
const policy: RouterPolicy = {
  router: br1,
  asn: asn(64512),
  unit: { address: unit, asn: asn(64512) },
  networks: [prefixOf(prefixText('198.51.100.0/22'))],
  floor: { ipv4: 24, ipv6: 48 },
  links: [],
  maxPrefixes: 16,
  maxDetours: 16,
  addPath: true,
  bmp: { address: unit, port },
};

const frr: Kind = {
  name: 'FRR',
  programs: ['/usr/lib/frr/bgpd'],
  tellsBoth: false,
  start: (folder) => {
    writeFileSync(
      join(folder, 'bgpd.conf'),
      `ip prefix-list REFUSED permit ${refused}
route-map FROM-PROVIDER deny 10
 match ip address prefix-list REFUSED
exit
route-map FROM-PROVIDER permit 20
exit
router bgp 64512
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 neighbor ${provider} remote-as 65001
 neighbor ${provider} passive
 neighbor ${provider} disable-connected-check
 address-family ipv4 unicast
  neighbor ${provider} route-map FROM-PROVIDER in
 exit-address-family
exit
${renderFrrPolicy(policy)}router bgp 64512
 neighbor ${unit} passive
exit
`,
    );
    return spawnInside(
      'hgbmp-far',
      [
        '/usr/lib/frr/bgpd',
        ...['-M', 'bmp', '-Z', '-S', '-f', `${folder}/bgpd.conf`, '-i', `${folder}/bgpd.pid`],
        ...['--vty_socket', folder, '-P', '0', '-l', router, '--log', 'stdout'],
      ],
      { stdio: 'ignore' },
    );
  },
};

const gobgp: Kind = {
  name: 'GoBGP',
  programs: ['/usr/bin/gobgpd'],
  tellsBoth: true,
  start: (folder) => {
    const neighbor = (address: string, peer: number) => `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address}"
    peer-as = ${peer}
  [neighbors.transport.config]
    local-address = "${router}"
    passive-mode = true
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 5`;
    writeFileSync(
      join(folder, 'gobgpd.toml'),
      `[global.config]
  as = 64512
  router-id = "10.0.0.1"
  local-address-list = ["${router}"]
[global.apply-policy.config]
  import-policy-list = ["refuse"]
[[defined-sets.prefix-sets]]
  prefix-set-name = "refused"
  [[defined-sets.prefix-sets.prefix-list]]
    ip-prefix = "${refused}"
[[policy-definitions]]
  name = "refuse"
  [[policy-definitions.statements]]
    [policy-definitions.statements.conditions.match-prefix-set]
      prefix-set = "refused"
    [policy-definitions.statements.actions]
      route-disposition = "reject-route"
[[bmp-servers]]
  [bmp-servers.config]
    address = "${unit}"
    port = ${port}
    route-monitoring-policy = "all"
    statistics-timeout = 15
${neighbor(unit, 64512)}
${neighbor(provider, 65001)}
`,
    );
    return spawnInside(
      'hgbmp-far',
      ['gobgpd', '-f', join(folder, 'gobgpd.toml'), '--pprof-disable'],
      {
        stdio: 'ignore',
      },
    );
  },
};

const silent = { debug: () => {}, info: () => {}, warn: () => {} };
const skip = labTestSkip([]);
t.setTimeout(240_000);

if (skip) t.test('a BMP station', { skip }, () => {});
else if (await enterPair('hgbmp', import.meta.url, { near: [unit, provider], far: [router] })) {
  for (const kind of [frr, gobgp]) {
    const missing = kind.programs.filter((path) => !existsSync(path));
    const lacks = missing.length > 0 ? `${missing.join(', ')} is not installed` : false;
    t.test(`${kind.name} tells what it hears`, { skip: lacks }, (t) => story(t, kind));
  }
} else process.exit();

async function story(t: Test, kind: Kind): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hgbmp-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const station = new BmpStation({
    listen: { address: unit, port },
    routers: [{ name: br1, address: router }],
    localAsn: 64512,
    log: silent,
  });
  await station.start();
  t.teardown(() => station.stop());
  const child = kind.start(folder);
  t.teardown(() => child.kill('SIGKILL'));
  const ours = await speak(t, 64512, unit, [block], '10.0.0.9');
  const theirs = await speak(t, 65001, provider, [accepted, refused], '10.0.0.3');
  const prefix: Prefix = prefixOf(prefixText(block));

  await waitFor(
    'the router keeps our block',
    deadlineMs,
    () => station.accepts(br1, unit, prefix) === true,
  );
  await waitFor('the router tells the provider’s route', deadlineMs, () =>
    station.routes(accepted).some(({ table }) => table === 'in_post'),
  );
  t.match(
    station.routes(accepted).find(({ table }) => table === 'in_post'),
    { router: 'br1', peer: provider, asPath: '65001', nextHop: provider },
  );
  t.notOk(
    station.routes(refused).some(({ table }) => table === 'in_post'),
    'refused by policy',
  );
  if (kind.tellsBoth) {
    await waitFor('what was refused is told too', deadlineMs, () =>
      station.routes(refused).some(({ table }) => table === 'in_pre'),
    );
  }
  t.ok(station.tellsKept(br1));
  t.match(station.kept(br1, prefixOf(prefixText(accepted))), [{ nextHop: provider }]);
  t.same(
    station.keptRoutes(br1, accepted).map(({ prefix, asPath }) => [prefix, asPath]),
    [[accepted, '65001']],
    'as the provider told it',
  );
  t.same(station.kept(br1, prefix), [], 'what we told is none of them');
  t.equal(station.isNeighborUp(br1, 65001), true);
  t.equal(station.isNeighborUp(br1, 65002), undefined, 'nothing is told of others');

  ours.setDesired(new Map());
  await waitFor(
    'the block is gone',
    deadlineMs,
    () => station.accepts(br1, unit, prefix) === false,
  );
  await theirs.stop();
  await waitFor(
    'the provider is gone',
    deadlineMs,
    () => station.isNeighborUp(br1, 65001) === false,
  );
  t.same(station.routes(accepted), [], 'and what it told');
  t.notOk(station.tellsKept(br1), 'of others nothing is told');
  const down = station.peers().find(({ address }) => address === provider);
  t.match(down, { isUp: false, asn: 65001, reason: /closed|lost/ });

  child.kill('SIGKILL');
  await waitFor('the feed ends', deadlineMs, () => station.routers()[0]?.isConnected === false);
  t.same(station.peers(), []);
  t.match(
    Object.keys(station.routers()[0]?.counters ?? {}).filter((name) => name.startsWith('error')),
    [],
  );
}

/** Our speaker as one of the router's neighbours, announcing prefixes of its own. */
async function speak(
  t: Test,
  localAsn: number,
  address: string,
  prefixes: readonly string[],
  routerId: string,
): Promise<Speaker> {
  const speaker = createSpeaker({
    routers: [
      {
        name: br1,
        address: router,
        asn: asn(64512),
        localAddress: address,
        nextHop: { ipv4: address },
        announceDelayMs: 500,
        mraiMs: 0,
      },
    ],
    localAsn: asn(localAsn),
    routerId,
    networks: prefixes.map((text) => prefixOf(prefixText(text))),
    log: silent,
  });
  await speaker.start();
  t.teardown(() => speaker.stop());
  const announcements = prefixes.map(
    (text): Announcement => ({
      prefix: prefixText(text),
      communities: [],
      largeCommunities: [[localAsn, 0, 1]],
      prepend: 0,
    }),
  );
  speaker.setDesired(new Map([[br1, announcements]]));
  return speaker;
}
