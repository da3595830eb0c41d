import t from 'tap';
import { HeadgateError } from '../../../../src/core/base/error.ts';
import { prefixText, routerId } from '../../../../src/core/base/units.ts';
import { ConfiguredRouters } from '../../../../src/daemon/routes/configured.ts';
import type { Applied, RouterIntent } from '../../../../src/router/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const [br1, br2] = [routerId('br1'), routerId('br2')];
const diff = { added: [], removed: [] };
const destinations = [{ prefix: prefixText('203.0.113.0/24'), gateway: '192.0.2.5' }];
const block = (prefix: string) => ({
  prefix: prefixText(prefix),
  communities: [],
  largeCommunities: [],
  prepend: 0,
});

/** Routers that remember what they were to do, and answer as they are told to. */
function stage(kind: { readonly blocks?: boolean; readonly outbound?: boolean }) {
  const clock = new FakeClock(1_000);
  const asked: Array<readonly [string, RouterIntent]> = [];
  const answers = new Map<string, () => Applied>();
  const routers = new ConfiguredRouters({
    routers: [br1, br2].map((name) => ({
      name,
      driver: {
        diff: async () => diff,
        apply: async (intent) => {
          asked.push([name, intent]);
          return answers.get(name)?.() ?? { result: 'applied', diff };
        },
      },
      nextHop: kind.blocks ? { ipv4: '10.0.1.1' } : undefined,
      isOutbound: kind.outbound ?? false,
    })),
    leaseMs: 90_000,
    clock,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { clock, asked, answers, routers, settled };
}

t.test('nothing is touched before it is decided: what an earlier run left stays', async (t) => {
  const { clock, asked, routers, settled } = stage({ blocks: true, outbound: true });
  routers.setBlocks(new Map());
  clock.advance(40_000);
  await settled();
  t.same(asked, []);
  routers.setOutbound(br1, { destinations });
  await settled();
  t.match(asked, [[br1, { destinations, blocks: [] }]]);
  t.same(routers.inForce(br1).destinations, destinations);
  routers.setOutbound(br1, { destinations: [...destinations] });
  await settled();
  t.equal(asked.length, 1, 'the same again is nothing to do');
  clock.advance(30_000);
  await settled();
  t.equal(asked.length, 2, 'but for the reminder, a third of the lease later');
});

t.test('while held routers are their own', async (t) => {
  const { asked, routers, settled } = stage({ outbound: true });
  routers.setOutbound(br1, { destinations });
  await settled();
  routers.hold(true);
  await settled();
  t.match(asked.filter(([name]) => name === br1).at(-1), [br1, { destinations: [] }]);
  routers.hold(false);
  await settled();
  t.same(routers.inForce(br1).destinations, destinations);
});

t.test('what a router could not do is said, and tried again ever more seldom', async (t) => {
  const { clock, asked, answers, routers, settled } = stage({ outbound: true });
  answers.set(br1, () => {
    throw new HeadgateError('router_command_failed', 'ssh: no route to host');
  });
  routers.setOutbound(br1, { destinations });
  await settled();
  t.equal(routers.trouble(br1), 'ssh: no route to host');
  t.match([...routers.complaints().values()], [/br1 is not configured as planned: ssh/]);
  for (const [waitMs, tries] of [
    [9_000, 1],
    [1_000, 2],
    [19_000, 2],
    [1_000, 3],
  ] as const) {
    clock.advance(waitMs);
    await settled();
    t.equal(asked.length, tries);
  }
  answers.set(br1, () => ({ result: 'rolled_back', diff, reason: 'not routed' }));
  clock.advance(40_000);
  await settled();
  t.equal(routers.trouble(br1), 'not routed');
  answers.delete(br1);
  clock.advance(80_000);
  await settled();
  t.equal(routers.trouble(br1), undefined);
  t.same(
    [...routers.counts],
    [
      ['br1 failed', 3],
      ['br1 rolled_back', 1],
      ['br1 applied', 1],
    ],
  );
});

t.test('a block that one of its routers cannot carry is taken back from the others', async (t) => {
  const { clock, answers, routers, settled } = stage({ blocks: true });
  const requires = [br1, br2];
  const desired = new Map(
    requires.map((router) => [router, [{ ...block('198.51.100.0/24'), requires }]]),
  );
  answers.set(br2, () => ({ result: 'rolled_back', diff, reason: 'no' }));
  routers.setBlocks(desired);
  await settled();
  await settled();
  t.same(routers.inForce(br1).blocks, []);
  answers.delete(br2);
  clock.advance(10_000);
  await settled();
  await settled();
  for (const router of requires)
    t.match(routers.announced(router), [{ state: 'sent', nextHop: '10.0.1.1' }]);
});
