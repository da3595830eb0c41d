import fc from 'fast-check';
import t from 'tap';
import { bitps, linkId, ms, prefixText } from '../../../../src/core/base/units.ts';
import { type MergeInput, mergeReports, type UnitPart } from '../../../../src/core/model/merge.ts';
import type { BlockRouting, Observation } from '../../../../src/core/model/observation.ts';
import { reportOf } from '../../../../src/core/model/report.ts';

const block = prefixText('198.51.100.0/24');
const other = prefixText('198.51.101.0/24');
const [a, b] = [linkId('a'), linkId('b')];
const capacity = bitps(1e9);

/** What a unit saw on one link: `rate` bit/s, all of it for the first block. */
const seen = (link: typeof a, rate: number, source: 'wire' | 'snmp' = 'wire'): Observation => ({
  at: ms(0),
  intervalMs: ms(1000),
  links: [
    {
      link,
      isUp: true,
      capacity,
      inbound: { value: bitps(rate), ageMs: ms(10), coverage: 1, source },
    },
  ],
  blocks: [
    {
      block,
      inbound: [{ link, rate: bitps(rate) }],
      outbound: [],
      ageMs: ms(10),
      coverage: 1,
      routing: { carriedOn: [link] },
    },
    { block: other, inbound: [], outbound: [], ageMs: ms(10), coverage: 1 },
  ],
});
const part = (unit: string, observation: Observation, ageMs = 0): UnitPart => ({
  unit,
  ageMs,
  report: reportOf(observation),
  hasOurBlocks: true,
});
const merged = (more: Partial<MergeInput>) =>
  mergeReports({
    at: ms(5),
    links: [
      { link: a, capacity, units: ['west'], pairing: 'parallel' },
      { link: b, capacity, units: ['east'], pairing: 'parallel' },
    ],
    blocks: [block, other],
    parts: [],
    frozen: new Map(),
    gone: new Set(),
    ...more,
  });

t.test('each unit’s links, and blocks summed over all', (t) => {
  const { links, blocks } = merged({
    parts: [part('west', seen(a, 5)), part('east', seen(b, 7), 100)],
  });
  t.match(links, [
    { link: 'a', inbound: { value: 5, ageMs: 10 } },
    { link: 'b', inbound: { value: 7, ageMs: 110 } },
  ]);
  t.same(blocks[0]?.inbound, [
    { link: b, rate: 7 },
    { link: a, rate: 5 },
  ]);
  t.match(blocks, [
    { ageMs: 110, coverage: 1, routing: { carriedOn: ['b', 'a'] } },
    { inbound: [] },
  ]);
  t.end();
});

t.test('a unit that has not spoken leaves its link out; one that is gone has it down', (t) => {
  const parts = [part('west', seen(a, 5))];
  t.same(
    merged({ parts }).links.map(({ link }) => link),
    ['a'],
  );
  t.match(merged({ parts, gone: new Set(['east']) }).links, [
    { isUp: true },
    { link: 'b', isUp: false },
  ]);
  t.end();
});

t.test('what a silent unit announces is frozen', (t) => {
  const parts = [part('west', seen(a, 5)), part('east', seen(b, 7), 9000)];
  const { blocks } = merged({ parts, frozen: new Map([['east', 'unit east is silent']]) });
  t.match(blocks, [{ routing: { frozenReason: 'unit east is silent' }, ageMs: 10 }, {}]);
  t.end();
});

t.test('what a silent unit was only about to announce is frozen too', (t) => {
  const silent = seen(b, 7);
  const withRouting = (routing: BlockRouting): Observation => ({
    ...silent,
    blocks: silent.blocks.map((entry) => (entry.block === block ? { ...entry, routing } : entry)),
  });
  const routingOf = (routing: BlockRouting) =>
    merged({
      parts: [part('west', seen(a, 5)), part('east', withRouting(routing), 9000)],
      frozen: new Map([['east', 'unit east is silent']]),
    }).blocks[0]?.routing;
  t.same(routingOf({ carriedOn: [] }), { carriedOn: [a] });
  t.same(routingOf({ carriedOn: [], awaitedOn: [b] }), {
    carriedOn: [a],
    awaitedOn: [b],
    frozenReason: 'unit east is silent',
  });
  t.end();
});

t.test('a pair on one link: parts are summed, the same traffic is counted once', (t) => {
  const parts = [part('west', seen(a, 5)), part('spare', seen(a, 4))];
  const pair = (pairing: 'parallel' | 'series', more: Partial<MergeInput> = {}) =>
    merged({ links: [{ link: a, capacity, units: ['west', 'spare'], pairing }], parts, ...more });
  t.match(pair('parallel'), {
    links: [{ inbound: { value: 9 } }],
    blocks: [{ inbound: [{ rate: 9 }] }, {}],
  });
  t.match(pair('series').blocks[0]?.inbound, [{ rate: 5 }]);
  const counters = [part('west', seen(a, 5, 'snmp')), part('spare', seen(a, 5, 'snmp'))];
  t.match(pair('parallel', { parts: counters }).links, [{ inbound: { value: 5 } }]);
  const alone = pair('parallel', { gone: new Set(['west']) });
  t.match(alone, {
    links: [{ isUp: true, inbound: { value: 4 } }],
    blocks: [{ inbound: [{ rate: 4 }] }, {}],
  });
  t.end();
});

t.test('blocks that were divided otherwise count as not measured', (t) => {
  const parts = [part('west', seen(a, 5)), { ...part('east', seen(b, 7)), hasOurBlocks: false }];
  t.match(merged({ parts }).blocks, [{ coverage: 0, inbound: [{ link: 'a' }] }, { coverage: 0 }]);
  t.end();
});

t.test('the order of the parts is nothing', (t) => {
  const all = [part('west', seen(a, 5)), part('east', seen(b, 7), 100), part('far', seen(b, 9))];
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: 3 }), (parts) => {
      t.same(merged({ parts }), merged({ parts: all }));
    }),
    { numRuns: 12 },
  );
  t.end();
});
