import t from 'tap';
import { prefixOf } from '../../../src/core/base/prefix.ts';
import { whole } from '../../../src/core/base/slices.ts';
import {
  bitps,
  type LinkId,
  linkId,
  ms,
  prefixText,
  routerId,
} from '../../../src/core/base/units.ts';
import { AdjRibIn } from '../../../src/core/bgp/rib/adj-rib-in.ts';
import { internalKind } from '../../../src/core/bgp/rib/intake.ts';
import { encodeAttributes } from '../../../src/core/wire/bgp/attribute-encode.ts';
import { openingMarks, recallMarks } from '../../../src/daemon/mark-memory.ts';
import { markedRouters, spreadRouter } from '../../../src/daemon/marked-router.ts';
import { type MarksTurn, SessionMarks } from '../../../src/daemon/session-marks.ts';
import type { MarkChanges, Weights } from '../../../src/engine/index.ts';
import type { SessionStatus, SpeakerChange } from '../../../src/speaker/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { settingsOf } from '../../support/settings.ts';
import { snapshotOf } from '../../support/snapshot.ts';

const br1 = routerId('br1');
const [north, south, east] = [linkId('north'), linkId('south'), linkId('east')];
const asns = new Map([
  [north, 65001],
  [south, 65002],
  [east, 65003],
]);
const text = `
asn: 64512
mode: control
networks: [198.51.100.0/23]
management: { address: 10.0.0.9 }
wires: [{ name: core, place: inside, inside: eth1, outside: eth2 }]
links:
${[...asns].map(([link, asn], i) => `  - { name: ${link}, asn: ${asn}, capacity: 100M, router: br1, attribute: { wire: core, dscp: ${10 + i} }, mark: { dscp: ${10 + i} } }`).join('\n')}
routers: [{ name: br1, address: 10.0.0.1, bgp: {} }]
outbound: {}
rails: { settle: 10s, hold: 10m, max_age: 1m }
`;
const settings = settingsOf(text);

/** A router's table, filled by hand. */
class Told {
  readonly rib = new AdjRibIn();
  readonly peer = this.rib.addPeer();
  phase: SessionStatus['phase'] = 'established';
  #listeners: ((change: SpeakerChange) => void)[] = [];

  readonly onChange = (listener: (change: SpeakerChange) => void) => {
    this.#listeners.push(listener);
    return () => undefined;
  };
  readonly ribPeerOf = () => this.peer;
  // A cast: what else a session tells is not looked at.
  readonly sessions = () => [
    {
      router: br1,
      phase: this.phase,
      isSettled: true,
      capabilities: [],
    } as unknown as SessionStatus,
  ];

  tell(prefix: string, ...links: readonly LinkId[]): void {
    const { bytes, length } = prefixOf(prefixText(prefix));
    for (const link of asns.keys()) {
      const id = asns.get(link) ?? 0;
      const has = links.includes(link);
      if (!has) this.rib.withdraw(4, bytes, 0, length, this.peer, id);
      else {
        const block = blockOf(id);
        const attributes = this.rib.attributes.intern(block, 0, block.length, internalKind);
        this.rib.announce(4, bytes, 0, length, this.peer, id, attributes);
      }
    }
    const action = links.length > 0 ? 'announced' : 'withdrawn';
    for (const listener of this.#listeners)
      listener({ kind: 'received', router: br1, prefix: prefixText(prefix), action });
  }
}

const blockOf = (asn: number): Uint8Array =>
  encodeAttributes(
    {
      origin: 'igp',
      asPath: [{ kind: 'sequence', asns: [asn, 65100] }],
      nextHop: `192.0.2.${asn % 100}`,
      localPref: 100,
    },
    { as4: true, addPath: { 4: true, 6: true } },
  );

function stage(remembered = recallMarks(undefined, settings, 0)) {
  const clock = new FakeClock(1_700_000_000_000);
  const told = new Told();
  const changes: MarkChanges[] = [];
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const engine = {
    readjust: async (marks: MarkChanges) => {
      changes.push(marks);
    },
    *prepare(_: readonly Weights[]) {},
  };
  const world = { speaker: told, station: undefined, sources: undefined, engine };
  const marks = new SessionMarks(settings, br1, world, { clock, log }, remembered);
  let at = 0;
  const turn = (more: Partial<MarksTurn> = {}) => {
    at += 30_000;
    clock.advance(30_000);
    const counted = [prefixText('203.0.113.0/24')];
    const input: MarksTurn = {
      observation: {
        at: ms(clock.wall()),
        intervalMs: ms(30_000),
        links: [...asns.keys()].map((link) => ({ link, isUp: true, capacity: bitps(100e6) })),
        blocks: [],
      },
      mode: 'control',
      span: {
        earlier: snapshotOf(at - 30_000, { inbound: {} }),
        later: snapshotOf(at, { inbound: {} }),
      },
      rates: { rates: new Map(), source: 'wire', ageMs: 0 },
      times: undefined,
      counted,
      ...more,
    };
    const isDue = whole(marks.turn(input));
    if (isDue) marks.published(counted);
    return isDue;
  };
  return { clock, told, marks, changes, turn };
}

t.test('one router whose links all have marks, and nobody else tells', async (t) => {
  t.equal(spreadRouter(settings), br1);
  t.same(markedRouters(settingsOf(text.replace('outbound: {}', ''))), []);
  const injected = text.replace('address: 10.0.0.9', 'address: 10.0.0.9, egress_address: 10.0.0.8');
  t.same(markedRouters(settingsOf(injected)), [], 'who is told of detours reads no marks');
  t.same(markedRouters(settingsOf(text.replace(', mark: { dscp: 12 }', ''))), []);
});

t.test(
  'sessions are shared by capacity, and destinations that fewer links reach by those',
  async (t) => {
    const { told, marks, turn } = stage();
    for (let n = 0; n < 40; n++) told.tell(`203.0.${n}.0/24`, north, south, east);
    t.equal(marks.isOn, false);
    turn();
    t.equal(marks.isOn, true);
    t.same(marks.tables.otherwise, { east: 22, north: 21, south: 21 });
    t.same(marks.tables.groups, [], 'no destination differs');
    t.equal(marks.tables.packed?.count, 0);
    told.tell('203.0.113.0/24', south, east);
    t.equal(turn(), true, 'the wires need another table');
    t.same(
      marks.tables.groups?.map(({ name }) => name),
      ['south+east'],
    );
    t.same(Object.keys(marks.tables.groups?.[0]?.weights ?? {}).sort(), [east, south]);
    t.equal(marks.tables.packed?.count, 41);
    t.equal(marks.groupOf(prefixText('203.0.113.0/24')), 'south+east');
    t.equal(marks.groupOf(prefixText('203.0.1.0/24')), undefined);
    t.equal(turn(), false, 'nothing changed');
  },
);

t.test('a destination that loses a link takes its past along', async (t) => {
  const { told, marks, turn } = stage();
  for (let n = 0; n < 40; n++) told.tell(`203.0.${n}.0/24`, north, south, east);
  turn();
  told.tell('203.0.7.0/24', north, east);
  turn();
  t.match(marks.tables.groups, [{ name: 'north+east<' }]);
  t.same(Object.keys(marks.tables.groups?.[0]?.weights ?? {}).sort(), [east, north]);
  told.tell('203.0.7.0/24', north, south, east);
  turn();
  t.match(marks.tables.groups, [{ name: '<north+east<', from: 'north+east<' }], 'and back');
  t.same(marks.tables.groups?.[0]?.weights, marks.tables.otherwise);
});

t.test('a link whose routes go is left within a second, and taken up again', async (t) => {
  const { clock, told, marks, changes, turn } = stage();
  for (let n = 0; n < 200; n++) told.tell(`203.0.${n}.0/24`, north, south, east);
  turn();
  changes.length = 0;
  for (let n = 0; n < 60; n++) told.tell(`203.0.${n}.0/24`, south, east);
  clock.advance(1000);
  t.same(changes, [], 'a part of its routes is no failure of the link');
  for (let n = 60; n < 200; n++) told.tell(`203.0.${n}.0/24`, south, east);
  clock.advance(1000);
  t.same(changes, [{ down: [north] }]);
  t.same([...marks.down], [[north, 'routes withdrawn']]);
  turn();
  t.same(marks.tables.otherwise, { east: 33, south: 31 }, 'as they were without it');
  for (let n = 0; n < 200; n++) told.tell(`203.0.${n}.0/24`, north, south, east);
  turn();
  t.same(marks.tables.down, []);
  t.same(marks.tables.otherwise, { east: 22, north: 21, south: 21 }, 'with its weights');
});

t.test('a lost session with the router changes nothing before the hold time', async (t) => {
  const { told, marks, turn } = stage();
  told.tell('203.0.1.0/24', north, south, east);
  turn();
  told.phase = 'connect';
  told.tell('203.0.1.0/24');
  turn();
  t.equal(marks.isOn, true);
  t.same(marks.tables.down, []);
  for (let n = 0; n < 21; n++) turn();
  t.equal(marks.isOn, false, 'then plain BGP');
  t.same(marks.tables.down, [north, south, east], 'for all sessions');
});

t.test('withdrawn by the operator all sessions are the router’s at once', async (t) => {
  const { told, marks, changes, turn } = stage();
  told.tell('203.0.1.0/24', north, south, east);
  turn();
  turn({ mode: 'observe' });
  t.same(changes.at(-1)?.down, [north, south, east]);
  t.ok(marks.plan, 'what it would be is still shown');
});

t.test('a restart goes on with the same secret and weights', async (t) => {
  const { told, marks, turn } = stage();
  told.tell('203.0.1.0/24', north, south, east);
  turn();
  const memory = { at: 1_700_000_000_000, marks: marks.memory };
  const again = recallMarks(memory, settings, memory.at + 60_000);
  t.same(openingMarks(again), {
    hashKey: marks.memory.hashKey,
    otherwise: { east: 22, north: 21, south: 21 },
  });
  t.equal(stage(again).marks.isOn, true);
  const late = recallMarks(memory, settings, memory.at + 3_600_000);
  t.same(openingMarks(late), { hashKey: marks.memory.hashKey }, 'the secret stays for good');
  const advised = settingsOf(text.replace('mode: control', 'mode: advise'));
  t.equal(recallMarks(memory, advised, memory.at).isOn, false);
});
