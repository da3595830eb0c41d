import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { whole } from '../../../src/core/base/slices.ts';
import { type PrefixText, prefixText } from '../../../src/core/base/units.ts';
import { type ReadBlockRtts, RecentBlockRtts } from '../../../src/engine/block-rtts.ts';
import { Slots } from '../../../src/engine/slots.ts';

const blocksMax = 1300;
const averageMs = 120_000;

function slotsOf(names: readonly string[]): Slots<PrefixText> {
  const assigned = Slots.empty<PrefixText>(blocksMax).assign(names.map(prefixText));
  if (!assigned) throw new Error('they fit');
  return assigned.slots;
}

/** Every sample has been taken at a time; the records say how many are of the stretches that native code would tell. */
class Native {
  readonly samples: number[] = [];
  nowMs = 0;
  #beganMs = 0;
  #beforeMs = 0;

  read: ReadBlockRtts = (first, count, endsStretch) => {
    const records = new Uint32Array(count * 3);
    for (let i = 0; i < count; i++)
      records.set([this.samples.filter((at) => at > this.#beforeMs).length, first + i, 7], i * 3);
    // All blocks are asked for in one look, the last of them last.
    if (endsStretch && first + count === blocksMax)
      [this.#beforeMs, this.#beganMs] = [this.#beganMs, this.nowMs];
    return records.buffer;
  };
}

t.test('what is told is of the time that is named, however often somebody looks', (t) => {
  let looks = 0;
  const pausesMs = fc.array(fc.integer({ min: 1000, max: 200_000 }), {
    minLength: 1,
    maxLength: 30,
  });
  const slots = slotsOf(['198.51.100.0/24']);
  fc.assert(
    fc.property(pausesMs, (pauses) => {
      const native = new Native();
      const recent = new RecentBlockRtts(native.read, 0);
      let longestMs = 0;
      for (const pauseMs of pauses) {
        longestMs = Math.max(longestMs, pauseMs);
        for (let i = 1; i <= 10; i++) native.samples.push(native.nowMs + (pauseMs * i) / 10);
        native.nowMs += pauseMs;
        const rtts = whole(recent.look(slots, native.nowMs, averageMs));
        const of = native.samples.filter((at) => at > native.nowMs - rtts.overMs);
        assert.equal(rtts.of(prefixText('198.51.100.0/24'))?.samples, of.length);
        // Two stretches, each ended by the first look after half the averaging time.
        assert.ok(rtts.overMs <= averageMs + 2 * longestMs);
        looks++;
      }
    }),
  );
  t.ok(looks > 100, `${looks} looks`);
  t.end();
});

t.test('cycles of 30 s over 2 minutes tell of 90 s and 120 s in turn, late or early', (t) => {
  const native = new Native();
  const recent = new RecentBlockRtts(native.read, 0);
  const told = Array.from({ length: 9 }, (_, i) => {
    native.nowMs = (i + 1) * 30_000 + (i % 2 === 0 ? 200 : -200);
    return Math.round(whole(recent.look(slotsOf([]), native.nowMs, averageMs)).overMs / 30_000);
  });
  t.same(told, [1, 2, 3, 4, 3, 4, 3, 4, 3]);
  t.end();
});

t.test('each block has its own record, and few samples have no quantiles', (t) => {
  const names = Array.from({ length: 1200 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  const slots = slotsOf(names);
  const samples = (index: number) => (index === 700 ? 19 : 20);
  const recent = new RecentBlockRtts((first, count) => {
    const records = Array.from({ length: count }, (_, i) => [samples(first + i), first + i, 9]);
    return Uint32Array.from(records.flat()).buffer;
  }, 0);
  const rtts = whole(recent.look(slots, 1000, averageMs));
  t.same(
    names.map((name) => rtts.of(prefixText(name))),
    names.map((_, i) =>
      i === 700
        ? { samples: 19, p50Us: undefined, p95Us: undefined }
        : { samples: 20, p50Us: i, p95Us: 9 },
    ),
  );
  t.equal(rtts.of(prefixText('203.0.113.0/24')), undefined, 'no block of that time');
  t.end();
});

t.test('a look is done in slices: nothing waits for all of many blocks', (t) => {
  const asked: number[] = [];
  const recent = new RecentBlockRtts((_, count) => {
    asked.push(count);
    return new ArrayBuffer(count * 12);
  }, 0);
  const look = recent.look(slotsOf([]), 1000, averageMs);
  for (let slices = 1; look.next().done !== true; slices++) t.equal(asked.length, slices);
  t.same(asked, [512, 512, 276]);
  t.end();
});
