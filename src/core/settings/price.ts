/** What a provider charges for a link. Money is kept in millionths of the currency. */
import { z } from 'zod';
import { money, rateOrZero, whole } from './scalars.ts';
import { list, section } from './section.ts';

/** ISO 4217 code. */
export const currency = z
  .string({ error: 'expected a currency code such as EUR' })
  .regex(/^[A-Z]{3}$/, { error: 'expected a currency code such as EUR' });

const common = {
  currency: currency.default('EUR'),
  /** Day of the month on which the billing month begins. */
  billing_day: whole(1, 28).default(1),
  /** IANA zone in which that day begins. */
  time_zone: z
    .string({ error: 'expected a time zone such as Europe/Vienna' })
    .refine(isTimeZone, { error: 'expected a time zone such as Europe/Vienna' })
    .default('UTC'),
  /** Octets that the provider counts: layer 2 (interface counters) or IP. */
  bill_bytes: z.enum(['l2', 'ip'], { error: 'expected l2 or ip' }).default('l2'),
  /** Which direction is billed. */
  direction: z
    .enum(['inbound', 'outbound', 'larger', 'sum'], {
      error: 'expected inbound, outbound, larger or sum',
    })
    .default('larger'),
};

const percentile = whole(50, 100).default(95);

export const price = z.discriminatedUnion(
  'model',
  [
    section({
      model: z.literal('percentile'),
      ...common,
      /** Of the 5-minute samples of the billing month. */
      percentile,
      /** Paid for whether used or not. */
      commit: rateOrZero.default(rateOrZero.parse(0)),
      /** Per Mb/s and month. */
      per_mbps: money,
      /** Per Mb/s above the commit, where it differs. */
      overage_per_mbps: money.exactOptional(),
    }),
    section({
      model: z.literal('tiered'),
      ...common,
      percentile,
      commit: rateOrZero.default(rateOrZero.parse(0)),
      /** Ascending; the price per Mb/s of the traffic from `from` to the next tier. */
      tiers: list(section({ from: rateOrZero, per_mbps: money }), '{ from, per_mbps }', 100).refine(
        (tiers) =>
          tiers[0]?.from === 0 &&
          tiers.every((tier, i) => i === 0 || tier.from > (tiers[i - 1]?.from ?? 0)),
        { error: 'expected tiers in ascending order, the first from 0' },
      ),
    }),
    section({
      model: z.literal('volume'),
      ...common,
      /** Per 10^9 bytes. */
      per_gb: money,
    }),
    section({
      model: z.literal('flat'),
      ...common,
      per_month: money,
    }),
  ],
  { error: 'expected model: percentile, tiered, volume or flat' },
);

function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

export type PriceSettings = z.output<typeof price>;
