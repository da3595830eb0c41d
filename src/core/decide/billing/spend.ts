/**
 * The free samples of a month, spent on outbound traffic: what leaves can change links many times within a 5-minute
 * sample, which is what a burst takes. The plan is made of the demand of four weeks ago, raised and lowered by this
 * month's level; there is none where going on cheapest-first is the safer way to spend the free samples.
 */
import { type Bitps, bitps, type LinkId, type Ms, ms } from '../../base/units.ts';
import type { LinkBilling } from '../../model/observation.ts';
import type { PercentilePrice, TieredPrice } from '../../model/price.ts';
import { bytesToBitps, type UsageSample } from './bill.ts';
import { mostLinks, type PricedLink } from './bound.ts';
import { billingMonth, sampleMs } from './month.ts';
import { allot, beginPacing, endSample, type Pacing, repace } from './pacing.ts';

/** A link as a plan sees it. */
export interface PlannedLink {
  readonly link: LinkId;
  readonly price: PercentilePrice | TieredPrice;
  readonly capacity: Bitps;
  /** Begin of the billing month. */
  readonly from: Ms;
  readonly usage: readonly UsageSample[];
  readonly lastMonth: readonly UsageSample[];
  /** Free samples of the month. */
  readonly free: number;
}

/** What is paced together, in the order of the pacing's links. */
export interface MonthPlan {
  readonly links: readonly LinkId[];
  readonly pacing: Pacing;
}

/** History counts when at least this share of its samples is there for every link. */
const enoughHistory = 0.9;
const fourWeeksMs = 28 * 24 * 3600 * 1000;

/** Undefined where there is too little history, too many links, or no reason to leave cheapest-first. */
export function planMonth(at: Ms, all: readonly PlannedLink[]): MonthPlan | undefined {
  const paced = all.filter(({ price }) => price.direction === 'outbound');
  const [first] = paced;
  if (!first || paced.length < 2 || paced.length > mostLinks) return undefined;
  // One month for all: links that are billed by different calendars are not paced together.
  const month = billingMonth(at, first.price.billingDay, first.price.timeZone);
  const isAlike = ({ from, price, free }: PlannedLink) =>
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
      if (row) row[k] = bytesToBitps(sample.outboundBytes);
    }
  const begun = beginPacing(history, links, first.free);
  const pacing = repace({ ...begun, volumes }, history);
  return pacing.isRetreating ? undefined : { links: paced.map(({ link }) => link), pacing };
}

/** A plan being carried out, sample by sample. */
export interface Spending {
  readonly plan: MonthPlan;
  /** Begin of the sample in progress. */
  readonly sample: Ms;
  /** Rates seen in it, added up by link, and how many times. */
  readonly sums: readonly number[];
  readonly looks: number;
  /** Bit k is set when link k exceeds what it is planned to be charged for, until the sample ends. */
  readonly bursting: number;
}

const sampleOf = (at: Ms): Ms => ms(at - (at % sampleMs));

export const beginSpending = (plan: MonthPlan, at: Ms): Spending => ({
  plan,
  sample: sampleOf(at),
  sums: plan.links.map(() => 0),
  looks: 0,
  bursting: 0,
});

/** One look at the outbound rates: whether what the sample is going to end with takes a free sample, and of which links. */
export function spend(before: Spending, at: Ms, rateOf: (link: LinkId) => number): Spending {
  const now = sampleOf(at) === before.sample ? before : ended(before, at);
  const { links, pacing } = now.plan;
  const rates = links.map(rateOf);
  const sums = now.sums.map((sum, k) => sum + (rates[k] ?? 0));
  const looks = now.looks + 1;
  const progress = (at - now.sample) / sampleMs;
  const mean = total(sums) / looks;
  const expected = progress * mean + (1 - progress) * total(rates);
  const { bursting } = allot(pacing, expected, now.bursting, progress);
  return { ...now, sums, looks, bursting };
}

function ended({ plan, sums, looks }: Spending, at: Ms): Spending {
  if (looks === 0) return beginSpending(plan, at);
  const means = sums.map((sum) => sum / looks);
  return beginSpending({ ...plan, pacing: endSample(plan.pacing, means) }, at);
}

/** The levels with what is planned, and with the links that spend a free sample paid for up to their capacity. */
export function withPlan(
  levels: ReadonlyMap<LinkId, LinkBilling>,
  { plan: { links, pacing }, bursting }: Spending,
): ReadonlyMap<LinkId, LinkBilling> {
  const planned = new Map(levels);
  for (const [k, link] of links.entries()) {
    const level = levels.get(link);
    if (!level) continue;
    const isBurst = (bursting & (1 << k)) !== 0;
    const wanted = (isBurst ? pacing.links[k]?.capacity : pacing.commits[k]) ?? 0;
    if (wanted <= (level.paidOutbound ?? 0)) continue;
    const reason = isBurst ? 'a free sample is spent' : 'planned to be charged this month';
    planned.set(link, { ...level, paidOutbound: bitps(Math.round(wanted)), reason });
  }
  return planned;
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** All links' outbound rate, four weeks before each sample of the month; a gap takes the value before it. */
function totalsOf(
  paced: readonly PlannedLink[],
  from: Ms,
  samples: number,
): Float64Array | undefined {
  const totals = new Float64Array(samples);
  const counts = new Uint8Array(samples);
  for (const { lastMonth } of paced)
    for (const sample of lastMonth) {
      const at = (sample.at + fourWeeksMs - from) / sampleMs;
      if (at < 0 || at >= samples) continue;
      totals[at] = (totals[at] ?? 0) + bytesToBitps(sample.outboundBytes);
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
