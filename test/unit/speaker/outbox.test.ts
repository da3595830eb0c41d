import t from 'tap';
import { dividePrefix, formatPrefix, prefixOf } from '../../../src/core/base/prefix.ts';
import { whole } from '../../../src/core/base/slices.ts';
import { asn, prefixText } from '../../../src/core/base/units.ts';
import { buildOpen, negotiate, type SessionConfig } from '../../../src/core/bgp/negotiate.ts';
import { makeRoute, type OutRoute } from '../../../src/core/bgp/outbound.ts';
import { Outbox } from '../../../src/speaker/outbox.ts';
import { Counters } from '../../../src/speaker/status.ts';

const session: SessionConfig = {
  localAsn: asn(64512),
  peerAsn: asn(64512),
  routerId: '10.0.0.1',
  holdTimeS: 90,
  isPassive: false,
  families: [4, 6],
  addPath: false,
  gracefulRestartS: 0,
  staleMaxS: 0,
};
const agreed = negotiate(buildOpen(session, false), session);

/** As many blocks of one network, all alike but for the MED. */
function routesOf(count: number, med: number): ReadonlyMap<string, OutRoute> {
  const blocks = dividePrefix(prefixOf(prefixText('10.0.0.0/11')), 24).slice(0, count);
  return new Map(
    blocks.map((block) => {
      const prefix = formatPrefix(block);
      const announcement = { prefix, communities: [], largeCommunities: [], prepend: 0, med };
      return [prefix, makeRoute(announcement, '10.1.0.1', { localAsn: asn(64512), agreed })];
    }),
  );
}

function open(mraiMs: number) {
  const world = { nowMs: 0, messages: 0, told: { announced: 0, withdrawn: 0 } };
  const outbox = new Outbox(
    mraiMs,
    {
      now: () => world.nowMs,
      refuse: () => undefined,
      send: () => world.messages++,
      told: (_, action) => world.told[action]++,
    },
    new Counters(),
  );
  outbox.open(agreed);
  return { outbox, world };
}

t.test('no more than 500 announcements leave within a second; withdrawals all do', async (t) => {
  const { outbox, world } = open(0);
  const routes = routesOf(1_200, 1);
  t.equal(whole(outbox.update(routes)), 1_000, 'the rest after a second');
  t.equal(world.told.announced, 500);
  t.ok(world.messages <= 3, `packed into ${world.messages} messages`);
  world.nowMs = 400;
  t.equal(whole(outbox.update(routes)), 600, 'asked earlier: no more');
  t.equal(world.told.announced, 500);
  world.nowMs = 1_000;
  t.equal(whole(outbox.update(routes)), 1_000);
  t.equal(world.told.announced, 1_000);
  world.nowMs = 2_000;
  t.equal(whole(outbox.update(routes)), undefined, 'all are told');
  t.equal(outbox.count, 1_200);

  whole(outbox.update(routesOf(1_200, 2)));
  t.equal(world.told.announced, 1_500, 'what changes counts like what is new');
  whole(outbox.update(new Map()));
  t.equal(world.told.withdrawn, 1_200, 'at once');
  t.equal(outbox.count, 0);
});

t.test('what was taken back is told again after the minimum interval only', async (t) => {
  const { outbox, world } = open(30_000);
  const routes = routesOf(2, 1);
  t.equal(whole(outbox.update(routes)), undefined);
  world.nowMs = 5_000;
  whole(outbox.update(new Map()));
  t.same(world.told, { announced: 2, withdrawn: 2 });
  t.equal(whole(outbox.update(routes)), 25_000);
  t.equal(world.told.announced, 2);
  world.nowMs = 30_000;
  t.equal(whole(outbox.update(routes)), undefined);
  t.equal(world.told.announced, 4);
});
