/**
 * A provider with real links to a real border router, which has the policy of `headgate router-config`: by two links the
 * rung `med`, by one of them alone prepends in the path itself.
 *
 *     hgmed: unit .9 (AS 64512, our speaker), the provider's BIRD with an end at .3 (link a) and one at .5 (link b)
 *       | 10.79.0.0/24
 *     hgmed-far: border router .2, and .4 for link b (AS 64512), which announces the aggregate by itself
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { prefixOf } from '../../../src/core/base/prefix.ts';
import { asn, type LinkId, linkId, prefixText, routerId } from '../../../src/core/base/units.ts';
import type { SteeredLink } from '../../../src/core/bgp/announcement.ts';
import { announcementsFor } from '../../../src/core/bgp/steering.ts';
import { run, spawnInside } from '../../../src/lab/namespaces.ts';
import { renderPolicy } from '../../../src/router/templates/index.ts';
import type { RouterPolicy } from '../../../src/router/templates/policy.ts';
import { createSpeaker, type Speaker } from '../../../src/speaker/index.ts';
import { labTestSkip, waitFor } from '../../support/lab.ts';
import { enterPair } from '../../support/namespace-pair.ts';

const [router, routerB, unit, farA, farB, inside] = ['.2', '.4', '.9', '.3', '.5', '.50'].map(
  (end) => `10.79.0${end}`,
) as [string, string, string, string, string, string];
const far = 'hgmed-far';
const br1 = routerId('br1');
const block = prefixText('198.51.100.0/24');
const network = prefixOf(prefixText('198.51.100.0/22'));
const provider = asn(65001);
const our = asn(64512);
const deadlineMs = 60_000;
const links = (['a', 'b'] as const).map(
  (name, i): SteeredLink => ({
    id: linkId(name),
    number: i + 1,
    router: br1,
    neighbor: provider,
    isEligible: true,
  }),
);

const policy: RouterPolicy = {
  router: br1,
  asn: our,
  unit: { address: unit, asn: our },
  networks: [network],
  floor: { ipv4: 24, ipv6: 48 },
  links: links.map(({ id, number }, i) => ({
    number,
    name: id,
    asn: provider,
    neighbors: [i === 0 ? farA : farB],
  })),
  maxPrefixes: 16,
  maxDetours: 16,
  addPath: true,
};

interface Kind {
  readonly name: string;
  readonly programs: readonly string[];
  readonly start: (folder: string, policy: RouterPolicy) => readonly ChildProcess[];
}

/** The same router with the first link alone, and prepends in the path. */
const single: RouterPolicy = {
  ...policy,
  links: policy.links.slice(0, 1),
  takesOwnAs: true,
};

/** Something for each link of a policy. */
const perLink = ({ links }: RouterPolicy, text: (name: string, address: string) => string) =>
  links.map(({ name, neighbors: [address = ''] }) => text(name, address)).join('');

const bird: Kind = {
  name: 'BIRD',
  programs: ['/usr/sbin/bird'],
  start: (folder, policy) => {
    const session = (name: string, address: string) => `
protocol bgp ${name} {
  local as 64512; neighbor ${address} as 65001; passive on;
  ipv4 { import none; export filter headgate_to_${name}; };
}`;
    writeFileSync(
      join(folder, 'bird.conf'),
      `router id 10.0.0.1;
protocol device { }
protocol direct { ipv4; }
protocol static { ipv4; route 198.51.100.0/22 via ${inside}; }
${renderPolicy('bird', policy)}${perLink(policy, session)}
`,
    );
    const argv = ['bird', '-f', '-c', join(folder, 'bird.conf'), '-s', join(folder, 'ctl')];
    return [spawnInside(far, argv, { stdio: 'ignore' })];
  },
};

const frr: Kind = {
  name: 'FRR',
  programs: ['/usr/lib/frr/bgpd'],
  start: (folder, policy) => {
    const session = (name: string, address: string) => ` neighbor ${address} remote-as 65001
 neighbor ${address} passive
 address-family ipv4 unicast
  neighbor ${address} activate
  neighbor ${address} route-map HEADGATE-TO-${name} out
 exit-address-family
`;
    writeFileSync(
      join(folder, 'bgpd.conf'),
      `router bgp 64512
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 address-family ipv4 unicast
  network 198.51.100.0/22
 exit-address-family
exit
${renderPolicy('frr', policy)}router bgp 64512
 neighbor ${unit} passive
${perLink(policy, session)}exit
`,
    );
    // Without zebra: nothing is forwarded here.
    const argv = [
      ...['/usr/lib/frr/bgpd', '-Z', '-S', '-f', join(folder, 'bgpd.conf'), '-P', '0'],
      ...['-i', join(folder, 'bgpd.pid'), '--vty_socket', folder, '--log', 'stdout'],
    ];
    return [spawnInside(far, argv, { stdio: 'ignore' })];
  },
};

const skip = labTestSkip([]);
/** One of them by default, both in the long run. */
const kinds = process.env.HEADGATE_LONG === '1' ? [bird, frr] : [bird];
t.setTimeout(240_000);

if (skip) t.test('a provider with two links', { skip }, async () => {});
else if (
  await enterPair('hgmed', import.meta.url, { near: [unit, farA, farB], far: [router, routerB] })
) {
  for (const kind of kinds) {
    const missing = ['/usr/sbin/bird', ...kind.programs].filter((path) => !existsSync(path));
    const lacks = missing.length > 0 ? `${missing.join(', ')} is not installed` : false;
    t.test(`${kind.name}: a provider with two links`, { skip: lacks }, (t) => story(t, kind));
    t.test(`${kind.name}: prepends in the path`, { skip: lacks }, (t) => inPath(t, kind));
  }
} else process.exit();

interface Scene {
  readonly speaker: Speaker;
  /** What the provider's router says of a prefix. */
  readonly show: (prefix: string) => Promise<string>;
}

async function open(t: Test, kind: Kind, policy: RouterPolicy): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'hgmed-'));
  const children = [...kind.start(folder, policy), startProvider(folder)];
  t.teardown(async () => {
    const gone = children.map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(gone);
    rmSync(folder, { recursive: true, force: true });
  });
  const provider = join(folder, 'provider.ctl');
  const show = (prefix: string) =>
    run(['birdc', '-s', provider, `show route ${prefix} all`]).catch(() => '');
  return { speaker: await speak(t), show };
}

/** The path gets our AS as often more as is asked for, although the router hears its own AS from us. */
async function inPath(t: Test, kind: Kind): Promise<void> {
  const { speaker, show } = await open(t, kind, single);
  const elsewhere = linkId('elsewhere');
  const both = links.map((link, i): SteeredLink => {
    if (i === 0) return { ...link, prependsInPath: true };
    return { ...link, id: elsewhere, router: routerId('br2') };
  });
  const pathOf = async () => /BGP\.as_path: (.*)/.exec(await show(block))?.[1];
  for (const rung of [0, 2, 3]) {
    const desired = announcementsFor({
      asn: our,
      links: both,
      networks: [network],
      mayAnnounce: () => false,
      blocks: [{ block, link: elsewhere, rung, reason: 'the test says so' }],
    });
    // There is no second router here: nothing is to wait for it.
    const announced = (desired.get(br1) ?? []).map(({ requires: _, ...one }) => one);
    t.equal(announced[0]?.prepend, rung);
    speaker.setDesired(new Map([[br1, announced]]));
    const wanted = new Array<number>(1 + rung).fill(our).join(' ');
    await waitFor(`the provider hears ${wanted}`, deadlineMs, async () => {
      return (await pathOf()) === wanted;
    });
  }
}

async function story(t: Test, kind: Kind): Promise<void> {
  const { speaker, show } = await open(t, kind, policy);
  const paths = async (prefix: string) => (await show(prefix)).match(/BGP\.as_path:/g)?.length ?? 0;
  /** The link of the path that the provider chose, and by what it chose. */
  const chosen = async (): Promise<string> =>
    /^198\.51\.100\.0\/24[^[]*\[link_(\w)/m.exec(await show(block))?.[1] ?? '';
  await waitFor('the provider hears the aggregate by both links', deadlineMs, async () => {
    return (await paths('198.51.100.0/22')) === 2;
  });

  for (const link of links) {
    steer(speaker, link.id);
    await waitFor(`the provider sends the block by ${link.id}`, deadlineMs, async () => {
      return (await chosen()) === link.id && (await paths(block)) === 2;
    });
    const text = await show(block);
    t.equal(text.match(/BGP\.med: 100/g)?.length, 1, `${link.id}: the other path is worse`);
    t.notMatch(text, /large_community/, 'how it was asked for is not told');
  }
  speaker.setDesired(new Map());
  await waitFor('taken back, the aggregate remains', deadlineMs, async () => {
    return (await paths(block)) === 0 && (await paths('198.51.100.0/22')) === 2;
  });
}

function steer(speaker: Speaker, link: LinkId): void {
  speaker.setDesired(
    announcementsFor({
      asn: our,
      links,
      ladder: [{ kind: 'unbiased' }, { kind: 'med' }],
      networks: [network],
      mayAnnounce: () => false,
      blocks: [{ block, link, rung: 1, reason: 'the test says so' }],
    }),
  );
}

/** The provider: one router with both links. */
function startProvider(folder: string): ChildProcess {
  const session = (name: string, address: string, neighbor: string) => `
protocol bgp link_${name} {
  local ${address} as 65001; neighbor ${neighbor} as 64512; strict bind on;
  connect retry time 2; connect delay time 1; error wait time 1, 2;
  ipv4 { import all; export none; };
}`;
  writeFileSync(
    join(folder, 'provider.conf'),
    `router id 10.0.0.3;
protocol device { }
protocol direct { ipv4; }
${session('a', farA, router)}${session('b', farB, routerB)}
`,
  );
  const path = (name: string) => join(folder, name);
  const argv = ['bird', '-f', '-c', path('provider.conf'), '-s', path('provider.ctl')];
  return spawnInside('hgmed', argv, { stdio: 'ignore' });
}

async function speak(t: Test): Promise<Speaker> {
  const silent = { debug: () => {}, info: () => {}, warn: () => {} };
  const speaker = createSpeaker({
    routers: [
      {
        name: br1,
        address: router,
        asn: our,
        localAddress: unit,
        nextHop: { ipv4: inside },
        announceDelayMs: 500,
        mraiMs: 0,
      },
    ],
    localAsn: our,
    routerId: unit,
    networks: [network],
    log: silent,
  });
  await speaker.start();
  t.teardown(() => speaker.stop());
  return speaker;
}
