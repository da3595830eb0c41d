import t from 'tap';
import { formatPrefix, prefixOf } from '../../../../src/core/base/prefix.ts';
import { linkId, prefixText, routerId } from '../../../../src/core/base/units.ts';
import { AdjRibIn } from '../../../../src/core/bgp/rib/adj-rib-in.ts';
import { type Station, ToldPaths } from '../../../../src/daemon/routes/told-paths.ts';
import type { ReceivedRoute, SessionStatus } from '../../../../src/speaker/index.ts';
import { receivedRoute } from '../../../support/received-route.ts';
import { settingsOf } from '../../../support/settings.ts';

const settings = settingsOf(`
asn: 64512
mode: control
networks: [198.51.100.0/24]
management: { address: 10.0.0.9, egress_address: 10.0.0.10 }
links:
  - { name: north, asn: 65001, capacity: 100M, router: br1 }
  - { name: south, asn: 65002, capacity: 100M, router: br1 }
routers: [{ name: br1, address: 10.0.0.1, bgp: { add_path: false } }]
bmp: { listen: "10.0.0.9:11019" }
flows: { listen: ["10.0.0.9:2055"], exporters: [{ address: 10.0.0.1, router: br1 }] }
outbound: {}
`);
const br1 = routerId('br1');
const prefix = prefixText('203.0.113.0/24');
const [north, south] = ['north', 'south'].map(linkId);

/** As BMP tells it: without a local preference, so that the shorter path of south seems better. */
const route = (nextHop: string, asPath: string) =>
  receivedRoute({ prefix, router: br1, pathId: 0, nextHop, asPath });
const byNorth = route('192.0.2.1', '65001 65009 65100');
const bySouth = route('192.0.2.5', '65002 65100');

/** `told`: by the session, `kept`: by BMP. */
function paths(
  told: readonly ReceivedRoute[],
  kept: readonly ReceivedRoute[],
  capabilities: readonly string[] = [],
): ToldPaths {
  const tableOf = (routes: readonly ReceivedRoute[]) => {
    const rib = new AdjRibIn();
    const peer = rib.addPeer();
    for (const { prefix } of routes)
      rib.announce(4, prefixOf(prefix).bytes, 0, prefixOf(prefix).length, peer, 1, 0);
    return rib;
  };
  const station: Station = {
    tellsKept: () => kept.length > 0,
    keptRoutes: () => kept,
    tables: () => (kept.length > 0 ? new Map([[br1, tableOf(kept)]]) : new Map()),
    onChange: () => undefined,
  };
  return new ToldPaths(
    {
      rib: tableOf(told),
      // A cast: what else a session tells is not looked at.
      sessions: () => [
        { router: br1, phase: 'established', capabilities } as unknown as SessionStatus,
      ],
      routesFrom: () => told,
    },
    station,
  );
}
const order = (known: ToldPaths, from = north) =>
  known.waysOut(settings, [br1], prefix, from).routes.map(({ link }) => link);

t.test(
  'of a router without add-path BMP tells the paths, and its session which is best',
  async (t) => {
    const known = paths([byNorth], [byNorth, bySouth]);
    t.equal(known.allBy(br1), 'bmp');
    t.same(order(known, south), [north, south]);
  },
);

t.test(
  'while a detour hides the best path, plain BGP is taken to prefer what it did',
  async (t) => {
    const ours = { ...bySouth, largeCommunities: ['64512:0:1'] };
    t.same(order(paths([], [byNorth, bySouth])), [north, south]);
    t.same(order(paths([ours], [byNorth, bySouth])), [north, south]);
    t.same(order(paths([], [bySouth])), [south], 'unless that path is gone');
  },
);

t.test('with add-path the session tells all, and BMP nothing more', async (t) => {
  const known = paths([byNorth], [byNorth, bySouth], ['add_path_receive']);
  t.equal(known.allBy(br1), 'add_path');
  t.same(order(known), [north]);
});

t.test('with neither, all paths are not known', async (t) => {
  t.equal(paths([byNorth], []).allBy(br1), undefined);
});

t.test('what only BMP tells is counted and found like what the session tells, once', async (t) => {
  const other = { ...bySouth, prefix: prefixText('203.0.112.0/23') };
  const known = paths([byNorth], [byNorth, other]);
  const entries = [...known.entries(4)].map((entry) => formatPrefix(entry.prefix));
  t.same(entries, [prefix, other.prefix]);
  t.same(known.covering(prefixOf(prefix)).map(formatPrefix), [prefix, prefix, other.prefix]);
  t.equal(known.longestLength(4, Uint8Array.of(203, 0, 112, 1), 0), 23);
  t.same([...paths([byNorth], [byNorth, other], ['add_path_receive']).entries(4)].length, 1);
});
