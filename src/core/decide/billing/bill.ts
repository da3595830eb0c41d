import { unreachable } from '../../base/result.ts';
import { type LinkId, type Micros, type Ms, micros } from '../../base/units.ts';
import type { BilledDirection, PercentilePrice, Price, TieredPrice } from '../../model/price.ts';
import { type BillingMonth, sampleMs } from './month.ts';
import { chargedSample, freeSamples } from './percentile.ts';

/** Octets of one link in one 5-minute sample; which octets (layer 2 or IP) is for the caller to choose by the price. */
export interface UsageSample {
  /** Start of the sample, on a 5-minute boundary. */
  readonly at: Ms;
  readonly inboundBytes: number;
  readonly outboundBytes: number;
}

export interface Bill {
  readonly link: LinkId;
  readonly from: Ms;
  readonly to: Ms;
  readonly currency: string;
  /** What is owed for the samples given. */
  readonly amount: Micros;
  /** Octets of the charged sample (percentile and tiered), else of the whole month. */
  readonly chargedBytes: number;
  /** Bit/s of the charged sample, 0 for volume and flat. */
  readonly chargedBitps: number;
  readonly samples: number;
  /** Samples of the month that were not measured; they are left out, never taken as 0. */
  readonly missing: number;
  /** Samples that the month leaves free, and how many of them are still unused at the charged level. */
  readonly freeSamples: number;
  readonly freeSamplesLeft: number;
}

/** The bill of a month, or of the part of it that `usage` covers. Samples outside the month are not counted. */
export function billMonth(
  link: LinkId,
  price: Price,
  month: BillingMonth,
  usage: readonly UsageSample[],
  until: Ms = month.to,
): Bill {
  const own = usage.filter((sample) => sample.at >= month.from && sample.at < month.to);
  const due = Math.floor((Math.min(until, month.to) - month.from) / sampleMs);
  const common = {
    link,
    from: month.from,
    to: month.to,
    currency: price.currency,
    samples: own.length,
    missing: Math.max(0, due - own.length),
  };
  const none = { freeSamples: 0, freeSamplesLeft: 0, chargedBitps: 0 };
  switch (price.model) {
    case 'flat':
      return { ...common, ...none, amount: price.perMonth, chargedBytes: sumBytes(own, 'sum') };
    case 'volume': {
      const bytes = sumBytes(own, price.direction);
      const amount = divideRounded(BigInt(bytes) * BigInt(price.perGb), 1_000_000_000n);
      return { ...common, ...none, amount, chargedBytes: bytes };
    }
    case 'percentile':
    case 'tiered': {
      const bytes = chargedBytes(own, price.direction, price.percentile);
      const free = freeSamples(month.samples, price.percentile);
      const above = own.filter((sample) => billedBytes(sample, price.direction) > bytes).length;
      return {
        ...common,
        amount: amountOf(price, bytes),
        chargedBytes: bytes,
        chargedBitps: bytesToBitps(bytes),
        freeSamples: free,
        freeSamplesLeft: Math.max(0, free - above),
      };
    }
    default:
      return unreachable(price);
  }
}

/** What a charged sample costs in a month, exactly, rounded once at the end (half up). */
export function amountOf(price: PercentilePrice | TieredPrice, bytes: number): Micros {
  // In units of 1/300 bit/s, so that the sample's rate is an integer: bytes * 8 / 300 s.
  const charged = BigInt(bytes) * 8n;
  const commit = BigInt(price.commit) * 300n;
  const perUnit = 300n * 1_000_000n;
  if (price.model === 'percentile') {
    const overage = charged > commit ? charged - commit : 0n;
    const rate = BigInt(price.overagePerMbps ?? price.perMbps);
    return divideRounded(commit * BigInt(price.perMbps) + overage * rate, perUnit);
  }
  const billed = charged > commit ? charged : commit;
  let amount = 0n;
  for (const [i, tier] of price.tiers.entries()) {
    const from = BigInt(tier.from) * 300n;
    const next = price.tiers[i + 1];
    const to = next ? BigInt(next.from) * 300n : billed;
    const part = (billed < to ? billed : to) - from;
    if (part > 0n) amount += part * BigInt(tier.perMbps);
  }
  return divideRounded(amount, perUnit);
}

/** Converts by a fixed rate: millionths of the target currency per unit of the source currency. */
export function convert(amount: Micros, rateMicros: number): Micros {
  return divideRounded(BigInt(amount) * BigInt(rateMicros), 1_000_000n);
}

export const bytesToBitps = (bytes: number): number => (bytes * 8) / (sampleMs / 1000);

function chargedBytes(
  samples: readonly UsageSample[],
  direction: BilledDirection,
  percentile: number,
): number {
  const charged = (of: (sample: UsageSample) => number) =>
    chargedSample(samples.map(of), percentile);
  switch (direction) {
    case 'inbound':
      return charged((sample) => sample.inboundBytes);
    case 'outbound':
      return charged((sample) => sample.outboundBytes);
    case 'sum':
      return charged((sample) => sample.inboundBytes + sample.outboundBytes);
    case 'larger':
      return Math.max(
        charged((sample) => sample.inboundBytes),
        charged((sample) => sample.outboundBytes),
      );
    default:
      return unreachable(direction);
  }
}

/** The octets of one sample that count against the free samples. */
function billedBytes(sample: UsageSample, direction: BilledDirection): number {
  switch (direction) {
    case 'inbound':
      return sample.inboundBytes;
    case 'outbound':
      return sample.outboundBytes;
    case 'sum':
      return sample.inboundBytes + sample.outboundBytes;
    case 'larger':
      return Math.max(sample.inboundBytes, sample.outboundBytes);
    default:
      return unreachable(direction);
  }
}

function sumBytes(samples: readonly UsageSample[], direction: BilledDirection): number {
  let inbound = 0;
  let outbound = 0;
  for (const sample of samples) {
    inbound += sample.inboundBytes;
    outbound += sample.outboundBytes;
  }
  if (direction === 'inbound') return inbound;
  if (direction === 'outbound') return outbound;
  return direction === 'sum' ? inbound + outbound : Math.max(inbound, outbound);
}

function divideRounded(value: bigint, by: bigint): Micros {
  return micros(Number((2n * value + by) / (2n * by)));
}
