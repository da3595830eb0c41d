import type { BillView } from '../../control/index.ts';
import { bitps, type LinkId, ms } from '../../core/base/units.ts';
import type { Bill, UsageSample } from '../../core/decide/billing/bill.ts';
import { billingMonth } from '../../core/decide/billing/month.ts';
import { type PaidMonth, paidMonth } from '../../core/decide/billing/paid.ts';
import { beginSpending, type Spending, spend, withPlan } from '../../core/decide/billing/spend.ts';
import { drawStatement, type LinkUsage } from '../../core/decide/billing/statement.ts';
import type { LinkBilling, LinkObservation } from '../../core/model/observation.ts';
import type { Price } from '../../core/model/price.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { History, Span, Usage } from '../../history/index.ts';

type Kept = Pick<History, 'usage' | 'shifts'>;

const hourMs = 3_600_000;

/** Month to date and forecast, of every link that has a price, and what it would be without headgate. */
export function billView(
  { settings, at }: { readonly settings: Settings; readonly at: number },
  history: Kept,
): BillView {
  const { reference, rates } = settings.currencies;
  const statement = drawStatement(ms(at), usageOf(settings, at, history), reference, rates);
  return {
    at,
    currency: statement.currency,
    to_date: money(statement.toDate),
    forecast: money(statement.forecast),
    ...(statement.withoutControl === undefined
      ? {}
      : { without_headgate: money(statement.withoutControl), saved: money(statement.saved ?? 0) }),
    not_compared: statement.notCompared,
    unconverted: statement.unconverted,
    links: statement.links.map(({ bill, forecast, withoutControl }) => ({
      ...lineOf(bill),
      ...commitOf(settings, bill.link),
      ...(withoutControl === undefined
        ? {}
        : {
            without_headgate: money(withoutControl.amount),
            without_headgate_bitps: Math.round(withoutControl.chargedBitps),
          }),
      forecast: money(forecast.amount),
      forecast_bitps: Math.round(forecast.chargedBitps),
    })),
  };
}

/**
 * Up to which load each link's bill does not grow. History is read anew when an hour has passed: it changes slowly, and
 * months of samples are read for it; in between the plan for the free samples is carried out by what leaves.
 */
export class PaidLevels {
  readonly #history: Kept;
  #read: { readonly at: number; readonly month: PaidMonth } | undefined;
  #spending: Spending | undefined;

  constructor(history: Kept) {
    this.#history = history;
  }

  /** `links` as they were seen last. */
  at(
    settings: Settings,
    at: number,
    links: readonly LinkObservation[] = [],
  ): ReadonlyMap<LinkId, LinkBilling> {
    if (this.#read === undefined || Math.abs(at - this.#read.at) >= hourMs) {
      const month = paidOf({ settings, at }, this.#history);
      this.#read = { at, month };
      this.#spending = month.plan && beginSpending(month.plan, ms(at));
    }
    const { levels } = this.#read.month;
    if (!this.#spending) return levels;
    if (links.length === 0) return withPlan(levels, this.#spending);
    const rates = new Map(links.map(({ link, outbound }) => [link, outbound?.value ?? 0]));
    this.#spending = spend(this.#spending, ms(at), (link) => rates.get(link) ?? 0);
    return withPlan(levels, this.#spending);
  }

  /** Prices or capacities changed. */
  forget(): void {
    this.#read = undefined;
    this.#spending = undefined;
  }
}

/** Reads months of samples, so it is not for every cycle. */
function paidOf(
  { settings, at }: { readonly settings: Settings; readonly at: number },
  history: Kept,
): PaidMonth {
  const capacity = new Map(settings.links.map((link) => [link.name, link.capacity]));
  const usage = usageOf(settings, at, history);
  return paidMonth(
    ms(at),
    usage.map((entry) => ({ ...entry, capacity: capacity.get(entry.link) ?? bitps(0) })),
  );
}

function usageOf(settings: Settings, at: number, history: Kept): readonly LinkUsage[] {
  return settings.links.flatMap(({ name: link, price }): readonly LinkUsage[] => {
    if (price === undefined) return [];
    const month = billingMonth(ms(at), price.billingDay, price.timeZone);
    const before = billingMonth(ms(month.from - 1), price.billingDay, price.timeZone);
    const samples = history.usage({ from: before.from, to: at }).filter((s) => s.link === link);
    const usage = samples.filter((sample) => sample.at >= month.from);
    const lastMonth = samples.filter((sample) => sample.at < month.from);
    const shifted = shiftsOf(history, link, { from: month.from, to: at });
    return [
      {
        link,
        price,
        usage: usage.map((sample) => sampleOf(sample, price)),
        withoutControl: usage.map((sample) => sampleOf(unsteered(sample, shifted), price)),
        ...(lastMonth.length > 0
          ? { lastMonth: lastMonth.map((sample) => sampleOf(sample, price)) }
          : {}),
      },
    ];
  });
}

function shiftsOf(history: Kept, link: LinkId, span: Span): ReadonlyMap<number, number> {
  const own = history.shifts(span).filter((shift) => shift.link === link);
  return new Map(own.map(({ at, inboundL2 }) => [at, inboundL2]));
}

/** A sample as it would have been; in its IP octets by the same share as in those of layer 2. */
function unsteered(usage: Usage, shifts: ReadonlyMap<number, number>): Usage {
  const shift = shifts.get(usage.at);
  if (shift === undefined) return usage;
  const inboundL2 = Math.max(0, usage.inboundL2 + shift);
  // Of a link that carried nothing the overhead is not known: as if there were none.
  const ipShare = usage.inboundL2 > 0 ? usage.inboundIp / usage.inboundL2 : 1;
  return { ...usage, inboundL2, inboundIp: Math.round(inboundL2 * ipShare) };
}

function sampleOf(usage: Usage, price: Price): UsageSample {
  const isIp = price.billBytes === 'ip';
  return {
    at: ms(usage.at),
    inboundBytes: isIp ? usage.inboundIp : usage.inboundL2,
    outboundBytes: isIp ? usage.outboundIp : usage.outboundL2,
  };
}

function commitOf({ links }: Settings, name: LinkId): { readonly commit_bitps?: number } {
  const price = links.find((link) => link.name === name)?.price;
  const commit = price && 'commit' in price ? price.commit : 0;
  return commit > 0 ? { commit_bitps: commit } : {};
}

function lineOf(bill: Bill) {
  return {
    link: bill.link,
    from: bill.from,
    to: bill.to,
    currency: bill.currency,
    amount: money(bill.amount),
    charged_bitps: Math.round(bill.chargedBitps),
    samples: bill.samples,
    missing: bill.missing,
    free_samples: bill.freeSamples,
    free_samples_left: bill.freeSamplesLeft,
  };
}

/** Millionths as decimal text: no float ever holds money. */
export function money(micros: number): string {
  const sign = micros < 0 ? '-' : '';
  const whole = Math.floor(Math.abs(micros) / 1e6);
  const rest = String(Math.abs(micros) % 1e6)
    .padStart(6, '0')
    .replace(/0{1,4}$/, '');
  return `${sign}${whole}.${rest}`;
}
