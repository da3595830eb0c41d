import t from 'tap';
import { bitps, linkId, ms, prefixText } from '../../../../src/core/base/units.ts';
import type { Observation } from '../../../../src/core/model/observation.ts';
import { observe } from '../../../../src/daemon/measure/observe.ts';
import { sumDrains } from '../../../../src/daemon/measure/sources.ts';
import { SnapshotWindow } from '../../../../src/daemon/measure/window.ts';
import { settingsOf, twoLinks } from '../../../support/settings.ts';
import { snapshotOf, type Traffic } from '../../../support/snapshot.ts';

const settings = settingsOf(twoLinks);
const between = (before: Traffic, after: Traffic, elapsedMs = 2000) =>
  observe({
    at: 1_000_000,
    settings,
    wire: { earlier: snapshotOf(500, before), later: snapshotOf(500 + elapsedMs, after), ageMs: 7 },
  });

t.test('rates are differences over the time between snapshots', (t) => {
  const seen = between(
    { inbound: { '198.51.100.0/24 north': 1_000_000, '198.51.101.0/24 south': 0 } },
    { inbound: { '198.51.100.0/24 north': 11_000_000, '198.51.101.0/24 south': 2_500_000 } },
  );
  t.match(seen.links, [
    { link: 'north', isUp: true, inbound: { value: 40e6, ageMs: 7, coverage: 1, source: 'wire' } },
    { link: 'south', isUp: true, inbound: { value: 10e6 } },
  ]);
  t.same(seen.blocks[0]?.inbound, [{ link: 'north', rate: 40e6 }]);
  t.same(seen.blocks[1]?.inbound, [{ link: 'south', rate: 10e6 }]);
  t.equal(seen.intervalMs, 2000);
  t.end();
});

t.test('without two snapshots nothing was measured, and that is said', (t) => {
  const seen = observe({ at: 1, settings });
  t.same(
    seen.links.map((link) => link.inbound),
    [undefined, undefined],
  );
  t.same(
    seen.blocks.map((block) => block.coverage),
    [0, 0],
  );
  t.end();
});

t.test('bytes whose link is unknown lower the coverage of their block', (t) => {
  const seen = between(
    { inbound: { '198.51.100.0/24 north': 0, '198.51.100.0/24 -': 0 } },
    { inbound: { '198.51.100.0/24 north': 3000, '198.51.100.0/24 -': 1000 } },
  );
  t.equal(seen.blocks[0]?.coverage, 0.75);
  t.same(
    seen.blocks[0]?.inbound.map((entry) => entry.link),
    ['north'],
  );
  t.end();
});

t.test('what passed by the bypass was not measured', (t) => {
  const inbound = { '198.51.100.0/24 north': 0 };
  const seen = between({ inbound }, { inbound, unitPackets: 300, bypassPackets: 100 });
  t.equal(seen.links[0]?.inbound?.coverage, 0.75);
  const idle = between({ inbound }, { inbound, state: 'bypass' });
  t.equal(idle.links[0]?.inbound?.coverage, 0, 'silence during a bypass is no measurement');
  const quiet = between({ inbound }, { inbound });
  t.equal(quiet.links[0]?.inbound?.coverage, 1, 'silence on a wire that forwards is one');
  t.end();
});

t.test('a wire of place link that is down is a link that is down', (t) => {
  const inbound = { '198.51.100.0/24 north': 0 };
  t.same(
    between({ inbound }, { inbound, state: 'down' }).links.map((link) => link.isUp),
    [false, false],
  );
  t.end();
});

t.test(
  'retransmissions count the losses on the provider’s side; round trips are the median of the interval',
  (t) => {
    const inbound = { '198.51.100.0/24 north': 0 };
    const bucket = (count: number, slow: number) => [
      { boundUs: 10_000, count },
      { boundUs: 20_000, count: slow },
    ];
    const seen = between(
      { inbound, segments: 1000, lostBefore: 10, rttUs: bucket(1000, 0) },
      { inbound, segments: 3000, lostBefore: 30, rttUs: bucket(1001, 5) },
    );
    t.equal(seen.links[0]?.retransmissionRatio?.value, 0.01);
    t.equal(seen.links[0]?.rttUs?.value, 20_000, 'samples of before the interval do not count');
    t.end();
  },
);

t.test('what a receiver had already was not lost on the link', (t) => {
  const inbound = { '198.51.100.0/24 north': 0 };
  const ratio = (needless: number) =>
    between(
      { inbound, outboundSegments: 1000, lostBeyond: 10 },
      { inbound, outboundSegments: 2000, lostBeyond: 30, needless },
    ).links[0]?.retransmissionRatio?.value;
  t.equal(ratio(0), 0.02);
  t.equal(ratio(15), 0.005);
  t.equal(ratio(25), 0, 'some of it was counted before the interval');
  t.end();
});

t.test('counters that begin anew are not taken for negative traffic', (t) => {
  const seen = between(
    { inbound: { '198.51.100.0/24 north': 9_000_000 } },
    { inbound: { '198.51.100.0/24 north': 1_000_000 } },
  );
  t.equal(seen.links[0]?.inbound?.value, 4e6);
  t.end();
});

t.test('other sources: a live capacity and a link that a router calls down', (t) => {
  const seen = observe({
    at: 1,
    settings,
    samples: new Map(
      settings.links.map(({ name }) => [name, { isUp: name !== 'north', capacity: 50e6 }]),
    ),
  });
  t.match(seen.links, [
    { isUp: false, capacity: 50e6 },
    { isUp: true, capacity: 50e6 },
  ]);
  t.end();
});

const volume = (l2Bytes: number) => ({
  l2Bytes,
  ipBytes: l2Bytes,
  packets: 1,
  records: 1,
  errorRatio: 0,
});

/** The same network without a wire: what is known comes from routers and their exports. */
const outOfLine = settingsOf(
  twoLinks
    .replace(/wires:\n.*\n.*\n/, '')
    .replace(' attribute: { wire: n },', '')
    .replace(' attribute: { wire: s },', ''),
);

t.test('without a wire the links come from router counters, the blocks from flow exports', (t) => {
  const sampled = (value: number) => ({
    value: bitps(value),
    ageMs: ms(3000),
    coverage: 1,
    source: 'snmp' as const,
  });
  const [north, south] = [linkId('north'), linkId('south')];
  const flows = sumDrains(
    [1, 2].map((n) => ({
      links: [{ link: south, direction: 'inbound' as const, ...volume(n * 1_000_000) }],
      blocks: [
        {
          block: prefixText('198.51.100.0/24'),
          link: south,
          direction: 'inbound' as const,
          ...volume(n * 1_000_000),
        },
      ],
    })),
  );
  const seen = observe({
    at: 1,
    settings: outOfLine,
    samples: new Map([
      [
        north,
        {
          inbound: sampled(40e6),
          outbound: sampled(1e6),
          rttUs: { ...sampled(0), value: 9000, source: 'probe' as const },
        },
      ],
      [south, { isUp: false }],
    ]),
    flows: {
      ...flows,
      destinations: new Map(),
      elapsedMs: 2000,
      ageMs: 50,
      coverage: 0.9,
      source: 'ipfix',
    },
  });
  t.match(seen.links, [
    { isUp: true, inbound: { value: 40e6, source: 'snmp' }, rttUs: { value: 9000 } },
    { isUp: false, inbound: { value: 12e6, source: 'ipfix', coverage: 0.9 } },
  ]);
  t.same(seen.blocks[0]?.inbound, [{ link: 'south', rate: 12e6 }]);
  t.match(seen.blocks[0], { coverage: 0.9, ageMs: 50 });
  t.same(seen.blocks[1]?.inbound, [], 'a block that nobody exported had no traffic');
  t.equal(
    observe({ at: 1, settings: outOfLine }).blocks[0]?.coverage,
    0,
    'no exports, no coverage',
  );
  t.end();
});

t.test('signs of all sources become one verdict per direction, left later than reached', (t) => {
  const sampled = <T>(value: T, source: 'snmp' | 'probe') =>
    ({ value, ageMs: ms(10), coverage: 1, source }) as const;
  const at = (load: number, loss: number, before?: Observation) =>
    observe({
      at: 1,
      settings,
      samples: new Map([
        [
          linkId('north'),
          {
            inbound: sampled(bitps(load * 100e6), 'snmp'),
            outbound: sampled(bitps(1e6), 'snmp'),
            inboundDiscardRatio: sampled(0, 'snmp'),
            lossRatio: sampled(loss, 'probe'),
            lossSent: 1000,
          },
        ],
      ]),
      ...(before ? { before: before.links } : {}),
    });
  const quiet = at(0.5, 0);
  t.match(quiet.links[0]?.congestion, [
    { direction: 'inbound', isCongested: false, value: 0, reasons: [] },
    { direction: 'outbound', isCongested: false },
  ]);
  t.equal(quiet.links[1]?.congestion, undefined, 'nothing tells of south');
  const full = at(1.02, 0.02);
  t.match(full.links[0]?.congestion, [
    {
      link: 'north',
      direction: 'inbound',
      isCongested: true,
      reasons: [{ kind: 'probe_loss' }, { kind: 'load' }],
    },
    { direction: 'outbound', isCongested: false, reasons: [] },
  ]);
  const inboundIsCongested = (seen: Observation) => seen.links[0]?.congestion?.[0]?.isCongested;
  t.equal(inboundIsCongested(at(0.97, 0)), false);
  t.equal(inboundIsCongested(at(0.97, 0, full)), true, 'it was, and is not yet free');
  t.equal(inboundIsCongested(at(0.9, 0, full)), false);
  t.end();
});

t.test('retransmissions speak for the direction in which segments were lost', (t) => {
  const inbound = { '198.51.100.0/24 north': 0 };
  const after = { inbound, segments: 10_000, lostBefore: 200 };
  const [north] = between({ inbound }, after).links;
  t.match(north?.congestion, [
    { direction: 'inbound', isCongested: true, reasons: [{ kind: 'retransmission', value: 0.02 }] },
    { direction: 'outbound', isCongested: false },
  ]);
  t.end();
});

t.test('sources that measure the same link are compared while they speak of the same time', (t) => {
  const stretch = (bytes: number) => ({
    links: new Map([[linkId('north'), { inbound: bytes, outbound: 0 }]]),
    destinations: new Map(),
    blocks: [],
    errorRatio: 0,
    elapsedMs: 2000,
    ageMs: 0,
    coverage: 1,
    source: 'ipfix' as const,
  });
  const counter = (ageMs: number) => ({
    inbound: { value: bitps(40e6), ageMs: ms(ageMs), coverage: 1, source: 'snmp' as const },
    outbound: { value: bitps(0), ageMs: ms(ageMs), coverage: 1, source: 'snmp' as const },
  });
  const compared = (bytes: number, ageMs: number) =>
    observe({
      at: 1,
      settings: outOfLine,
      samples: new Map([[linkId('north'), counter(ageMs)]]),
      flows: stretch(bytes),
    }).links[0]?.comparisons;
  t.match(compared(10_000_000, 500), [
    { direction: 'inbound', rates: [{ source: 'snmp' }, { source: 'ipfix' }], ratio: 0 },
    { direction: 'outbound', ratio: 0 },
  ]);
  t.match(compared(5_000_000, 500), [{ direction: 'inbound', ratio: 0.5 }, {}]);
  t.equal(compared(5_000_000, 2500), undefined, 'a router silent for longer contradicts nobody');
  t.end();
});

t.test('the window spans the averaging time and forgets what is older', (t) => {
  const window = new SnapshotWindow(2000);
  t.equal(window.span(), undefined);
  const at = (ms: number) => snapshotOf(ms, { inbound: {} });
  window.add(at(0));
  t.equal(window.span(), undefined, 'one snapshot is no difference');
  for (const ms of [500, 1000, 1500, 2000]) window.add(at(ms));
  t.match(window.span(), { earlier: { monotonicMs: 0 }, later: { monotonicMs: 2000 } });
  for (const ms of [2500, 3000]) window.add(at(ms));
  t.match(window.span(), { earlier: { monotonicMs: 1000 }, later: { monotonicMs: 3000 } });
  window.add(at(10));
  t.equal(window.span(), undefined, 'an engine that was opened anew starts a new window');
  t.end();
});
