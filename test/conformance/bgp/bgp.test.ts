/** Sessions of the speaker with real routers: each case over every implementation. */
import { existsSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import t, { type Test } from 'tap';
import { type Prefix, parsePrefix } from '../../../src/core/base/prefix.ts';
import { asn, prefixText, routerId } from '../../../src/core/base/units.ts';
import type { Announcement } from '../../../src/core/bgp/announcement.ts';
import { openSecureSocket } from '../../../src/engine/index.ts';
import { run } from '../../../src/lab/namespaces.ts';
import {
  createSpeaker,
  type OpenSocket,
  type RouterPeering,
  type Speaker,
} from '../../../src/speaker/index.ts';
import { border, enterBorder, eventually, missingMeans } from './border.ts';
import { bird } from './routers/bird.ts';
import { frr } from './routers/frr.ts';
import { gobgp } from './routers/gobgp.ts';
import { openbgpd } from './routers/openbgpd.ts';
import type { RouterCase, RouterKind, RunningRouter } from './routers/router.ts';

const isLong = process.env.HEADGATE_LONG === '1';
/** A part of an implementation's or case's name: only those run. */
const only = process.env.HEADGATE_ONLY ?? '';
/** The long run has every implementation and every case; the default the core cases over the first two. */
const kinds: readonly RouterKind[] = isLong ? [bird, frr, gobgp, openbgpd] : [bird, frr];

const ourAsn = 64512;
const peerName = routerId('br1');
const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const originates = [
  { prefix: '198.51.100.0/22', nextHop: border.inside.ipv4 },
  { prefix: '2001:db8:4000::/36', nextHop: border.inside.ipv6 },
];
const networks = originates.map((own) => prefix(own.prefix));

const block = (text: string, more: Partial<Announcement> = {}): Announcement => ({
  prefix: prefixText(text),
  communities: [],
  largeCommunities: [[ourAsn, 0, 1]],
  prepend: 0,
  ...more,
});

async function runAll(): Promise<void> {
  for (const kind of kinds) {
    const absent = kind.programs.find((program) => !existsSync(program));
    if (absent) {
      t.pass(kind.name, { skip: `${absent} is not installed` });
      continue;
    }
    await t.test(kind.name, async (t) => {
      for (const { name, needs, isCore, run } of cases) {
        if ((!isCore && !isLong) || !`${kind.name} ${name}`.includes(only)) continue;
        if (!needs(kind)) await t.test(name, { skip: `${kind.name} cannot` }, async () => {});
        else await t.test(name, (t) => run(t, kind));
      }
    });
  }
}

interface Case {
  readonly name: string;
  readonly isCore: boolean;
  readonly needs: (kind: RouterKind) => boolean;
  readonly run: (t: Test, kind: RouterKind) => Promise<void>;
}

const always = () => true;
const cases: readonly Case[] = [
  {
    name: 'iBGP over IPv4: announce, change, withdraw, refresh',
    isCore: true,
    needs: always,
    run: (t, kind) => internal(t, kind, 'ipv4'),
  },
  {
    name: 'iBGP over IPv6',
    isCore: true,
    needs: always,
    run: (t, kind) => internal(t, kind, 'ipv6'),
  },
  {
    name: 'eBGP with a private AS, and prepends in the path',
    isCore: true,
    needs: always,
    run: external,
  },
  {
    name: 'the inside next hop is learned from the aggregate',
    isCore: true,
    needs: (kind) => kind.can.nextHopKept,
    run: learned,
  },
  { name: 'TCP MD5, and a wrong key', isCore: true, needs: (kind) => kind.can.md5, run: signed },
  { name: 'GTSM', isCore: false, needs: (kind) => kind.can.gtsm, run: hops },
  { name: 'the router is killed and comes back', isCore: true, needs: always, run: routerKilled },
  {
    name: 'the unit is killed: its routes stay for the restart time, no longer',
    isCore: true,
    needs: (kind) => kind.can.gracefulRestart,
    run: unitKilled,
  },
  {
    name: 'a silent wire: the hold timer ends the session, and it returns',
    isCore: false,
    needs: always,
    run: silence,
  },
];

interface Bench {
  readonly router: RunningRouter;
  readonly speaker: Speaker;
}

async function open(
  t: Test,
  kind: RouterKind,
  options: Partial<RouterCase> & { readonly awaitSession?: boolean },
  peering: Partial<RouterPeering> = {},
  openSocket?: OpenSocket,
): Promise<Bench> {
  const full: RouterCase = {
    asn: ourAsn,
    unitAsn: ourAsn,
    transport: 'ipv4',
    originates,
    ...options,
  };
  const router = await kind.start(full);
  const lines: string[] = [];
  const note = (_: object, message: string) => {
    lines.push(message);
  };
  const speaker = createSpeaker({
    routers: [
      {
        name: peerName,
        address: border.router[full.transport],
        localAddress: border.unit[full.transport],
        asn: asn(full.asn),
        announceDelayMs: 3_000,
        nextHop: border.inside,
        mraiMs: 0,
        ...peering,
      },
    ],
    localAsn: asn(full.unitAsn),
    routerId: '10.99.0.9',
    networks,
    ...(openSocket ? { openSocket } : {}),
    log: { debug: note, info: note, warn: note },
  });
  t.teardown(async () => {
    await speaker.stop();
    await router.stop();
    if (!t.passing()) process.stderr.write(`${lines.slice(-40).join('\n')}\n${router.log()}\n`);
  });
  await speaker.start();
  if (options.awaitSession !== false) await established(speaker);
  return { router, speaker };
}

const phase = (speaker: Speaker) => speaker.sessions()[0]?.phase;
const established = (speaker: Speaker) =>
  eventually('the session is established', () => phase(speaker) === 'established', 40_000);
const announce = (speaker: Speaker, ...blocks: Announcement[]) =>
  speaker.setDesired(new Map([[peerName, blocks]]));
const find = async (router: RunningRouter, text: string) =>
  (await router.routes()).find((route) => route.prefix === text);

async function internal(t: Test, kind: RouterKind, transport: 'ipv4' | 'ipv6'): Promise<void> {
  const { router, speaker } = await open(t, kind, { transport });
  announce(
    speaker,
    block('198.51.100.0/24', {
      largeCommunities: [
        [ourAsn, 0, 1],
        [ourAsn, 1, 2],
      ],
      communities: [[65000, 80]],
    }),
    block('2001:db8:4100::/40'),
  );
  const seen = await eventually('both blocks arrive', async () => {
    const ipv4 = await find(router, '198.51.100.0/24');
    const ipv6 = await find(router, '2001:db8:4100::/40');
    return ipv4 && ipv6 && { ipv4, ipv6 };
  });
  t.match(seen.ipv4, {
    nextHop: border.inside.ipv4,
    asPath: [],
    communities: ['65000:80'],
    largeCommunities: [`${ourAsn}:0:1`, `${ourAsn}:1:2`],
  });
  t.equal(seen.ipv6.nextHop, border.inside.ipv6, "the next hop is the router's own inside one");
  announce(speaker, block('198.51.100.0/24'));
  await eventually('the change and the withdrawal arrive', async () => {
    const routes = await router.routes();
    return routes.length === 1 && routes[0]?.communities.length === 0;
  });
  await router.refresh();
  await eventually(
    'the router asked again',
    () => (speaker.sessions()[0]?.counters['in.route_refresh'] ?? 0) > 0 || !kind.can.refresh,
  );
  await eventually('a refresh changes nothing', async () => (await router.routes()).length === 1);
  speaker.withdrawAll();
  await eventually('all is withdrawn', async () => (await router.routes()).length === 0, 2_000);
}

async function external(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(t, kind, { unitAsn: 64999 });
  const marked = { largeCommunities: [[64999, 0, 1]] as const };
  announce(
    speaker,
    block('198.51.100.0/24', marked),
    block('198.51.101.0/24', { ...marked, prepend: 2 }),
  );
  const seen = await eventually('both blocks arrive', async () => {
    const plain = await find(router, '198.51.100.0/24');
    const longer = await find(router, '198.51.101.0/24');
    return plain && longer && { plain, longer };
  });
  t.same(seen.plain.asPath, [64999]);
  t.same(seen.longer.asPath, [64999, 64999, 64999]);
  t.equal(seen.plain.nextHop, border.inside.ipv4, 'not the unit');
}

async function learned(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(t, kind, {}, { nextHop: {} });
  await eventually('the aggregates arrive', () => speaker.routesFrom(peerName).length >= 2);
  t.match(speaker.routesFrom(peerName, '198.51.100.0/24'), [
    { prefix: '198.51.100.0/22', nextHop: border.inside.ipv4 },
  ]);
  announce(speaker, block('198.51.100.0/24'), block('2001:db8:4100::/40'));
  const hops = await eventually('both blocks arrive', async () => {
    const routes = await router.routes();
    return routes.length === 2 && routes.map(({ nextHop }) => nextHop).sort();
  });
  t.same(hops, [border.inside.ipv4, border.inside.ipv6]);
}

async function signed(t: Test, kind: RouterKind): Promise<void> {
  const right = await open(
    t,
    kind,
    { md5: 'correct-horse' },
    { md5: 'correct-horse' },
    openSecureSocket,
  );
  announce(right.speaker, block('198.51.100.0/24'));
  await eventually('the block arrives', () => find(right.router, '198.51.100.0/24'));
  const wrong = createSpeaker({
    routers: [
      {
        name: peerName,
        address: border.router.ipv4,
        localAddress: '10.99.0.9',
        asn: asn(ourAsn),
        md5: 'wrong',
      },
    ],
    localAsn: asn(ourAsn),
    routerId: '10.99.0.8',
    networks,
    log: { debug: () => {}, info: () => {}, warn: () => {} },
    openSocket: (request) => openSecureSocket({ ...request, timeoutMs: 1_500 }),
  });
  t.teardown(() => wrong.stop());
  await wrong.start();
  await eventually('the wrong key fails by silence', () =>
    /no answer/.test(wrong.sessions()[0]?.lastError?.text ?? ''),
  );
}

async function hops(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(
    t,
    kind,
    { gtsm: true },
    { ttlSecurityHops: 1 },
    openSecureSocket,
  );
  announce(speaker, block('198.51.100.0/24'));
  await eventually('the block arrives', () => find(router, '198.51.100.0/24'));
  t.pass();
}

async function routerKilled(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(t, kind, { gracefulRestartS: 60 });
  announce(speaker, block('198.51.100.0/24'));
  await eventually('the block arrives', () => find(router, '198.51.100.0/24'));
  await router.kill();
  await eventually('the session is lost', () => phase(speaker) !== 'established');
  await router.restart();
  await established(speaker);
  await eventually('the block is told again', () => find(router, '198.51.100.0/24'));
  await eventually('nothing stale is left', () =>
    speaker.routesFrom(peerName).every(({ isStale }) => !isStale),
  );
  t.pass();
}

async function unitKilled(t: Test, kind: RouterKind): Promise<void> {
  let live: Duplex | undefined;
  let isDead = false;
  const { router, speaker } = await open(
    t,
    kind,
    { gracefulRestartS: 60 },
    { gracefulRestartS: 4 },
    async (request) => {
      if (isDead) throw new Error('the unit is dead');
      live = await openSecureSocket(request);
      return live;
    },
  );
  announce(speaker, block('198.51.100.0/24'));
  await eventually('the block arrives', () => find(router, '198.51.100.0/24'));
  await eventually(
    'our End-of-RIB is sent',
    () => speaker.sessions()[0]?.counters['out.end_of_rib'],
  );
  isDead = true;
  // What the kernel does with the sockets of a killed process: no NOTIFICATION.
  live?.destroy();
  await eventually('the session is lost', () => phase(speaker) !== 'established');
  t.ok(await find(router, '198.51.100.0/24'), 'steering is kept');
  await eventually(
    'nothing is left after the restart time',
    async () => !(await find(router, '198.51.100.0/24')),
    30_000,
  );
}

async function silence(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(t, kind, { holdTimeS: 6 }, { holdTimeS: 6 });
  announce(speaker, block('198.51.100.0/24'));
  await eventually('the block arrives', () => find(router, '198.51.100.0/24'));
  // Packets vanish and nobody is told: the address stays, its traffic does not pass.
  const wall =
    'table inet hgb { chain out { type filter hook output priority 0; tcp dport 179 drop; }; }';
  await run(['nft', '-f', '-'], wall);
  const lift = () => run(['nft', 'delete', 'table', 'inet', 'hgb']).catch(() => '');
  t.teardown(lift);
  await eventually('the session is lost', () => phase(speaker) !== 'established');
  await lift();
  await established(speaker);
  await eventually('the block is told again', () => find(router, '198.51.100.0/24'));
  t.pass();
}

t.setTimeout(400_000);
const why = missingMeans();
if (why) t.pass('conformance of BGP', { skip: why });
else if (await enterBorder(import.meta.url)) await runAll();
