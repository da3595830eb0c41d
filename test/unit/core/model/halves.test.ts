/** Sessions seen in halves, against sessions whose truth is known. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { bitps, linkId, ms } from '../../../../src/core/base/units.ts';
import { reportHalves, segmentsOf } from '../../../../src/core/model/half-report.ts';
import { type HalfSegment, joinHalves } from '../../../../src/core/model/halves.ts';
import { mergeReports } from '../../../../src/core/model/merge.ts';
import { reportOf } from '../../../../src/core/model/report.ts';

const north = linkId('north');
const south = linkId('south');

interface Shape {
  readonly outsideUs: number;
  readonly insideUs: number;
  readonly segments: number;
  /** Each so many-th segment of ours is sent again: before its acknowledgement passed, or after. */
  readonly lostEvery: number;
  readonly needlessEvery: number;
  readonly hasTimestamps: boolean;
  readonly seq: number;
}

/** Our host sends one segment at a time by south, and each is answered by north; `tell` is the whole as one clock sees it. */
function session(name: string, shape: Shape) {
  const { outsideUs, insideUs, hasTimestamps } = shape;
  const rows: HalfSegment[] = [];
  let [timeUs, seq, lost, needless] = [1_000_000, shape.seq >>> 0, 0, 0];
  const put = (atUs: number, isOut: boolean, own: Partial<HalfSegment>) =>
    rows.push({
      session: name,
      timeUs: atUs,
      direction: isOut ? 'outbound' : 'inbound',
      link: isOut ? south : north,
      seq: 0,
      ack: 0,
      payloadBytes: 0,
      flags: 0x10,
      ...own,
    });
  const stamps = (tsval: number, tsecr: number) => (hasTimestamps ? { tsval, tsecr } : {});
  for (let i = 1; i <= shape.segments; i++) {
    const isLost = i % shape.lostEvery === 0;
    put(timeUs, true, { seq, payloadBytes: 1000, ...stamps(10 * i, 10 * i - 5) });
    if (isLost) {
      lost++;
      timeUs += 3 * outsideUs;
      put(timeUs, true, { seq, payloadBytes: 1000, ...stamps(10 * i, 10 * i - 5) });
    }
    const answeredUs = timeUs + outsideUs;
    put(answeredUs, false, { seq: 7, ack: (seq + 1000) >>> 0, ...stamps(10 * i + 3, 10 * i) });
    if (!isLost && i % shape.needlessEvery === 0) {
      needless++;
      put(answeredUs + insideUs / 2, true, {
        seq,
        payloadBytes: 1000,
        ...stamps(10 * i, 10 * i - 5),
      });
    }
    seq = (seq + 1000) >>> 0;
    timeUs = answeredUs + insideUs;
  }
  return { rows, lost, needless };
}

const shapes = fc.record({
  outsideUs: fc.integer({ min: 2000, max: 300_000 }),
  insideUs: fc.integer({ min: 2000, max: 50_000 }),
  segments: fc.integer({ min: 2, max: 40 }),
  lostEvery: fc.integer({ min: 2, max: 9 }),
  needlessEvery: fc.integer({ min: 2, max: 9 }),
  hasTimestamps: fc.boolean(),
  seq: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});

/** As two units tell of it: on clocks 5 s apart, of which the leader knows the difference to 400 µs. */
function told(rows: readonly HalfSegment[], apartUs: number, wrongUs: number) {
  const half = (unit: string, direction: 'inbound' | 'outbound', aheadUs: number) => {
    const seen = rows
      .filter((row) => row.direction === direction)
      .map((row) => ({ ...row, timeUs: row.timeUs + aheadUs }));
    const { report } = reportHalves(seen, 1, 1e9);
    return { unit, segments: segmentsOf(JSON.parse(JSON.stringify(report))) };
  };
  return [
    { ...half('west', 'outbound', 0), clock: { aheadUs: 0, errorUs: 0 } },
    { ...half('east', 'inbound', apartUs), clock: { aheadUs: apartUs + wrongUs, errorUs: 400 } },
  ];
}

t.test('round trips and needless retransmissions are those of the whole', async (t) => {
  let samples = 0;
  fc.assert(
    fc.property(
      shapes,
      fc.integer({ min: -5_000_000, max: 5_000_000 }),
      fc.integer({ min: -400, max: 400 }),
      (shape, apartUs, wrongUs) => {
        const { rows, lost, needless } = session('5', shape);
        const { links, joined, unsure } = joinHalves(told(rows, apartUs, wrongUs));
        assert.deepEqual([joined, unsure], [1, 0]);
        const { rttUs = [] } = links.get(north) ?? {};
        for (const us of rttUs) {
          // What was lost is timed from its first copy by timestamps, and not at all without.
          const isRepaired = shape.hasTimestamps && Math.abs(us - 4 * shape.outsideUs) <= 400;
          assert.ok(isRepaired || Math.abs(us - shape.outsideUs) <= 400, `${us} µs`);
        }
        samples += rttUs.length;
        const { retransmitted, spurious } = links.get(south) ?? {};
        assert.deepEqual([retransmitted, spurious], [lost + needless, needless]);
      },
    ),
    { numRuns: 200 },
  );
  t.ok(samples > 500, `${samples} round trips`);
});

t.test('clocks that are not known well enough say nothing', async (t) => {
  const { rows } = session('5', {
    outsideUs: 20_000,
    insideUs: 5000,
    segments: 9,
    lostEvery: 50,
    needlessEvery: 50,
    hasTimestamps: true,
    seq: 0,
  });
  const parts = told(rows, 1000, 0).map((part) => ({
    ...part,
    clock: { ...part.clock, errorUs: 800 },
  }));
  t.match(joinHalves(parts), { joined: 0, unsure: 1, alone: 0 });
  t.match(joinHalves(parts.slice(0, 1)), { joined: 0, unsure: 0, alone: 1 });
});

t.test('what does not fit is left out, the same sessions at every unit', async (t) => {
  const shape: Shape = {
    outsideUs: 20_000,
    insideUs: 5000,
    segments: 9,
    lostEvery: 50,
    needlessEvery: 50,
    hasTimestamps: false,
    seq: 0,
  };
  const all = ['1', '2', '3', '4'].flatMap((name) => session(name, shape).rows);
  for (const direction of ['inbound', 'outbound'] as const) {
    const own = all.filter((row) => row.direction === direction).reverse();
    const room = JSON.stringify(reportHalves(own, 1, 1e9).report.sessions).length / 2 + 1;
    const { report, sent, dropped } = reportHalves(own, 1, room);
    t.same([sent, dropped], [2, 2]);
    t.same(
      report.sessions.map((half) => half.session),
      ['1', '2'],
    );
    t.ok(JSON.stringify(report.sessions).length <= room);
  }
  const [lone] = all;
  t.same(
    reportHalves(lone ? [lone] : [], 1, 1e9).report.sessions,
    [],
    'one segment measures nothing',
  );
});

t.test('they enter where no wire sees sessions both ways', async (t) => {
  const ratio = { value: 0.02, ageMs: ms(0), coverage: 1, source: 'wire' } as const;
  const told = { rttUs: Array.from({ length: 21 }, () => 20_000), retransmitted: 40, spurious: 10 };
  const merged = (own: object) =>
    mergeReports({
      at: ms(1.8e12),
      links: [{ link: north, capacity: bitps(1e9), units: ['west'], pairing: 'parallel' }],
      blocks: [],
      parts: [
        {
          unit: 'west',
          ageMs: 0,
          hasOurBlocks: true,
          report: reportOf({
            at: ms(1.8e12),
            intervalMs: ms(1000),
            blocks: [],
            links: [{ link: north, isUp: true, capacity: bitps(1e9), ...own }],
          }),
        },
      ],
      frozen: new Map(),
      gone: new Set(),
      joined: { links: new Map([[north, told]]), share: 0.01 },
    }).links[0];
  t.match(merged({ retransmissionRatio: ratio }), {
    rttUs: { value: 20_000, coverage: 0.01 },
    retransmissionRatio: { value: 0.015 },
  });
  const seen = { retransmissionRatio: ratio, rttUs: { ...ratio, value: 9000 } };
  t.match(merged(seen), { rttUs: { value: 9000 }, retransmissionRatio: { value: 0.02 } });
});
