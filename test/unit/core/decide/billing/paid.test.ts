/** Up to which load a link's bill does not grow. */
import t from 'tap';
import { bitps, linkId, micros, ms } from '../../../../../src/core/base/units.ts';
import { sampleMs } from '../../../../../src/core/decide/billing/month.ts';
import { type PacedUsage, paidLevels } from '../../../../../src/core/decide/billing/paid.ts';
import type { BilledDirection, PercentilePrice } from '../../../../../src/core/model/price.ts';

const april = Date.UTC(2026, 3, 1);
const day = 288;
const price = (perMbps: number, direction: BilledDirection = 'inbound'): PercentilePrice => ({
  model: 'percentile',
  percentile: 95,
  commit: bitps(20e6),
  perMbps: micros(perMbps * 1e6),
  currency: 'EUR',
  billingDay: 1,
  timeZone: 'UTC',
  billBytes: 'l2',
  direction,
});
const bytes = (mbps: number) => (mbps * 1e6 * 300) / 8;
const samples = (from: number, count: number, mbps: (i: number) => readonly [number, number]) =>
  Array.from({ length: count }, (_, i) => {
    const [inbound, outbound] = mbps(i);
    return {
      at: ms(from + i * sampleMs),
      inboundBytes: bytes(inbound),
      outboundBytes: bytes(outbound),
    };
  });
const link = (name: string, change: Partial<PacedUsage>): PacedUsage => ({
  link: linkId(name),
  price: price(1),
  usage: [],
  capacity: bitps(1000e6),
  ...change,
});
const levelOf = (at: number, ...links: readonly PacedUsage[]) => {
  const levels = paidLevels(ms(at), links);
  return links.map(({ link: name }) => levels.get(name));
};

t.test('first the commit, then what is charged whatever still comes', async (t) => {
  // 432 of April's samples are free: the 433rd highest is charged.
  const some = samples(april, 432, () => [50, 0]);
  t.match(levelOf(april + 432 * sampleMs, link('a', { usage: some })), [
    { paid: 20e6, freeSamplesLeft: 0, reason: /contract/ },
  ]);
  const more = samples(april, 433, () => [50, 0]);
  t.match(levelOf(april + 433 * sampleMs, link('a', { usage: more })), [
    { paid: 50e6, freeSamplesLeft: 432, reason: /charged already/ },
  ]);
});

t.test('what a direction counts', async (t) => {
  const usage = samples(april, 500, () => [30, 70]);
  const at = april + 500 * sampleMs;
  const paid = (direction: BilledDirection) =>
    levelOf(at, link('a', { usage, price: price(1, direction) }))[0]?.paid;
  t.equal(paid('inbound'), 30e6);
  t.equal(paid('larger'), 70e6, 'inbound is free up to what outbound is charged for');
  t.equal(paid('sum'), 30e6, 'what is charged, without what leaves now');
  t.equal(paid('outbound'), 1000e6);
  t.equal(
    levelOf(at, link('a', { price: { ...price(1), model: 'flat', perMonth: micros(1) } }))[0],
    undefined,
  );
});

t.test('with a month of history the free samples are planned for', async (t) => {
  // A day of 100 Mb/s with two hours of 200: 24 samples of 288 are more than 5 %, the cheap link cannot hide them alone.
  const demand = (i: number) => (i % day < 24 ? 200 : 100);
  const march = april - 28 * day * sampleMs;
  const lastMonth = samples(march, 28 * day, (i) => [demand(i), 0]);
  const none = lastMonth.map((sample) => ({ ...sample, inboundBytes: 0 }));
  const links = [
    link('cheap', { lastMonth, price: price(1), capacity: bitps(400e6) }),
    link('dear', { lastMonth: none, price: price(2), capacity: bitps(400e6) }),
  ];
  const [cheap, dear] = levelOf(april + sampleMs, ...links);
  t.match(cheap?.reason, /planned/);
  // 8.3 % of the samples are 200: two links together may let 10 % pass, so 100 is enough.
  t.ok(Math.abs((cheap?.paid ?? 0) - 100e6) < 3e6, `${cheap?.paid}`);
  t.match(dear, { paid: 20e6 });
  const without = levelOf(april + sampleMs, ...links.map(({ lastMonth: _, ...rest }) => rest));
  t.match(without, [{ reason: /contract/ }, { reason: /contract/ }]);
});
