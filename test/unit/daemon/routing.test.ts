import t from 'tap';
import { prefixText, routerId } from '../../../src/core/base/units.ts';
import { carriedOn, isNotOurs } from '../../../src/daemon/routing.ts';
import type { AnnouncedRoute } from '../../../src/speaker/index.ts';
import { settingsOf, twoLinks } from '../../support/settings.ts';

t.test('a blackhole or another AS’s origin is not ours; what our routers originate is', (t) => {
  const route = (asPath: string, ...communities: string[]) => ({ asPath, communities });
  t.notOk(isNotOurs(route(''), 64512), 'a router of ours originates it');
  t.notOk(isNotOurs(route('65001 64512'), 64512), 'it came back over a provider');
  t.ok(isNotOurs(route('', '65535:666'), 64512), 'a blackhole');
  t.ok(isNotOurs(route('65001 65020'), 64512), 'a scrubbing centre');
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
    carriedOn(
      settings,
      new Map([
        [routerId('br1'), [route(one)]],
        [routerId('br2'), [route(two)]],
      ]),
    ).get(prefix);
  t.same(told('sent', 'sent'), ['north', 'south']);
  t.same(told('sent', 'waiting'), ['north']);
  t.same(told('waiting', 'refused'), []);
  t.equal(carriedOn(settings, new Map()).get(prefix), undefined, 'nothing was announced at all');
  t.end();
});
