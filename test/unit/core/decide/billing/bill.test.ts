/** Bills against a sort-everything reference, and against invoices worked out by hand. */
import fc from 'fast-check';
import t from 'tap';
import { bitps, linkId, micros, ms } from '../../../../../src/core/base/units.ts';
import {
  billMonth,
  convert,
  type UsageSample,
} from '../../../../../src/core/decide/billing/bill.ts';
import { billingMonth, sampleMs } from '../../../../../src/core/decide/billing/month.ts';
import { chargedSample, freeSamples } from '../../../../../src/core/decide/billing/percentile.ts';
import { drawStatement } from '../../../../../src/core/decide/billing/statement.ts';
import type { Price } from '../../../../../src/core/model/price.ts';

const link = linkId('north');
const common = {
  currency: 'EUR',
  billingDay: 1,
  timeZone: 'UTC',
  billBytes: 'l2',
  direction: 'larger',
} as const;
const april = billingMonth(ms(Date.UTC(2026, 3, 10)), 1, 'UTC');
/** Bytes of one sample at a rate in Mb/s. */
const mbps = (rate: number): number => (rate * 1e6 * 300) / 8;
const samplesOf = (
  count: number,
  rates: (i: number) => readonly [inbound: number, outbound: number],
): UsageSample[] =>
  Array.from({ length: count }, (_, i) => {
    const [inbound, outbound] = rates(i);
    return {
      at: ms(april.from + i * sampleMs),
      inboundBytes: mbps(inbound),
      outboundBytes: mbps(outbound),
    };
  });

t.test('the charged sample is what sorting everything gives', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 400 }),
      fc.constantFrom(50, 90, 95, 99, 99.9, 100),
      (samples, percentile) => {
        const sorted = [...samples].sort((a, b) => b - a);
        let dropped = 0;
        // One by one, as long as the dropped stay within the free share.
        while ((dropped + 1) * 1000 <= samples.length * Math.round(1000 - percentile * 10)) {
          sorted.shift();
          dropped++;
        }
        return chargedSample(samples, percentile) === sorted[0];
      },
    ),
    { numRuns: 500 },
  );
});

t.test('a 30-day month at the 95th leaves 432 samples free', async (t) => {
  t.equal(april.samples, 8640);
  t.equal(freeSamples(8640, 95), 432);
  t.equal(freeSamples(8928, 95), 446);
  t.equal(freeSamples(19, 95), 0);
});

t.test('billing months begin at local midnight of their day', async (t) => {
  const iso = (time: number) => new Date(time).toISOString();
  const berlin = billingMonth(ms(Date.UTC(2026, 2, 20)), 15, 'Europe/Berlin');
  t.equal(iso(berlin.from), '2026-03-14T23:00:00.000Z');
  t.equal(iso(berlin.to), '2026-04-14T22:00:00.000Z');
  t.equal(berlin.samples, 31 * 288 - 12, 'an hour is lost to summer time');
  const before = billingMonth(ms(Date.UTC(2026, 0, 3)), 15, 'America/New_York');
  t.equal(iso(before.from), '2025-12-15T05:00:00.000Z');
  const edge = billingMonth(ms(Date.parse('2026-05-31T15:30:00Z')), 1, 'Asia/Tokyo');
  t.equal(iso(edge.from), '2026-05-31T15:00:00.000Z', 'already June in Tokyo');
});

/** 100 Mb/s in, 40 out; 432 samples of 900 Mb/s in, one of 500. */
const typical = samplesOf(8640, (i) => [i < 432 ? 900 : i === 432 ? 500 : 100, 40]);
const percentile: Price = {
  ...common,
  model: 'percentile',
  percentile: 95,
  commit: bitps(200e6),
  perMbps: micros(450_000),
};
const invoices: ReadonlyArray<readonly [string, Price, readonly UsageSample[], number, number]> = [
  ['commit 200 at 0.45, 300 over', percentile, typical, 500e6, 225_000_000],
  [
    'overage dearer: 200*0.45 + 300*0.60',
    { ...percentile, overagePerMbps: micros(600_000) },
    typical,
    500e6,
    270_000_000,
  ],
  ['below the commit: 200*0.45', percentile, typical.slice(433), 100e6, 90_000_000],
  [
    'outbound only: within commit',
    { ...percentile, direction: 'outbound' },
    typical,
    40e6,
    90_000_000,
  ],
  ['sum: (500+40)*0.45', { ...percentile, direction: 'sum' }, typical, 540e6, 243_000_000],
  ['100th: 900*0.45', { ...percentile, percentile: 100 }, typical, 900e6, 405_000_000],
  ['90th: commit', { ...percentile, percentile: 90 }, typical, 100e6, 90_000_000],
  [
    'tiers: 100*1.00 + 200*0.50 + 200*0.25',
    {
      ...common,
      model: 'tiered',
      percentile: 95,
      commit: bitps(0),
      tiers: [
        { from: bitps(0), perMbps: micros(1_000_000) },
        { from: bitps(100e6), perMbps: micros(500_000) },
        { from: bitps(300e6), perMbps: micros(250_000) },
      ],
    },
    typical,
    500e6,
    250_000_000,
  ],
  [
    'volume: 10 samples of 3.75 GB at 0.02',
    { ...common, model: 'volume', perGb: micros(20_000), direction: 'inbound' },
    samplesOf(10, () => [100, 5]),
    0,
    750_000,
  ],
  ['flat', { ...common, model: 'flat', perMonth: micros(999_000_000) }, typical, 0, 999_000_000],
  [
    'a third of a bit per second is not lost: 1 byte above the commit',
    { ...percentile, commit: bitps(0), perMbps: micros(1e12), percentile: 100 },
    [{ at: april.from, inboundBytes: 1, outboundBytes: 0 }],
    8 / 300,
    26_667,
  ],
];
for (const [name, price, usage, charged, amount] of invoices) {
  t.test(`invoice: ${name}`, async (t) => {
    const bill = billMonth(link, price, april, usage);
    t.equal(bill.chargedBitps, charged);
    t.equal(bill.amount, amount);
  });
}

t.test('missing samples are counted and left out, and free samples run down', async (t) => {
  const bill = billMonth(
    link,
    percentile,
    april,
    typical.slice(0, 1000),
    ms(april.from + 1010 * sampleMs),
  );
  t.equal(bill.missing, 10);
  t.equal(bill.freeSamples, 432);
  t.equal(bill.chargedBitps, 900e6, 'of 1000 samples only 50 are free');
  t.equal(bill.freeSamplesLeft, 432);
  t.equal(billMonth(link, percentile, april, typical).freeSamplesLeft, 0);
});

t.test('currencies convert by their fixed rate, rounded half up', async (t) => {
  t.equal(convert(micros(1_000_000), 920_000), 920_000);
  t.equal(convert(micros(1), 500_000), 1);
  t.equal(convert(micros(1), 499_999), 0);
});

t.test('a statement adds up, dated, against no control', async (t) => {
  const half = ms(april.from + 4320 * sampleMs);
  const dollars: Price = { ...percentile, currency: 'USD' };
  const flat: Price = { ...common, model: 'flat', perMonth: micros(50_000_000), currency: 'CHF' };
  const statement = drawStatement(
    half,
    [
      { link, price: percentile, usage: typical, withoutControl: samplesOf(8640, () => [700, 0]) },
      { link: linkId('south'), price: dollars, usage: typical, withoutControl: typical },
      { link: linkId('west'), price: flat, usage: [], withoutControl: [] },
    ],
    'EUR',
    { USD: 900_000 },
  );
  // Half the month: 216 free, so 900 is charged on both: 200*0.45 + 700*0.45 = 405.
  t.equal(statement.links[0]?.bill.amount, 405_000_000);
  t.equal(statement.toDate, 405_000_000 + 364_500_000);
  t.equal(statement.withoutControl, 315_000_000 + 364_500_000);
  t.equal(statement.saved, -90_000_000, 'a loss is said to be one');
  t.same(statement.unconverted, ['CHF']);
  // The rest repeats the first half: 864 samples above 500.
  t.equal(statement.links[0]?.forecast.chargedBitps, 900e6);
});

t.test('the forecast follows the month before, scaled to this one', async (t) => {
  const before = samplesOf(8640, () => [100, 0]).map((s) => ({
    ...s,
    at: ms(s.at - 28 * 86_400_000),
  }));
  const now = samplesOf(1000, () => [150, 0]);
  const at = ms(april.from + 1000 * sampleMs);
  const { links } = drawStatement(
    at,
    [{ link, price: percentile, usage: now, lastMonth: before }],
    'EUR',
  );
  t.equal(links[0]?.forecast.chargedBitps, 150e6);
  t.equal(links[0]?.forecast.samples, 8640);
});
