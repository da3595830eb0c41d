import t from 'tap';
import {
  bitps,
  type LinkId,
  linkId,
  ms,
  type PrefixText,
  prefixText,
  routerId,
} from '../../../../src/core/base/units.ts';
import type { Detour } from '../../../../src/core/bgp/detour.ts';
import { AdjRibIn } from '../../../../src/core/bgp/rib/adj-rib-in.ts';
import type { Override } from '../../../../src/core/decide/egress/index.ts';
import type { Observation } from '../../../../src/core/model/observation.ts';
import type { FlowStretch } from '../../../../src/daemon/measure/samples.ts';
import {
  attributedRates,
  measureRates,
  unattributed,
} from '../../../../src/daemon/outbound/destination-rates.ts';
import { destinationsView } from '../../../../src/daemon/outbound/destination-views.ts';
import {
  Destinations,
  type DestinationsTurn,
  recallDetours,
} from '../../../../src/daemon/outbound/destinations.ts';
import { waysOut } from '../../../../src/daemon/routes/egress-routes.ts';
import { ToldPaths } from '../../../../src/daemon/routes/told-paths.ts';
import type { ReceivedRoute, SessionStatus, Speaker } from '../../../../src/speaker/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { receivedRoute } from '../../../support/received-route.ts';
import { settingsOf } from '../../../support/settings.ts';
import { snapshotOf } from '../../../support/snapshot.ts';

const text = (more = '', router = '') => `
asn: 64512
mode: control
networks: [198.51.100.0/23]
management: { address: 10.0.0.9, egress_address: 10.0.0.10 }
links:
  - { name: north, asn: 65001, capacity: 100M, router: br1${more} }
  - { name: south, asn: 65002, capacity: 100M, router: br1 }
routers: [{ name: br1, address: 10.0.0.1, bgp: {}${router} }]
outbound: { threshold: 90%, target: 80%, release: 70% }
rails: { hold: 10m, max_age: 1m }
`;
const settings = settingsOf(text());
const br1 = routerId('br1');
const [north, south] = [linkId('north'), linkId('south')];
const destination = (n: number) => prefixText(`203.0.${n}.0/24`);

const route = (nextHop: string, asPath: string, more: Partial<ReceivedRoute> = {}) =>
  receivedRoute({ prefix: destination(1), router: br1, nextHop, asPath, ...more });
const byNorth = route('192.0.2.1', '65001 65100', { localPref: 200 });
const byEast = route('192.0.2.9', '65003 65100', { localPref: 50 });
const bySouth = route('192.0.2.5', '65002 65100', { localPref: 100 });

t.test(
  'ways out stand in the order of BGP, whatever the order in which they were told',
  async (t) => {
    const expected = [
      { link: north, nextHop: '192.0.2.1' },
      { link: south, nextHop: '192.0.2.5' },
    ];
    t.same(waysOut(settings, [byNorth, bySouth]).routes, expected);
    t.same(waysOut(settings, [bySouth, byNorth]).routes, expected);
    const longer = { ...byNorth, localPref: 100, asPath: '65001 65001 65001 65100' };
    t.equal(waysOut(settings, [longer, bySouth]).routes[0]?.link, south, 'the shorter path');
  },
);

t.test('what is no way out is left out, with its reason', async (t) => {
  const cases: readonly (readonly [ReceivedRoute, string])[] = [
    [{ ...byNorth, largeCommunities: ['64512:0:1'] }, 'ours'],
    [{ ...byNorth, isStale: true }, 'stale'],
    [{ ...byNorth, asPath: '' }, 'no_as'],
    [{ ...byNorth, nextHop: '10.0.0.1' }, 'router_itself'],
    [{ ...byNorth, asPath: '65009 65100' }, 'no_link'],
  ];
  for (const [told, reason] of cases)
    t.same(waysOut(settings, [told]), { routes: [], useless: [reason] });
});

t.test('two links to one provider are told apart by its addresses', async (t) => {
  const twins = settingsOf(
    text(', neighbor: 192.0.2.1')
      .replace('outbound:', 'outbound:')
      .replace(
        'asn: 65002, capacity: 100M, router: br1',
        'asn: 65001, capacity: 100M, router: br1, neighbor: 192.0.2.5',
      ),
  );
  const other = { ...bySouth, asPath: '65001 65100' };
  t.same(
    waysOut(twins, [byNorth, other]).routes.map(({ link }) => link),
    [north, south],
  );
});

t.test('rates come from the wires where they count destinations, else from exports', async (t) => {
  const counted = (atMs: number, l2Bytes: number) => ({
    ...snapshotOf(atMs, { inbound: {} }),
    destinations: [{ prefix: destination(1), packets: 1, l2Bytes }],
  });
  const span = { earlier: counted(0, 1000), later: counted(2000, 251_000), ageMs: 3 };
  t.same(measureRates(span, undefined), {
    rates: new Map([[destination(1), 1_000_000]]),
    source: 'wire',
    ageMs: 3,
  });
  t.match(measureRates(undefined, exported({ 1: 1e6 })), { source: 'flows' });
  t.equal(measureRates(undefined, undefined), undefined);
});

t.test('what no destination accounts for is trusted only as a sum', async (t) => {
  const loads = new Map<LinkId, number>([
    [north, 80],
    [south, 40],
  ]);
  t.same(
    [...unattributed(loads, new Map([[north, 60]]))],
    [
      [north, 20],
      [south, 40],
    ],
  );
  // Right after a detour of 30 the counters still speak of the time before: no traffic came from nowhere.
  const moved = new Map<LinkId, number>([
    [north, 50],
    [south, 70],
  ]);
  t.same([...unattributed(loads, moved).values()], [0, 0]);
  const list = [
    { destination: destination(1), rate: 30, routes: [{ link: north }, { link: south }] },
  ];
  t.same([...attributedRates(list, [], () => true)], [[north, 30]]);
  t.same([...attributedRates(list, [], (link) => link !== north)], [[south, 30]]);
});

t.test('an overload becomes detours that the router is told, and they end with it', async (t) => {
  const scene = stage();
  scene.turn(0, { 1: 60e6, 2: 35e6 });
  t.same(scene.told(), [{ prefix: destination(2), nextHop: '192.0.2.5', localPref: 1000 }]);
  scene.turn(30, { 1: 50e6, 2: 30e6 });
  t.equal(scene.told().length, 1, '80 % are above the release');
  const view = destinationsView(scene.destinations, 1_700_000_090_000);
  t.match(view.detours, [
    { prefix: destination(2), from: 'north', to: 'south', age_ms: 90_000, state: 'sent' },
  ]);
  t.match(view.routers, [{ action: 'control', links: [{ link: 'north' }, { link: 'south' }] }]);
  scene.turn(60, { 1: 40e6, 2: 20e6 });
  t.same(scene.told(), []);
});

t.test('nothing measured: detours stay for the hold time, then plain BGP', async (t) => {
  const scene = stage();
  scene.turn(0, { 1: 60e6, 2: 35e6 });
  scene.turn(300, undefined);
  t.equal(scene.told().length, 1);
  scene.turn(601, undefined);
  t.same(scene.told(), []);
});

t.test('one of a pair carries out what the other decided, and nothing of its own', async (t) => {
  const decides = stage();
  decides.turn(0, { 1: 50e6, 2: 45e6 });
  t.ok(decides.told().length > 0);
  const { overrides: detours, disproved } = decides.destinations;
  const follows = stage();
  follows.turn(0, { 1: 1e6 }, 'control', [], 'keeps');
  t.same(follows.told(), []);
  follows.destinations.follow({ detours, disproved });
  t.same(follows.told(), decides.told());
  follows.turn(30, { 1: 1e6 }, 'control', [], 'follows');
  t.same(follows.told(), decides.told(), 'with so little it would have ended them');
  follows.turn(60, undefined, 'control', [], 'keeps');
  t.same(follows.told(), decides.told());
  t.same(follows.destinations.readiness(0).isTold, true);
  follows.turn(90, { 1: 1e6 }, 'observe', [], 'follows');
  t.same(follows.told(), [], 'its own mode holds');
  follows.turn(120, { 1: 1e6 }, 'control', [], 'lets_go');
  t.same([follows.told(), follows.destinations.overrides], [[], []]);
});

t.test('observe and advise tell nobody; advise shows what it would do', async (t) => {
  for (const mode of ['observe', 'advise'] as const) {
    const scene = stage();
    scene.turn(0, { 1: 60e6, 2: 35e6 }, mode);
    t.same(scene.told(), []);
    t.match(destinationsView(scene.destinations, 0).detours, [{ state: 'advised' }]);
  }
});

t.test(
  'control needs all paths, a session of its own and no BGP customers; else it only advises',
  async (t) => {
    const cases = [
      [text('', ', bgp_customers: true'), {}, /NO_EXPORT/],
      [text(), { egress: undefined }, /egress_address/],
      [text(), { capabilities: [] }, /add_path/],
    ] as const;
    for (const [settingsText, session, reason] of cases) {
      const scene = stage(settingsText, session);
      scene.turn(0, { 1: 60e6, 2: 35e6 });
      t.same(scene.told(), []);
      t.match([...scene.destinations.complaints().values()], [reason]);
      t.match(destinationsView(scene.destinations, 0).routers, [{ action: 'advise', reason }]);
      t.match(destinationsView(scene.destinations, 0).detours, [{ state: 'advised' }]);
    }
  },
);

t.test(
  'a link has a threshold of its own, and in maintenance none of its destinations',
  async (t) => {
    const low = stage(text(', outbound_threshold: 50%'));
    low.turn(0, { 1: 40e6, 2: 20e6 });
    t.equal(low.told().length, 1, '60 % are too much for it');
    const at = new Date(1_700_000_000_000);
    const window = `maintenance: [{ link: north, from: '${at.toISOString()}', to: '${new Date(at.getTime() + 3_600_000).toISOString()}' }]`;
    const drained = stage(`${text()}${window}`);
    drained.turn(0, { 1: 40e6, 2: 20e6 });
    t.equal(drained.told().length, 2, 'drained');
  },
);

t.test(
  'a restart takes up what was in force, unless that is too old or settings differ',
  async (t) => {
    const scene = stage();
    scene.turn(0, { 1: 60e6, 2: 35e6 });
    const memory = { at: 1_700_000_000_000, detours: scene.destinations.overrides };
    const after = (seconds: number, wanted = settings) =>
      recallDetours(memory, wanted, memory.at + seconds * 1000).detours.length;
    t.equal(after(60), 1);
    t.equal(after(601), 0, 'older than the hold time');
    t.equal(after(60, settingsOf(text().replace('control', 'advise'))), 0);
    const again = stage(text(), {}, recallDetours(memory, settings, memory.at).detours);
    again.turn(30, { 1: 50e6, 2: 32e6 });
    t.match(again.destinations.overrides, [{ destination: destination(2), since: memory.at }]);
  },
);

t.test(
  'after a restart what was in force stays until the router has told its table and traffic was counted',
  async (t) => {
    const first = stage();
    first.turn(0, { 1: 60e6, 2: 35e6 });
    const before = first.destinations.overrides;
    t.equal(before.length, 1);
    const session = { isSettled: false };
    // Averages are of two minutes.
    const again = stage(text(), session, before);
    again.turn(30, {});
    again.turn(60, { 1: 6e6, 2: 3e6 });
    t.same(again.destinations.overrides, before, 'its table is not told');
    session.isSettled = true;
    again.turn(90, { 1: 12e6, 2: 7e6 });
    t.same(again.destinations.overrides, before, 'counted for half a minute');
    again.turn(180, { 1: 50e6, 2: 32e6 });
    t.match(again.destinations.overrides, [{ since: before[0]?.since }], 'still needed');
    session.isSettled = false;
    again.turn(210, { 1: 20e6, 2: 3e6 });
    t.equal(again.destinations.overrides.length, 1, 'a lost session ends nothing at once');
    again.turn(810 + 30, { 1: 20e6, 2: 3e6 });
    t.same(again.destinations.overrides, [], 'but after the hold time');
  },
);

t.test('a bit outbound costs nothing while the other direction decides the bill', async (t) => {
  const priced = (direction: string) =>
    text(`, price: { model: percentile, per_mbps: 1, direction: larger }`).replace(
      'asn: 65002, capacity: 100M, router: br1',
      `asn: 65002, capacity: 100M, router: br1, price: { model: percentile, per_mbps: 9, direction: ${direction} } }
  - { name: east, asn: 65003, capacity: 100M, router: br1, price: { model: percentile, per_mbps: 5, direction: outbound }`,
    );
  const takenBy = (direction: string, inbound: number) => {
    const scene = stage(priced(direction), {}, [], [byNorth, bySouth, byEast]);
    const load = { ageMs: ms(0), coverage: 1, source: 'snmp' as const };
    scene.turn(0, { 1: 60e6, 2: 35e6 }, 'control', [
      {
        link: south,
        isUp: true,
        capacity: bitps(100e6),
        inbound: { ...load, value: bitps(inbound) },
        outbound: { ...load, value: bitps(1e6) },
      },
      { link: linkId('east'), isUp: true, capacity: bitps(100e6) },
    ]);
    return scene.told()[0]?.nextHop;
  };
  t.equal(takenBy('larger', 50e6), bySouth.nextHop, 'its bill is by what comes in');
  t.equal(takenBy('larger', 0), byEast.nextHop, 'else it is the dearer');
  t.equal(takenBy('inbound', 0), bySouth.nextHop);
});

t.test('a destination too large to move as a whole is counted and moved in halves', async (t) => {
  const wired = text()
    .replace(
      'links:',
      'wires: [{ name: core, place: inside, inside: eth1, outside: eth2 }]\nlinks:',
    )
    .replace('release: 70%', 'release: 70%, split: 50%');
  const whole = prefixText('203.0.112.0/23');
  const halves = ['203.0.112.0/24', '203.0.113.0/24'].map(prefixText);
  const rib = new AdjRibIn();
  rib.announce(4, Uint8Array.of(203, 0, 112, 0), 0, 23, rib.addPeer(), 1, 0);
  const scene = stage(wired, {}, [], [byNorth, bySouth], rib);
  t.ok(scene.destinations.takeCounted());
  t.same(scene.destinations.counted, [whole]);
  const counted = (atMs: number, bytes: ReadonlyArray<readonly [PrefixText, number]>) => ({
    ...snapshotOf(atMs, { inbound: {} }),
    destinations: bytes.map(([prefix, l2Bytes]) => ({ prefix, packets: 1, l2Bytes })),
  });
  const turn = (seconds: number, rates: ReadonlyArray<readonly [PrefixText, number]>) =>
    scene.destinations.turn({
      observation: observed(seconds),
      mode: 'control',
      measured: measureRates(
        {
          earlier: counted(0, []),
          later: counted(
            8000,
            rates.map(([prefix, rate]) => [prefix, rate]),
          ),
          ageMs: 0,
        },
        undefined,
      ),
      role: 'decides',
    });
  turn(0, [[whole, 120e6]]);
  const half = { prefix: halves[1], nextHop: bySouth.nextHop, of: whole };
  t.match(scene.told(), [half], 'no link has room for the whole');
  t.ok(scene.destinations.takeCounted());
  t.same(scene.destinations.counted, halves);
  turn(
    30,
    halves.map((half) => [half, 60e6] as const),
  );
  t.match(scene.told(), [half], 'as counted it is the same');
});

/** A router that told two ways to each of two destinations, and remembers what it is told. */
function stage(
  settingsText = text(),
  session: Readonly<Record<string, unknown>> = {},
  initial: readonly Override[] = [],
  ways: readonly ReceivedRoute[] = [byNorth, bySouth],
  rib = new AdjRibIn(),
) {
  const own = settingsOf(settingsText);
  const { outbound } = own;
  if (!outbound) throw new Error('the settings have outbound');
  const clock = new FakeClock(1_700_000_000_000);
  let told: readonly Detour[] = [];
  const status: Pick<SessionStatus, 'router' | 'phase' | 'capabilities' | 'isSettled'> = {
    router: br1,
    phase: 'established',
    capabilities: ['add_path_receive'],
    isSettled: true,
  };
  const speaker: Pick<
    Speaker,
    'rib' | 'onChange' | 'sessions' | 'routesFrom' | 'setDetours' | 'detours'
  > = {
    rib,
    onChange: () => () => undefined,
    // A cast: what else a session tells is not looked at.
    sessions: () => [
      { ...status, egress: { phase: 'established' }, ...session } as unknown as SessionStatus,
    ],
    routesFrom: (_, at) => ways.map((r) => ({ ...r, prefix: prefixText(at ?? '') })),
    setDetours: (_, detours) => {
      told = detours;
    },
    detours: () => told.map((detour) => ({ detour, state: 'sent', reason: '' })),
  };
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  // A cast: the parts of the speaker that are not asked for are left out.
  const destinations = new Destinations(
    own,
    outbound,
    { speaker: speaker as Speaker, paths: new ToldPaths(speaker, undefined), clock, log },
    { detours: initial },
  );
  return {
    destinations,
    told: () => told,
    turn: (
      seconds: number,
      rates: Readonly<Record<number, number>> | undefined,
      mode: 'observe' | 'advise' | 'control' = 'control',
      links: Observation['links'] = [],
      role: DestinationsTurn['role'] = 'decides',
    ) =>
      destinations.turn({
        observation: observed(seconds, links),
        mode,
        measured: measureRates(undefined, rates && exported(rates)),
        role,
      }),
  };
}

/** `more` stands in the place of the link of its name. */
function observed(seconds: number, more: Observation['links'] = []): Observation {
  const plain = [north, south].map((link) => ({ link, isUp: true, capacity: bitps(100e6) }));
  const links = [...plain.filter(({ link }) => !more.some((m) => m.link === link)), ...more];
  return { at: ms(1_700_000_000_000 + seconds * 1000), intervalMs: ms(30_000), links, blocks: [] };
}

/** Exports over one second, bit/s by destination. */
function exported(rates: Readonly<Record<number, number>>): FlowStretch {
  return {
    links: new Map(),
    blocks: [],
    destinations: new Map(
      Object.entries(rates).map(([n, rate]) => [destination(Number(n)), rate / 8]),
    ),
    errorRatio: 0,
    elapsedMs: 1000,
    ageMs: 0,
    coverage: 1,
    source: 'ipfix',
  };
}
