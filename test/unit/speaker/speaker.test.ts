/** The speaker against scripted routers, on a clock that the test moves. */
import t from 'tap';
import { type Prefix, parsePrefix } from '../../../src/core/base/prefix.ts';
import { asn, prefixText, routerId } from '../../../src/core/base/units.ts';
import type { Announcement } from '../../../src/core/bgp/announcement.ts';
import { encodeRouteRefresh } from '../../../src/core/wire/bgp/notification.ts';
import { encodeEndOfRib, encodeUpdate, type Update } from '../../../src/core/wire/bgp/update.ts';
import { createSpeaker, type RouterPeering, type Speaker } from '../../../src/speaker/index.ts';
import { HandClock, localAsn, ScriptedRouter, settle } from './scripted-router.ts';

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const [br1, br2] = [routerId('br1'), routerId('br2')];
const silent = { debug: () => {}, info: () => {}, warn: () => {} };
const block = (text: string, more: Partial<Announcement> = {}): Announcement => ({
  prefix: prefixText(text),
  communities: [],
  largeCommunities: [[localAsn, 0, 1]],
  prepend: 0,
  ...more,
});
const context = { as4: true, addPath: { 4: false, 6: false } };
const route = (text: string, nextHop: string): Uint8Array => {
  const attributes = { origin: 'igp', asPath: [], nextHop, localPref: 100 } as const;
  return encodeUpdate(
    { withdrawn: [], announced: [{ prefix: prefix(text) }], attributes },
    context,
  );
};

interface Scene {
  readonly clock: HandClock;
  readonly speaker: Speaker;
  readonly routers: readonly [ScriptedRouter, ScriptedRouter];
}

async function open(change: Partial<RouterPeering> = {}, routerChange = {}): Promise<Scene> {
  const clock = new HandClock();
  const routers = [
    new ScriptedRouter('10.0.0.1', routerChange),
    new ScriptedRouter('10.0.0.2', routerChange),
  ] as const;
  const peering = (name: typeof br1, address: string): RouterPeering => ({
    name,
    address,
    asn: localAsn,
    addPath: false,
    mraiMs: 0,
    ...change,
  });
  const speaker = createSpeaker({
    routers: [peering(br1, '10.0.0.1'), peering(br2, '10.0.0.2')],
    localAsn,
    routerId: '10.0.0.9',
    networks: [prefix('198.51.100.0/22')],
    clock,
    log: silent,
    openSocket: (request) =>
      (request.address === '10.0.0.1' ? routers[0] : routers[1]).openSocket(request),
  });
  await speaker.start();
  await settle();
  return { clock, speaker, routers };
}

/** Both routers tell their aggregate and end their tables. */
async function fill({ routers }: Scene): Promise<void> {
  for (const [i, router] of routers.entries()) {
    router.send(route('198.51.100.0/22', `10.1.${i}.1`));
    router.send(encodeEndOfRib(4));
    router.send(encodeEndOfRib(6));
  }
  await settle();
}

const phases = ({ speaker }: Scene) => speaker.sessions().map(({ phase }) => phase);
const both = (...blocks: Announcement[]) =>
  new Map([
    [br1, blocks],
    [br2, blocks],
  ]);

t.test(
  "nothing leaves before the tables are in; then with each router's own inside next hop",
  async (t) => {
    const scene = await open();
    t.same(phases(scene), ['established', 'established']);
    scene.speaker.setDesired(both(block('198.51.100.0/24')));
    await settle();
    t.same(
      scene.routers.map(({ table }) => table),
      [[], []],
    );
    await fill(scene);
    t.same(
      scene.routers.map(({ table }) => table),
      [['198.51.100.0/24'], ['198.51.100.0/24']],
    );
    t.match(scene.speaker.announced(br2), [{ state: 'sent', nextHop: '10.1.1.1', reason: '' }]);
    t.match(scene.speaker.routesFrom(br1, '198.51.100.9'), [
      { prefix: '198.51.100.0/22', nextHop: '10.1.0.1' },
    ]);
    await scene.speaker.stop();
  },
);

t.test('without End-of-RIB the delay opens the way', async (t) => {
  const scene = await open({ nextHop: { ipv4: '10.1.0.1' } });
  scene.speaker.setDesired(both(block('198.51.100.0/24')));
  scene.clock.advance(9_999);
  await settle();
  t.same(scene.routers[0].table, []);
  scene.clock.advance(1);
  await settle();
  t.same(scene.routers[0].table, ['198.51.100.0/24']);
  await scene.speaker.stop();
});

t.test(
  'a block is withdrawn everywhere at once when the session of one of its routers is lost',
  async (t) => {
    const scene = await open();
    await fill(scene);
    const requires = [br1, br2];
    scene.speaker.setDesired(
      both(block('198.51.100.0/24', { requires }), block('198.51.101.0/24')),
    );
    await settle();
    t.same(scene.routers[1].table, ['198.51.100.0/24', '198.51.101.0/24']);
    scene.routers[0].refusesConnections = true;
    scene.routers[0].drop();
    await settle();
    t.same(scene.routers[1].table, ['198.51.101.0/24'], 'no time has passed');
    t.equal(scene.speaker.sessions()[0]?.freshMs, undefined, 'what it lacks it lacks');
    t.match(scene.speaker.announced(br2)[0], {
      state: 'waiting',
      reason: /router br1 does not carry it/,
    });
    scene.routers[0].refusesConnections = false;
    scene.clock.advance(2_000);
    await settle();
    await fill(scene);
    t.same(
      scene.routers.map(({ table }) => table.length),
      [2, 2],
      'and announced again when it is back',
    );
    t.same(
      scene.speaker.sessions().map(({ freshMs }) => freshMs),
      [0, 2_000],
      'the one that was lost has just come up',
    );
    await scene.speaker.stop();
  },
);

t.test(
  'with graceful restart the block waits for the router, for its restart time and no longer',
  async (t) => {
    const scene = await open({}, { gracefulRestartS: 120 });
    await fill(scene);
    scene.speaker.setDesired(both(block('198.51.100.0/24', { requires: [br1, br2] })));
    await settle();
    scene.routers[0].refusesConnections = true;
    scene.routers[0].drop();
    await settle();
    t.equal(scene.routers[1].table.length, 1);
    t.match(scene.speaker.routesFrom(br1), [{ isStale: true }]);
    scene.routers[1].send(encodeEndOfRib(4));
    scene.clock.advance(60_000);
    await settle();
    t.equal(scene.routers[1].table.length, 1, 'half time');
    t.equal(scene.speaker.sessions()[0]?.freshMs, 0, 'it has kept our routes');
    await scene.speaker.stop();
  },
);

t.test('withdrawAll takes all back, and stays', async (t) => {
  const scene = await open();
  await fill(scene);
  scene.speaker.setDesired(both(block('198.51.100.0/24'), block('198.51.101.0/24')));
  await settle();
  scene.speaker.withdrawAll();
  await settle();
  t.same(scene.routers[0].table, []);
  scene.speaker.setDesired(both(block('198.51.100.0/24')));
  await settle();
  t.same(scene.routers[0].table, [], 'a new plan changes nothing');
  scene.speaker.resume();
  await settle();
  t.same(scene.routers[0].table, ['198.51.100.0/24']);
  await scene.speaker.stop();
});

t.test('what must not leave does not, and is counted', async (t) => {
  const scene = await open({ nextHop: { ipv4: '10.1.0.1' } });
  await fill(scene);
  const foreign = [
    block('203.0.113.0/24'),
    block('198.51.100.0/25'),
    block('198.51.101.0/24', { largeCommunities: [] }),
  ];
  scene.speaker.setDesired(both(...foreign));
  await settle();
  t.same(scene.routers[0].table, []);
  t.match(scene.speaker.sessions()[0]?.counters, {
    'refused.not_ours': 1,
    'refused.longer_than_floor': 1,
    'refused.unmarked': 1,
  });
  await scene.speaker.stop();
});

t.test(
  'no more prefixes are told than may be; the first of them, and the rest when more may',
  async (t) => {
    const scene = await open({ nextHop: { ipv4: '10.1.0.1' } });
    await fill(scene);
    const wanted = both(block('198.51.100.0/24'), block('198.51.101.0/24'));
    scene.speaker.setDesired(wanted, 1);
    await settle();
    t.same(scene.routers[0].table, ['198.51.100.0/24']);
    t.match(scene.speaker.announced(br1)[1], { state: 'refused', reason: 'too_many_prefixes' });
    t.match(scene.speaker.sessions()[0]?.counters, { 'refused.too_many_prefixes': 1 });
    scene.speaker.setDesired(wanted, 2);
    await settle();
    t.same(scene.routers[0].table, ['198.51.100.0/24', '198.51.101.0/24']);
    await scene.speaker.stop();
  },
);

t.test('changes of one block keep the minimum interval, withdrawals do not wait', async (t) => {
  const scene = await open({ mraiMs: 30_000 });
  await fill(scene);
  const updates = () =>
    scene.routers[0].heard.filter(
      (m) => m.kind === 'update' && m.decoded.update.announced.length > 0,
    ).length;
  for (const med of [1, 2, 3]) {
    scene.speaker.setDesired(both(block('198.51.100.0/24', { med })));
    await settle();
  }
  t.equal(updates(), 1);
  scene.clock.advance(30_000);
  await settle();
  t.equal(updates(), 2, 'the last of them, once');
  scene.speaker.setDesired(both());
  await settle();
  t.same(scene.routers[0].table, []);
  await scene.speaker.stop();
});

t.test('a flawed attribute: the route is treated as withdrawn, the session stays', async (t) => {
  const scene = await open();
  await fill(scene);
  const bad = route('198.51.100.0/22', '10.1.0.1');
  bad[26] = 9;
  scene.routers[0].send(bad);
  await settle();
  t.same(phases(scene), ['established', 'established']);
  t.same(scene.speaker.routesFrom(br1), []);
  const [status] = scene.speaker.sessions();
  t.match(status?.counters, { 'error.origin_value': 1, 'reaction.treat_as_withdraw': 1 });
  t.match(status?.lastError?.text, /UPDATE: origin_value at byte 23, treat as withdraw/);
  await scene.speaker.stop();
});

t.test('a message cut by a reset, and garbage, end one session only', async (t) => {
  const scene = await open();
  await fill(scene);
  scene.routers[0].send(route('198.51.100.0/24', '10.1.0.1').subarray(0, 30));
  scene.routers[0].drop();
  scene.routers[1].send(new Uint8Array(64).fill(7));
  await settle();
  t.notSame(phases(scene), ['established', 'established']);
  const told = scene.routers[1].heard.find(({ kind }) => kind === 'notification');
  t.match(told, { notification: { code: 1, subcode: 1 } }, 'Connection Not Synchronized');
  scene.clock.advance(2_000);
  await settle();
  t.same(phases(scene), ['established', 'established']);
  await scene.speaker.stop();
});

t.test(
  'a router that sends too much is reset with Maximum Number of Prefixes Reached',
  async (t) => {
    const scene = await open({ maxPrefixesReceived: 100 });
    for (let i = 0; i <= 100; i++) scene.routers[0].send(route(`10.${i}.0.0/16`, '10.1.0.1'));
    await settle();
    const told = scene.routers[0].heard.find(({ kind }) => kind === 'notification');
    t.match(told, { notification: { code: 6, subcode: 1 } });
    await scene.speaker.stop();
  },
);

t.test('asked to tell again, it tells all again', async (t) => {
  const scene = await open();
  await fill(scene);
  scene.speaker.setDesired(both(block('198.51.100.0/24'), block('198.51.101.0/24')));
  await settle();
  scene.routers[0].heard.length = 0;
  scene.routers[0].send(encodeRouteRefresh({ afi: 1, safi: 1, kind: 'request' }));
  await settle();
  t.same(
    scene.routers[0].heard.map((m) => (m.kind === 'route_refresh' ? m.refresh.kind : m.kind)),
    ['begin', 'update', 'end'],
  );
  t.same(scene.routers[0].table, ['198.51.100.0/24', '198.51.101.0/24']);
  await scene.speaker.stop();
});

t.test('a flood leaves timers their turn', async (t) => {
  const scene = await open();
  const empty: Update = { withdrawn: [], announced: [], attributes: {} };
  for (let i = 0; i < 20_000; i++) {
    const announced = [{ prefix: prefix(`10.${i >> 8}.${i & 255}.0/24`) }];
    const attributes = {
      origin: 'igp',
      asPath: [{ kind: 'sequence', asns: [65000 + (i & 255)] }],
      nextHop: '10.1.0.1',
    } as const;
    scene.routers[0].send(encodeUpdate({ ...empty, announced, attributes }, context));
  }
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  while ((scene.speaker.sessions()[0]?.pathsReceived ?? 0) < 20_000) await settle();
  clearInterval(timer);
  t.ok(turns > 1, `a timer fired ${turns} times meanwhile`);
  t.same(phases(scene), ['established', 'established']);
  await scene.speaker.stop();
});

t.test('stopped, it says why and leaves no timer behind', async (t) => {
  const scene = await open();
  await fill(scene);
  await scene.speaker.stop('maintenance');
  await settle();
  t.match(scene.routers[0].heard.at(-1), {
    kind: 'notification',
    notification: { code: 6, subcode: 2 },
  });
  scene.clock.advance(5_000);
  await settle();
  t.equal(scene.clock.pending, 0);
  t.equal(asn(64512), localAsn);
});
