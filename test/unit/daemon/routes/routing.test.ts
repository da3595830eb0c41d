import t from 'tap';
import { whole } from '../../../../src/core/base/slices.ts';
import { prefixText, type RouterId, routerId } from '../../../../src/core/base/units.ts';
import {
  carriedOn,
  foreignReasons,
  readRouting,
  toldOf,
} from '../../../../src/daemon/routes/routing.ts';
import type { AnnouncedRoute, SessionStatus } from '../../../../src/speaker/index.ts';
import { settingsOf, twoLinks } from '../../../support/settings.ts';

t.test('a block that somebody else steers is told with the reason; others are left out', (t) => {
  const settings = settingsOf(`${twoLinks}steering: { foreign: ["64999:1"] }\n`);
  const route = (prefix: string, communities: readonly string[]) => ({
    prefix: prefixText(prefix),
    asPath: '',
    communities,
    largeCommunities: [],
  });
  const routes = [
    route('198.51.100.7/32', ['65535:666']),
    route('198.51.101.0/24', []),
    route('198.51.101.0/24', ['64999:1']),
  ];
  t.same(
    [...whole(foreignReasons(settings, routes))],
    [
      ['198.51.100.0/24', 'somebody else announces 198.51.100.7/32 with BLACKHOLE'],
      ['198.51.101.0/24', 'somebody else announces 198.51.101.0/24 with 64999:1'],
    ],
  );
  t.same([...whole(foreignReasons(settings, routes.slice(1, 2)))], []);
  t.end();
});

t.test('what the operator took back is withheld, and nobody else’s', (t) => {
  const settings = settingsOf(twoLinks);
  const told = { announced: new Map(), ownRoutes: [], fresh: new Set<RouterId>() };
  const routing = whole(readRouting(settings, told, new Set([prefixText('198.51.100.0/24')])));
  t.same([...routing], [['198.51.100.0/24', { isWithheld: true }]]);
  t.end();
});

t.test('a block is carried by the links of the routers that were really told', (t) => {
  const settings = settingsOf(
    twoLinks
      .replace('wire: s }, router: br1', 'wire: s }, router: br2')
      .replace('bgp: {} }]', 'bgp: {} }, { name: br2, address: 10.0.0.2, bgp: {} }]'),
  );
  const prefix = prefixText('198.51.100.0/24');
  const [br1, br2] = [routerId('br1'), routerId('br2')];
  const route = (state: AnnouncedRoute['state'], waitsFor?: RouterId): AnnouncedRoute => ({
    announcement: { prefix, communities: [], largeCommunities: [], prepend: 0 },
    nextHop: undefined,
    state,
    reason: '',
    ...(waitsFor ? { waitsFor } : {}),
  });
  const told = (one: AnnouncedRoute, two: AnnouncedRoute, ...fresh: readonly RouterId[]) => {
    const announced = new Map([
      [br1, [one]],
      [br2, [two]],
    ]);
    return whole(carriedOn(settings, { announced, fresh: new Set(fresh) })).get(prefix);
  };
  const [sent, waiting] = [route('sent'), route('waiting')];
  t.same(told(sent, sent), { carriedOn: ['north', 'south'] });
  t.same(told(sent, waiting), { carriedOn: ['north'] });
  t.same(told(waiting, route('refused')), { carriedOn: [] });
  t.same(told(sent, waiting, br2), { carriedOn: ['north'], awaitedOn: ['south'] }, 'just up');
  t.same(
    told(route('waiting', br2), waiting, br2),
    { carriedOn: [], awaitedOn: ['north', 'south'] },
    'one that waits for another that is just up',
  );
  t.same(told(sent, sent, br2), { carriedOn: ['north', 'south'] });
  const none = { announced: new Map(), fresh: new Set<RouterId>() };
  t.equal(whole(carriedOn(settings, none)).get(prefix), undefined, 'nothing was announced at all');
  // With our AS in its path a route may be a loop to the router: only its word that it kept it counts.
  const inPath = { ...sent, announcement: { ...sent.announcement, prepend: 2 } };
  for (const [word, links] of [
    [true, ['north']],
    [false, []],
    [undefined, []],
  ] as const) {
    const announced = new Map([[br1, [inPath]]]);
    const { carriedOn: on } =
      whole(carriedOn(settings, { ...none, announced }, () => word)).get(prefix) ?? {};
    t.same(on, links, `said: ${word}`);
  }
  t.end();
});

t.test(
  'a router is fresh while its session has not had the time to settle, and once lost no more',
  (t) => {
    const session = (freshMs?: number) =>
      // A cast: what is looked at is who it is and since when.
      ({ router: routerId('br1'), ...(freshMs === undefined ? {} : { freshMs }) }) as SessionStatus;
    const freshOf = (status: SessionStatus) => {
      const speaker = { sessions: () => [status], announced: () => [], ownRoutes: () => [] };
      return [...(toldOf(speaker, undefined, 3000)?.fresh ?? [])];
    };
    t.same(freshOf(session(2999)), ['br1']);
    t.same(freshOf(session(3000)), []);
    t.same(freshOf(session()), []);
    t.end();
  },
);
