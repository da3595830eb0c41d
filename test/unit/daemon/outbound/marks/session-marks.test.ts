import t from 'tap';
import { prefixText } from '../../../../../src/core/base/units.ts';
import { openingMarks, recallMarks } from '../../../../../src/daemon/outbound/marks/mark-memory.ts';
import { explainDestination } from '../../../../../src/daemon/outbound/marks/mark-views.ts';
import {
  markedRouters,
  spreadRouter,
} from '../../../../../src/daemon/outbound/marks/marked-router.ts';
import { br1, east, marksStage, marksText, north, south } from '../../../../support/marks-stage.ts';
import { settingsOf } from '../../../../support/settings.ts';

const settings = settingsOf(marksText);

t.test('one router whose links all have marks, and nobody else tells', async (t) => {
  t.equal(spreadRouter(settings), br1);
  t.same(markedRouters(settingsOf(marksText.replace('outbound: {}', ''))), []);
  const injected = marksText.replace(
    'address: 10.0.0.9',
    'address: 10.0.0.9, egress_address: 10.0.0.8',
  );
  t.same(markedRouters(settingsOf(injected)), [], 'who is told of detours reads no marks');
  t.same(markedRouters(settingsOf(marksText.replace(', mark: { dscp: 12 }', ''))), []);
});

t.test(
  'sessions are shared by capacity, and destinations that fewer links reach by those',
  async (t) => {
    const { told, marks, turn } = marksStage();
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

t.test('two units of a pair mark by the same tables, and either goes on with them', async (t) => {
  const weighsTime = settingsOf(`${marksText}objective: { balance: 1, response: 2 }\n`);
  const [one, other] = [marksStage(), marksStage()];
  for (const { told, marks } of [one, other]) {
    marks.adopt(weighsTime);
    for (let n = 0; n < 40; n++) told.tell(`203.0.${n}.0/24`, north, south, east);
    told.tell('203.0.113.0/24', south, east);
  }
  const times = new Map([
    [
      prefixText('203.0.7.0/24'),
      {
        north: { us: 10_000, samples: 9 },
        south: { us: 40_000, samples: 9 },
        east: { us: 40_000, samples: 9 },
      },
    ],
  ]);
  const counted = [...times.keys()];
  one.turn({ times, counted });
  // What the other measures itself is another picture of the same traffic.
  other.turn({ role: 'keeps', counted });
  t.equal(other.marks.isOn, false);
  other.marks.follow(JSON.parse(JSON.stringify(one.marks.shared)));
  t.equal(other.turn({ role: 'follows', counted }), true, 'another hash, other tables');
  t.same(other.marks.tables, one.marks.tables);
  t.equal(one.marks.shared.near.length, 1, 'measured by the first alone');
  t.same(
    counted.map((each) => other.marks.classOf(each)),
    counted.map((each) => one.marks.classOf(each)),
  );
  t.equal(other.turn({ role: 'follows', counted }), false, 'once is enough');
  other.turn({ role: 'keeps', counted });
  t.same(other.marks.tables, one.marks.tables, 'the first was lost');
  t.equal(other.marks.isOn, true);
  other.turn({ role: 'decides', counted, times });
  t.same(other.marks.tables.otherwise, one.marks.tables.otherwise, 'it goes on from there');
  other.turn({ role: 'lets_go', counted });
  t.equal(other.marks.isOn, false);
});

t.test('any foreign prefix is explained by the route that covers it', async (t) => {
  const { told, marks, turn } = marksStage();
  const of = (prefix: string) => explainDestination(marks, prefixText(prefix));
  for (let n = 0; n < 40; n++) told.tell(`203.0.${n}.0/24`, north, south, east);
  told.tell('203.0.113.0/24', south, east);
  t.equal(of('203.0.113.0/24'), undefined, 'nothing was decided yet');
  turn();
  t.match(of('203.0.113.7/32'), {
    prefix: '203.0.113.7/32',
    router: br1,
    is_on: true,
    class: 'south+east',
    prefixes: 1,
    down: [],
  });
  const { links = [], reason } = of('203.0.113.7/32') ?? {};
  t.same(links.map(({ link }) => link).sort(), [east, south]);
  t.equal(
    links.reduce((sum, { share }) => sum + share, 0),
    1,
  );
  t.ok(reason, 'with the reason that headgate destinations gives');
  t.equal(of('192.0.2.0/24')?.class, 'north+south+east', 'what no route covers goes by all');
});

t.test('a destination that loses a link takes its past along', async (t) => {
  const { told, marks, turn } = marksStage();
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
  const { clock, told, marks, changes, turn } = marksStage();
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
  const { told, marks, turn } = marksStage();
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
  const { told, marks, changes, turn } = marksStage();
  told.tell('203.0.1.0/24', north, south, east);
  turn();
  turn({ mode: 'observe' });
  t.same(changes.at(-1)?.down, [north, south, east]);
  t.ok(marks.plan, 'what it would be is still shown');
});

t.test('a restart goes on with the same secret and weights', async (t) => {
  const { told, marks, turn } = marksStage();
  told.tell('203.0.1.0/24', north, south, east);
  turn();
  const memory = { at: 1_700_000_000_000, marks: marks.memory };
  const again = recallMarks(memory, settings, memory.at + 60_000);
  t.same(openingMarks(again), {
    hashKey: marks.memory.hashKey,
    otherwise: { east: 22, north: 21, south: 21 },
  });
  t.equal(marksStage(again).marks.isOn, true);
  const late = recallMarks(memory, settings, memory.at + 3_600_000);
  t.same(openingMarks(late), { hashKey: marks.memory.hashKey }, 'the secret stays for good');
  const advised = settingsOf(marksText.replace('mode: control', 'mode: advise'));
  t.equal(recallMarks(memory, advised, memory.at).isOn, false);
});
