import t from 'tap';
import { whole } from '../../../../src/core/base/slices.ts';
import { prefixText, routerId } from '../../../../src/core/base/units.ts';
import { carriedOn, foreignReasons, readRouting } from '../../../../src/daemon/routes/routing.ts';
import type { AnnouncedRoute } from '../../../../src/speaker/index.ts';
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
  const told = { announced: new Map(), ownRoutes: [] };
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
  const route = (state: AnnouncedRoute['state']): AnnouncedRoute => ({
    announcement: { prefix, communities: [], largeCommunities: [], prepend: 0 },
    nextHop: undefined,
    state,
    reason: '',
  });
  const told = (one: AnnouncedRoute['state'], two: AnnouncedRoute['state']) =>
    whole(
      carriedOn(
        settings,
        new Map([
          [routerId('br1'), [route(one)]],
          [routerId('br2'), [route(two)]],
        ]),
      ),
    ).get(prefix);
  t.same(told('sent', 'sent'), ['north', 'south']);
  t.same(told('sent', 'waiting'), ['north']);
  t.same(told('waiting', 'refused'), []);
  t.equal(
    whole(carriedOn(settings, new Map())).get(prefix),
    undefined,
    'nothing was announced at all',
  );
  // With our AS in its path a route may be a loop to the router: only its word that it kept it counts.
  const inPath = { ...route('sent'), announcement: { ...route('sent').announcement, prepend: 2 } };
  for (const [word, links] of [
    [true, ['north']],
    [false, []],
    [undefined, []],
  ] as const) {
    const announced = new Map([[routerId('br1'), [inPath]]]);
    t.same(whole(carriedOn(settings, announced, () => word)).get(prefix), links, `said: ${word}`);
  }
  t.end();
});
