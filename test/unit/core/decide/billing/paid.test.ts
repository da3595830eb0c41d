/** Up to which load a link's bill does not grow. */
import t from 'tap';
import { bitps, linkId, micros, ms } from '../../../../../src/core/base/units.ts';
import { sampleMs } from '../../../../../src/core/decide/billing/month.ts';
import { type PacedUsage, paidMonth } from '../../../../../src/core/decide/billing/paid.ts';
import {
  beginSpending,
  type Spending,
  spend,
  withPlan,
} from '../../../../../src/core/decide/billing/spend.ts';
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
  const { levels } = paidMonth(ms(at), links);
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

/** A day of 100 Mb/s out with two hours of 200: 24 samples of 288 are more than 5 %, one link cannot hide them alone. */
const demandOut = (i: number) => (i % day < 24 ? 200 : 100);
const march = april - 28 * day * sampleMs;
const lastMonth = samples(march, 28 * day, (i) => [0, demandOut(i)]);
const pacedLinks = [
  link('cheap', { lastMonth, price: price(1, 'outbound'), capacity: bitps(400e6) }),
  link('dear', {
    lastMonth: lastMonth.map((sample) => ({ ...sample, outboundBytes: 0 })),
    price: price(2, 'outbound'),
    capacity: bitps(400e6),
  }),
];

t.test('with a month of history the free samples are planned for', async (t) => {
  const at = ms(april + sampleMs);
  const { levels, plan } = paidMonth(at, pacedLinks);
  if (!plan) return t.fail('there is a plan');
  const spending = beginSpending(plan, at);
  const planned = withPlan(levels, spending);
  const cheap = planned.get(linkId('cheap'));
  t.match(cheap?.reason, /planned/);
  // 8.3 % of the samples are 200: two links together may let 10 % pass, so 100 is enough.
  t.ok(Math.abs((cheap?.paidOutbound ?? 0) - 100e6) < 3e6, `${cheap?.paidOutbound}`);
  t.match(planned.get(linkId('dear')), { paidOutbound: 20e6 });
  t.match(
    pacedLinks.map(({ link: name }) => levels.get(name)?.paid),
    [400e6, 400e6],
    'of inbound traffic nothing is billed',
  );
  const forgetful = pacedLinks.map(({ lastMonth: _, ...rest }) => rest);
  t.equal(paidMonth(at, forgetful).plan, undefined, 'without history there is none');
  const inbound = pacedLinks.map((own) => ({ ...own, price: price(1, 'inbound') }));
  t.equal(paidMonth(at, inbound).plan, undefined, 'nor for what comes in');
});

t.test('a sample that will not fit is a free one of one link, until it ends', async (t) => {
  const begin = april + sampleMs;
  const { levels, plan } = paidMonth(ms(begin), pacedLinks);
  if (!plan) return t.fail('there is a plan');
  const rateOf = (mbps: number) => (name: string) => (name === 'cheap' ? mbps * 1e6 : 0);
  const paid = (spending: Spending) =>
    pacedLinks.map(({ link: name }) => Number(withPlan(levels, spending).get(name)?.paidOutbound));
  const calm = spend(beginSpending(plan, ms(begin)), ms(begin + 30_000), rateOf(95));
  t.equal(calm.bursting, 0);
  const burst = spend(calm, ms(begin + 60_000), rateOf(200));
  t.not(burst.bursting, 0);
  t.ok(paid(burst).includes(400e6), 'paid for up to its capacity');
  t.ok(paid(burst).reduce((a, b) => a + b) >= 200e6, 'and all of it has a place');
  const later = spend(burst, ms(begin + 120_000), rateOf(20));
  t.equal(later.bursting, burst.bursting, 'a burst that began cannot be taken back');
  const next = spend(later, ms(begin + sampleMs), rateOf(95));
  t.equal(next.bursting, 0, 'the next sample is another');
  t.equal(next.plan.pacing.volumes.length, plan.pacing.volumes.length + 1);
});
