/** Detours: told only on their own session, only by paths that the router told, and gone when anything is in doubt. */
import fc from 'fast-check';
import t from 'tap';
import { type Prefix, parsePrefix } from '../../../src/core/base/prefix.ts';
import { prefixText, routerId } from '../../../src/core/base/units.ts';
import {
  type Detour,
  type DetourRails,
  makeDetourRoute,
  refuseDetour,
  refuseDetourRoute,
} from '../../../src/core/bgp/detour.ts';
import type { PathAttributes } from '../../../src/core/wire/bgp/attributes.ts';
import { encodeEndOfRib, encodeUpdate } from '../../../src/core/wire/bgp/update.ts';
import { createSpeaker, type Speaker } from '../../../src/speaker/index.ts';
import type { KeptPath, PathMonitor } from '../../../src/speaker/peering.ts';
import { HandClock, localAsn, ScriptedRouter, settle } from './scripted-router.ts';

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const br1 = routerId('br1');
const silent = { debug: () => {}, info: () => {}, warn: () => {} };
const [north, south] = ['192.0.2.1', '192.0.2.5'];
const detour = (text: string, nextHop: string): Detour => ({
  prefix: prefixText(text),
  nextHop,
  localPref: 900,
});
const addPath = { as4: true, addPath: { 4: true, 6: true } };
const told = (text: string, nextHop: string, pathId: number, more: PathAttributes = {}) =>
  encodeUpdate(
    {
      withdrawn: [],
      announced: [{ prefix: prefix(text), pathId }],
      attributes: {
        origin: 'igp',
        asPath: [{ kind: 'sequence', asns: [65001, 65100] }],
        nextHop,
        localPref: 100,
        ...more,
      },
    },
    addPath,
  );
const takenBack = (text: string, pathId: number) =>
  encodeUpdate(
    { withdrawn: [{ prefix: prefix(text), pathId }], announced: [], attributes: {} },
    addPath,
  );

interface Scene {
  readonly clock: HandClock;
  readonly speaker: Speaker;
  /** The router's two ends: of the session for our blocks, and of the one for detours. */
  readonly main: ScriptedRouter;
  readonly egress: ScriptedRouter;
}

async function open(hasAddPath = true, monitor?: PathMonitor): Promise<Scene> {
  const clock = new HandClock();
  const main = new ScriptedRouter('10.0.0.1', { addPath: hasAddPath, gracefulRestartS: 120 });
  const egress = new ScriptedRouter('10.0.0.1', { gracefulRestartS: 120 });
  const speaker = createSpeaker({
    routers: [
      { name: br1, address: '10.0.0.1', asn: localAsn, mraiMs: 0, egressAddress: '10.0.0.10' },
    ],
    localAsn,
    routerId: '10.0.0.9',
    networks: [prefix('198.51.100.0/22')],
    ...(monitor ? { monitor } : {}),
    clock,
    log: silent,
    openSocket: (request) =>
      (request.localAddress === '10.0.0.10' ? egress : main).openSocket(request),
  });
  await speaker.start();
  await settle();
  if (hasAddPath) {
    main.send(told('203.0.113.0/24', north, 1));
    main.send(told('203.0.113.0/24', south, 2));
  }
  for (const family of [4, 6] as const) main.send(encodeEndOfRib(family));
  await settle();
  return { clock, speaker, main, egress };
}

t.test('a path that the router told is told back, on the session for it alone', async (t) => {
  const { speaker, main, egress } = await open();
  speaker.setDetours(br1, [detour('203.0.113.0/24', south)]);
  await settle();
  t.same(egress.table, ['203.0.113.0/24']);
  t.same(main.table, []);
  const update = egress.heard.find((m) => m.kind === 'update');
  t.match(update?.decoded.update.attributes, {
    nextHop: south,
    localPref: 900,
    asPath: [{ kind: 'sequence', asns: [65001, 65100] }],
    communities: [[65535, 65281]],
    largeCommunities: [[localAsn, 0, 1]],
  });
  t.match(speaker.detours(br1), [{ state: 'sent', reason: '' }]);
  t.match(speaker.sessions()[0]?.egress, { phase: 'established', detours: 1 });
  const opened = egress.heard.find((m) => m.kind === 'open');
  t.notOk(
    opened?.open.capabilities.some(({ kind }) => kind === 'graceful_restart'),
    'plain loss of the session returns the router to plain BGP',
  );
  egress.send(told('198.51.100.0/24', north, 1));
  await settle();
  t.same(speaker.routesFrom(br1, '198.51.100.0/24'), [], 'what is told on it is ignored');
  await speaker.stop();
});

t.test('each way to lose the path, or the sight of it, takes the detour back', async (t) => {
  const lost: Record<string, (scene: Scene) => void> = {
    'the path is withdrawn': ({ main }) => main.send(takenBack('203.0.113.0/24', 2)),
    'the session that tells the paths is lost': ({ main }) => {
      main.refusesConnections = true;
      main.drop();
    },
    'the operator withdraws all': ({ speaker }) => speaker.withdrawAll(),
    'it is no longer wanted': ({ speaker }) => speaker.setDetours(br1, []),
  };
  for (const [name, lose] of Object.entries(lost)) {
    const scene = await open();
    scene.speaker.setDetours(br1, [detour('203.0.113.0/24', south)]);
    await settle();
    t.equal(scene.egress.table.length, 1);
    lose(scene);
    await settle();
    scene.clock.advance(50);
    await settle();
    t.same(scene.egress.table, [], name);
    await scene.speaker.stop();
  }
});

t.test('its session lost, it is told again when it is back', async (t) => {
  const { speaker, egress, clock } = await open();
  speaker.setDetours(br1, [detour('203.0.113.0/24', south)]);
  await settle();
  egress.drop();
  await settle();
  t.match(speaker.detours(br1), [{ state: 'waiting', reason: /the egress session is/ }]);
  clock.advance(2_000);
  await settle();
  t.same(egress.table, ['203.0.113.0/24']);
  t.match(speaker.detours(br1), [{ state: 'sent' }]);
  await speaker.stop();
});

t.test('what is refused is not told, and is counted', async (t) => {
  const { speaker, main, egress } = await open();
  main.send(told('198.51.100.0/24', north, 1));
  main.send(told('0.0.0.0/0', north, 1));
  main.send(told('203.0.114.0/24', north, 1, { asPath: [] }));
  main.send(told('203.0.115.0/24', north, 1, { largeCommunities: [[localAsn, 0, 1]] }));
  await settle();
  const wanted: Record<string, Detour> = {
    own_prefix: detour('198.51.100.0/24', north),
    default_route: detour('0.0.0.0/0', north),
    empty_path: detour('203.0.114.0/24', north),
    no_such_path: detour('203.0.113.0/24', '192.0.2.9'),
    bad_prefix: detour('203.0.113.1/33', north),
  };
  speaker.setDetours(br1, [...Object.values(wanted), detour('203.0.115.0/24', north)]);
  await settle();
  t.same(egress.table, []);
  t.same(
    speaker.detours(br1).map(({ reason }) => reason),
    [...Object.keys(wanted), 'no_such_path'],
    'the last is our own announcement that came back',
  );
  t.match(speaker.sessions()[0]?.egress?.counters, {
    'refused.own_prefix': 1,
    'refused.no_such_path': 2,
  });
  await speaker.stop();
});

t.test('a router that tells its best paths alone gets no detours', async (t) => {
  const { speaker, egress } = await open(false);
  speaker.setDetours(br1, [detour('203.0.113.0/24', south)]);
  await settle();
  t.same(egress.table, []);
  t.match(speaker.detours(br1), [{ state: 'waiting', reason: /set add_path on both sides/ }]);
  await speaker.stop();
});

t.test('where BMP tells what the router kept, detours stand on that', async (t) => {
  const path = (nextHop: string): KeptPath => ({
    nextHop,
    attributes: { origin: 'igp', asPath: [{ kind: 'sequence', asns: [65002, 65100] }] },
  });
  let kept: readonly KeptPath[] = [path(north), path(south)];
  let isTold = true;
  const listeners: Array<(router: typeof br1) => void> = [];
  const { clock, speaker, egress } = await open(false, {
    tellsKept: () => isTold,
    kept: (_, asked) => (asked.length === 24 ? kept : []),
    onChange: (listener) => listeners.push(listener),
  });
  const changed = async () => {
    for (const listener of listeners) listener(br1);
    clock.advance(100);
    await settle();
  };
  speaker.setDetours(br1, [detour('203.0.113.0/24', south), detour('203.0.0.0/16', south)]);
  await settle();
  t.same(egress.table, ['203.0.113.0/24'], 'and on nothing else');
  t.match(speaker.detours(br1)[1], { state: 'refused', reason: 'no_such_path' });
  kept = [path(north)];
  await changed();
  t.same(egress.table, [], 'gone with its path');
  kept = [path(south)];
  await changed();
  t.same(egress.table, ['203.0.113.0/24']);
  isTold = false;
  await changed();
  t.same(egress.table, [], 'gone when nothing is told any more');
});

t.test(
  'the last rail passes what the rules made, and nothing that was changed since',
  async (t) => {
    const path = { origin: 'igp', asPath: [{ kind: 'sequence', asns: [65001, 65100] }] } as const;
    const rails: DetourRails = {
      asn: localAsn,
      networks: [prefix('198.51.100.0/22')],
      maxDetours: 10,
      received: (_, nextHop) => (nextHop === south ? path : undefined),
    };
    const wanted = detour('203.0.113.0/24', south);
    t.equal(refuseDetour(wanted, rails), undefined);
    const route = makeDetourRoute(wanted, rails);
    t.equal(refuseDetourRoute(route, rails), undefined);
    const forged: ReadonlyArray<[string, object, object]> = [
      ['exportable', {}, { communities: [] }],
      ['unmarked', {}, { largeCommunities: [[localAsn, 0, 2]] }],
      ['invented_path', {}, { asPath: [{ kind: 'sequence', asns: [65100] }] }],
      ['no_such_path', { nextHop: north }, {}],
      ['own_prefix', { prefix: prefix('198.51.101.0/24') }, {}],
      ['own_prefix', { prefix: prefix('198.51.0.0/16') }, {}],
    ];
    for (const [reason, change, attributes] of forged) {
      const changed = { ...route, ...change, attributes: { ...route.attributes, ...attributes } };
      t.equal(refuseDetourRoute(changed, rails), reason);
    }
    const anything = fc.record({
      prefix: fc
        .tuple(fc.nat(255), fc.nat(255), fc.nat(32))
        .map(([a, b, n]) => `${a}.${b}.0.0/${n}`),
      nextHop: fc.constantFrom(north, south),
    });
    fc.assert(
      fc.property(anything, ({ prefix: text, nextHop }) => {
        const some = detour(text, nextHop);
        if (refuseDetour(some, rails)) return true;
        return refuseDetourRoute(makeDetourRoute(some, rails), rails) === undefined;
      }),
    );
  },
);
