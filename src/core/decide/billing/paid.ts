import { type Bitps, bitps, type LinkId, type Ms } from '../../base/units.ts';
import type { LinkBilling } from '../../model/observation.ts';
import type { PercentilePrice, Price, TieredPrice } from '../../model/price.ts';
import { bytesToBitps, type UsageSample } from './bill.ts';
import { billingMonth } from './month.ts';
import { freeSamples, kthLargest } from './percentile.ts';
import { type MonthPlan, type PlannedLink, planMonth } from './spend.ts';
import type { LinkUsage } from './statement.ts';

export interface PacedUsage extends LinkUsage {
  readonly capacity: Bitps;
}

/** Samples over which the other direction is averaged where a provider bills the sum. */
const recentSamples = 12;

/** Levels by link, and the plan by which the free samples of the month are spent on outbound traffic, if there is one. */
export interface PaidMonth {
  readonly levels: ReadonlyMap<LinkId, LinkBilling>;
  readonly plan: MonthPlan | undefined;
}

/**
 * Up to which rate each link that is billed by a percentile costs nothing more this month: what is committed by
 * contract, what is charged already whatever comes, and of outbound traffic what the month is planned to be charged
 * for. Of inbound traffic nothing is planned: it moves too slowly, and never all of it, for bursts to be worth a risk.
 */
export function paidMonth(at: Ms, links: readonly PacedUsage[]): PaidMonth {
  const billed = links.flatMap((link) =>
    isByPercentile(link.price) ? [standingOf(at, link)] : [],
  );
  const plan = planMonth(at, billed);
  const levels = new Map(
    billed.map((standing): [LinkId, LinkBilling] => {
      const { link, price, capacity, charged, outbound, freeLeft } = standing;
      if (price.direction === 'outbound') {
        const reason = 'only outbound traffic is billed';
        const paidOutbound = outboundLevel(standing, Math.max(price.commit, charged));
        return [link, { paid: capacity, paidOutbound, freeSamplesLeft: freeLeft, reason }];
      }
      const level = Math.max(price.commit, charged);
      const other = price.direction === 'sum' ? outbound : 0;
      const reason =
        level === 0
          ? 'nothing is paid for yet'
          : level === price.commit
            ? 'committed by contract'
            : 'charged already this month';
      const paid = bitps(Math.round(Math.max(0, level - other)));
      const paidOutbound = outboundLevel(standing, level);
      return [link, { paid, paidOutbound, freeSamplesLeft: freeLeft, reason }];
    }),
  );
  return { levels, plan };
}

/** Where inbound traffic counts too: up to which outbound rate the bill does not grow when `level` is paid for. */
function outboundLevel({ price, capacity, inbound }: Standing, level: number): Bitps {
  switch (price.direction) {
    case 'inbound':
      return capacity;
    case 'larger':
      return bitps(Math.round(Math.max(level, inbound)));
    case 'sum':
      return bitps(Math.round(Math.max(0, level - inbound)));
    case 'outbound':
      return bitps(Math.round(level));
  }
}

interface Standing extends PlannedLink {
  readonly freeLeft: number;
  /** Bit/s that are charged even if nothing more comes. */
  readonly charged: number;
  /** Mean bit/s of late. */
  readonly inbound: number;
  readonly outbound: number;
}

const isByPercentile = (price: Price): price is PercentilePrice | TieredPrice =>
  price.model === 'percentile' || price.model === 'tiered';

function standingOf(
  at: Ms,
  { link, price, capacity, usage, lastMonth = [] }: PacedUsage,
): Standing {
  // A cast: only links that `isByPercentile` let through come here.
  const own = price as PercentilePrice | TieredPrice;
  const month = billingMonth(at, own.billingDay, own.timeZone);
  const free = freeSamples(month.samples, own.percentile);
  const inMonth = usage.filter((sample) => sample.at >= month.from && sample.at < at);
  const rates = (of: (sample: UsageSample) => number) => {
    const values = Float64Array.from(inMonth, (sample) => bytesToBitps(of(sample)));
    return values.length > free ? kthLargest(values, free) : 0;
  };
  const billed = ({ inboundBytes, outboundBytes }: UsageSample): number => {
    if (own.direction === 'sum') return inboundBytes + outboundBytes;
    if (own.direction === 'larger') return Math.max(inboundBytes, outboundBytes);
    return own.direction === 'outbound' ? outboundBytes : inboundBytes;
  };
  const charged =
    own.direction === 'sum'
      ? rates((sample) => sample.inboundBytes + sample.outboundBytes)
      : own.direction === 'outbound'
        ? rates((sample) => sample.outboundBytes)
        : Math.max(
            rates((sample) => sample.inboundBytes),
            own.direction === 'larger' ? rates((sample) => sample.outboundBytes) : 0,
          );
  const above = inMonth.filter((sample) => bytesToBitps(billed(sample)) > charged).length;
  const recent = inMonth.slice(-recentSamples);
  const mean = (of: (sample: UsageSample) => number) =>
    recent.reduce((sum, sample) => sum + bytesToBitps(of(sample)), 0) / Math.max(1, recent.length);
  return {
    link,
    price: own,
    capacity,
    from: month.from,
    usage: inMonth,
    lastMonth,
    free,
    freeLeft: Math.max(0, free - above),
    charged,
    inbound: mean((sample) => sample.inboundBytes),
    outbound: mean((sample) => sample.outboundBytes),
  };
}
