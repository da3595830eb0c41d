/** Sessions of the speaker with real routers: each case over every implementation. */
import { existsSync } from 'node:fs';
import t, { type Test } from 'tap';
import { type Prefix, parsePrefix } from '../../../src/core/base/prefix.ts';
import { asn, prefixText, routerId } from '../../../src/core/base/units.ts';
import type { Announcement } from '../../../src/core/bgp/announcement.ts';
import { createSpeaker, type RouterPeering, type Speaker } from '../../../src/speaker/index.ts';
import { border, enterBorder, eventually, missingMeans } from './border.ts';
import { bird } from './routers/bird.ts';
import type { RouterCase, RouterKind, RunningRouter } from './routers/router.ts';

const kinds: readonly RouterKind[] = [bird];

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
      await t.test('iBGP over IPv4: announce, change, withdraw, refresh, learn next hops', (t) =>
        internal(t, kind, 'ipv4'),
      );
    });
  }
}

interface Bench {
  readonly router: RunningRouter;
  readonly speaker: Speaker;
}

async function open(
  t: Test,
  kind: RouterKind,
  options: Partial<RouterCase>,
  peering: Partial<RouterPeering> = {},
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
        mraiMs: 0,
        ...peering,
      },
    ],
    localAsn: asn(full.unitAsn),
    routerId: '10.99.0.9',
    networks,
    log: { debug: note, info: note, warn: note },
  });
  t.teardown(async () => {
    await speaker.stop();
    await router.stop();
    if (!t.passing()) process.stderr.write(`${lines.slice(-40).join('\n')}\n${router.log()}\n`);
  });
  await speaker.start();
  await eventually('the session is established', () => phase(speaker) === 'established');
  return { router, speaker };
}

const phase = (speaker: Speaker) => speaker.sessions()[0]?.phase;
const find = async (router: RunningRouter, text: string) =>
  (await router.routes()).find((route) => route.prefix === text);

async function internal(t: Test, kind: RouterKind, transport: 'ipv4' | 'ipv6'): Promise<void> {
  const { router, speaker } = await open(t, kind, { transport });
  const announce = (...blocks: Announcement[]) => speaker.setDesired(new Map([[peerName, blocks]]));
  announce(
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
  announce(block('198.51.100.0/24'));
  await eventually('the change and the withdrawal arrive', async () => {
    const routes = await router.routes();
    return routes.length === 1 && routes[0]?.communities.length === 0;
  });
  await router.refresh();
  await eventually(
    'the router asked again',
    () => (speaker.sessions()[0]?.counters['in.route_refresh'] ?? 0) > 0 || !kind.can.refresh,
  );
  t.equal((await router.routes()).length, 1, 'a refresh changes nothing');
  speaker.withdrawAll();
  await eventually('all is withdrawn', async () => (await router.routes()).length === 0, 2_000);
}

t.setTimeout(400_000);
const why = missingMeans();
if (why) t.pass('conformance of BGP', { skip: why });
else if (await enterBorder(import.meta.url)) await runAll();
