import { type Bitps, bitps, type LinkId, type Ms } from '../../base/units.ts';
import type { LinkBilling } from '../../model/observation.ts';
import type { PercentilePrice, Price, TieredPrice } from '../../model/price.ts';
import { bytesToBitps, type UsageSample } from './bill.ts';
import { mostLinks, type PricedLink } from './bound.ts';
import { billingMonth, sampleMs } from './month.ts';
import { beginPacing, repace } from './pacing.ts';
import { freeSamples, kthLargest } from './percentile.ts';
import type { LinkUsage } from './statement.ts';

export interface PacedUsage extends LinkUsage {
  readonly capacity: Bitps;
}

/** History counts when at least this share of its samples is there for every link. */
const enoughHistory = 0.9;
const fourWeeksMs = 28 * 24 * 3600 * 1000;
/** Samples over which the other direction is averaged where a provider bills the sum. */
const recentSamples = 12;

/**
 * Up to which inbound rate each link that is billed by a percentile costs nothing more this month: what is committed
 * by contract, what is charged already whatever comes, and what the month is planned to be charged for. The plan is
 * made of the demand of four weeks ago, raised and lowered by this month's level; no link is planned for where
 * going on cheapest-first is the safer way to spend the free samples.
 */
export function paidLevels(at: Ms, links: readonly PacedUsage[]): ReadonlyMap<LinkId, LinkBilling> {
  const billed = links.flatMap((link) =>
    isByPercentile(link.price) ? [standingOf(at, link)] : [],
  );
  const planned = plannedCommits(at, billed);
  return new Map(
    billed.map((standing): [LinkId, LinkBilling] => {
      const { link, price, capacity, charged, outbound, freeLeft } = standing;
      if (price.direction === 'outbound') {
        const reason = 'only outbound traffic is billed';
        const paidOutbound = outboundLevel(standing, Math.max(price.commit, charged));
        return [link, { paid: capacity, paidOutbound, freeSamplesLeft: freeLeft, reason }];
      }
      const plan = planned?.get(link) ?? 0;
      const level = Math.max(price.commit, charged, plan);
      const other = price.direction === 'sum' ? outbound : 0;
      const reason =
        level === 0
          ? 'nothing is paid for yet'
          : level === price.commit
            ? 'committed by contract'
            : level === charged
              ? 'charged already this month'
              : 'planned to be charged this month';
      const paid = bitps(Math.round(Math.max(0, level - other)));
      const paidOutbound = outboundLevel(standing, level);
      return [link, { paid, paidOutbound, freeSamplesLeft: freeLeft, reason }];
    }),
  );
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

interface Standing {
  readonly link: LinkId;
  readonly price: PercentilePrice | TieredPrice;
  readonly capacity: Bitps;
  readonly from: Ms;
  readonly usage: readonly UsageSample[];
  readonly lastMonth: readonly UsageSample[];
  /** Free samples of the month. */
  readonly free: number;
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
  const charged =
    own.direction === 'sum'
      ? rates((sample) => sample.inboundBytes + sample.outboundBytes)
      : own.direction === 'outbound'
        ? rates((sample) => sample.outboundBytes)
        : Math.max(
            rates((sample) => sample.inboundBytes),
            own.direction === 'larger' ? rates((sample) => sample.outboundBytes) : 0,
          );
  const above = inMonth.filter((sample) => bytesToBitps(sample.inboundBytes) > charged).length;
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

/** Undefined where there is too little history, too many links, or no reason to leave cheapest-first. */
function plannedCommits(
  at: Ms,
  standings: readonly Standing[],
): ReadonlyMap<LinkId, number> | undefined {
  const paced = standings.filter(({ price }) => price.direction !== 'outbound');
  const [first] = paced;
  if (!first || paced.length < 2 || paced.length > mostLinks) return undefined;
  // One month for all: links that are billed by different calendars are not paced together.
  const month = billingMonth(at, first.price.billingDay, first.price.timeZone);
  const isAlike = ({ from, price, free }: Standing) =>
    from === first.from && free === first.free && price.currency === first.price.currency;
  if (!paced.every(isAlike)) return undefined;
  const history = totalsOf(paced, month.from, month.samples);
  if (!history) return undefined;
  const links = paced.map(
    ({ capacity, price }): PricedLink => ({ capacity, price: ratePerBit(price) }),
  );
  const done = Math.floor((at - month.from) / sampleMs);
  const volumes = Array.from({ length: done }, () => paced.map(() => 0));
  for (const [k, { usage }] of paced.entries())
    for (const sample of usage) {
      const row = volumes[Math.floor((sample.at - month.from) / sampleMs)];
      if (row) row[k] = bytesToBitps(sample.inboundBytes);
    }
  const begun = beginPacing(history, links, first.free);
  const pacing = repace({ ...begun, volumes }, history);
  if (pacing.isRetreating) return undefined;
  return new Map(paced.map(({ link }, k) => [link, pacing.commits[k] ?? 0]));
}

/** All links' inbound rate, four weeks before each sample of the month; a gap takes the value before it. */
function totalsOf(paced: readonly Standing[], from: Ms, samples: number): Float64Array | undefined {
  const totals = new Float64Array(samples);
  const counts = new Uint8Array(samples);
  for (const { lastMonth } of paced)
    for (const sample of lastMonth) {
      const at = (sample.at + fourWeeksMs - from) / sampleMs;
      if (at < 0 || at >= samples) continue;
      totals[at] = (totals[at] ?? 0) + bytesToBitps(sample.inboundBytes);
      counts[at] = (counts[at] ?? 0) + 1;
    }
  // Months are longer than four weeks: the last days repeat the week before.
  const week = (7 * 24 * 3600 * 1000) / sampleMs;
  let known = 0;
  const reach = fourWeeksMs / sampleMs;
  for (let i = 0; i < samples; i++) {
    const isKnown = counts[i] === paced.length;
    if (isKnown && i < reach) known++;
    if (!isKnown) totals[i] = totals[i >= week ? i - week : Math.max(0, i - 1)] ?? 0;
  }
  return known >= enoughHistory * Math.min(reach, samples) ? totals : undefined;
}

const ratePerBit = (price: PercentilePrice | TieredPrice): number =>
  price.model === 'percentile'
    ? (price.overagePerMbps ?? price.perMbps)
    : (price.tiers.at(-1)?.perMbps ?? 0);
