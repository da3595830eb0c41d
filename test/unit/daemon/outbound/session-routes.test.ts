import t from 'tap';
import { bitps, linkId, ms, prefixText, routerId } from '../../../../src/core/base/units.ts';
import { AdjRibIn } from '../../../../src/core/bgp/rib/adj-rib-in.ts';
import type { Override } from '../../../../src/core/decide/egress/index.ts';
import {
  nameOf,
  parseName,
  SessionRoutes,
} from '../../../../src/daemon/outbound/session-routes.ts';
import type { ConfiguredRouters } from '../../../../src/daemon/routes/configured.ts';
import { ToldPaths } from '../../../../src/daemon/routes/told-paths.ts';
import type { HeavySession } from '../../../../src/engine/index.ts';
import { emptyIntent, type SessionRoute } from '../../../../src/router/index.ts';
import type { SessionStatus, Speaker } from '../../../../src/speaker/index.ts';
import { receivedRoute } from '../../../support/received-route.ts';
import { sessionsByRules, settingsOf } from '../../../support/settings.ts';

const settings = settingsOf(`${sessionsByRules}cycle: { interval: 10s, average: 20s }
`);
const br1 = routerId('br1');
const [north, south] = ['north', 'south'].map(linkId);
const destination = prefixText('203.0.113.0/24');

const session = (port: number, l2Bytes: number, protocol: 'tcp' | 'udp' = 'tcp'): HeavySession => ({
  protocol,
  source: '198.51.100.1',
  sourcePort: port,
  destination: '203.0.113.9',
  destinationPort: 443,
  l2Bytes,
});

/** A router with two ways to the destination, which does at once what it is told. */
function stage(initial: ReadonlyArray<Override<string>> = []) {
  const rib = new AdjRibIn();
  rib.announce(4, Uint8Array.of(203, 0, 113, 0), 0, 24, rib.addPeer(), 1, 0);
  const route = (nextHop: string, asPath: string, localPref: number) =>
    receivedRoute({ prefix: destination, router: br1, nextHop, asPath, localPref });
  const { outbound } = settings;
  if (!outbound) throw new Error('the settings have outbound');
  let rules: readonly SessionRoute[] = [];
  const routes = new SessionRoutes(
    settings,
    outbound,
    new ToldPaths(
      {
        rib,
        routesFrom: () => [
          route('192.0.2.1', '65001 65100', 200),
          route('192.0.2.5', '65002 65100', 100),
        ],
        // A cast: what else a session tells is not looked at.
        sessions: () => [
          { router: br1, phase: 'established', isSettled: true } as unknown as SessionStatus,
        ],
      } satisfies Pick<Speaker, 'rib' | 'routesFrom' | 'sessions'>,
      undefined,
    ),
    // A cast: the parts that are not asked for are left out.
    {
      setOutbound: (_, part) => {
        rules = part.sessions ?? [];
      },
      inForce: () => ({ ...emptyIntent, sessions: rules }),
      trouble: () => undefined,
    } as Pick<
      ConfiguredRouters,
      'setOutbound' | 'inForce' | 'trouble'
    > as unknown as ConfiguredRouters,
    { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    initial,
  );
  let seconds = 0;
  const bytes = new Map<HeavySession, number>();
  return {
    routes,
    rules: () => rules.map(({ sourcePort, link }) => `${sourcePort} by ${link}`).sort(),
    /** Ten seconds in which each session sends at its rate, bit/s. */
    turn: (rates: ReadonlyArray<readonly [session: HeavySession, rate: number]>) => {
      seconds += 10;
      for (const [of, rate] of rates) bytes.set(of, (bytes.get(of) ?? 0) + (rate * 10) / 8);
      routes.turn({
        observation: {
          at: ms(1_700_000_000_000 + seconds * 1000),
          intervalMs: ms(10_000),
          links: [north, south].flatMap((link) =>
            link ? [{ link, isUp: true, capacity: bitps(100e6) }] : [],
          ),
          blocks: [],
        },
        mode: 'control',
        heaviest: rates.map(([of]) => ({ ...of, l2Bytes: bytes.get(of) ?? 0 })),
        nowMs: seconds * 1000,
      });
    },
  };
}

const [a, b, c] = [session(1, 0), session(2, 0), session(3, 0, 'udp')];

t.test('the sessions that suffice are routed by another link, and only they', async (t) => {
  const { turn, rules, routes } = stage();
  for (let i = 0; i < 2; i++) {
    turn([[a, 60e6], [b, 25e6], [c, 20e6]]); // biome-ignore format: a row per turn
    t.same(rules(), [], 'not before a whole averaging time');
  }
  turn([[a, 60e6], [b, 25e6], [c, 20e6]]); // biome-ignore format: a row per turn
  t.same(rules(), ['2 by 2']);
  t.match(routes.routers, [
    { router: 'br1', plan: { overrides: [{ from: 'north', link: 'south' }] } },
  ]);
  t.match(routes.told({ router: 'br1' }), [{ state: 'sent', detour: { nextHop: '192.0.2.5' } }]);
});

t.test('they stay there while they last, though their link has room again', async (t) => {
  const { turn, rules } = stage();
  for (let i = 0; i < 3; i++) turn([[a, 60e6], [b, 35e6]]); // biome-ignore format: a row per turn
  t.same(rules(), ['2 by 2']);
  for (let i = 0; i < 5; i++) turn([[b, 1e6]]); // biome-ignore format: a row per turn
  t.same(rules(), ['2 by 2'], 'sticky');
  turn([]);
  t.same(rules(), [], 'TCP that closes is gone at once');
});

t.test('UDP that says nothing for a minute has ended', async (t) => {
  const { turn, rules } = stage();
  for (let i = 0; i < 3; i++) turn([[a, 60e6], [c, 35e6]]); // biome-ignore format: a row per turn
  t.same(rules(), ['3 by 2']);
  for (let i = 0; i < 5; i++) turn([[c, 0]]); // biome-ignore format: a row per turn
  t.same(rules(), ['3 by 2']);
  turn([]);
  turn([]);
  t.same(rules(), []);
});

t.test('a restart changes nothing while what was routed is seen again', async (t) => {
  const first = stage();
  for (let i = 0; i < 3; i++) first.turn([[a, 60e6], [b, 35e6]]); // biome-ignore format: a row
  const again = stage(first.routes.overrides);
  again.turn([]);
  for (let i = 0; i < 3; i++) again.turn([[b, 1e6]]); // biome-ignore format: a row per turn
  t.same(again.rules(), ['2 by 2']);
  t.same(again.routes.overrides[0]?.since, first.routes.overrides[0]?.since);
});

t.test('a session has a name that can be read back', async (t) => {
  for (const one of [a, c, { ...b, source: '2001:db8::1', destination: '2001:db8:f::9' }]) {
    const { l2Bytes, ...tuple } = one;
    t.same(parseName(nameOf(one)), tuple, `${nameOf(one)}, ${l2Bytes} bytes`);
  }
  t.equal(parseName('icmp 1.2.3.4:1 > 5.6.7.8:2'), undefined);
});
