import type { BillView } from '../control/index.ts';
import { ms } from '../core/base/units.ts';
import type { Bill, UsageSample } from '../core/decide/billing/bill.ts';
import { billingMonth } from '../core/decide/billing/month.ts';
import { drawStatement, type LinkUsage } from '../core/decide/billing/statement.ts';
import type { Price } from '../core/model/price.ts';
import type { Settings } from '../core/settings/index.ts';
import type { History, Usage } from '../history/index.ts';

/** Month to date and forecast, of every link that has a price. */
export function billView(
  { settings, at }: { readonly settings: Settings; readonly at: number },
  history: Pick<History, 'usage'>,
): BillView {
  const { reference, rates } = settings.currencies;
  const statement = drawStatement(ms(at), usageOf(settings, at, history), reference, rates);
  return {
    at,
    currency: statement.currency,
    to_date: money(statement.toDate),
    forecast: money(statement.forecast),
    unconverted: statement.unconverted,
    links: statement.links.map(({ bill, forecast }) => ({
      ...lineOf(bill),
      forecast: money(forecast.amount),
      forecast_bitps: Math.round(forecast.chargedBitps),
    })),
  };
}

function usageOf(settings: Settings, at: number, history: Pick<History, 'usage'>) {
  return settings.links.flatMap(({ name: link, price }): readonly LinkUsage[] => {
    if (price === undefined) return [];
    const month = billingMonth(ms(at), price.billingDay, price.timeZone);
    const before = billingMonth(ms(month.from - 1), price.billingDay, price.timeZone);
    const samples = history.usage({ from: before.from, to: at }).filter((s) => s.link === link);
    const usage = samples.filter((sample) => sample.at >= month.from);
    const lastMonth = samples.filter((sample) => sample.at < month.from);
    return [
      {
        link,
        price,
        usage: usage.map((sample) => sampleOf(sample, price)),
        ...(lastMonth.length > 0
          ? { lastMonth: lastMonth.map((sample) => sampleOf(sample, price)) }
          : {}),
      },
    ];
  });
}

function sampleOf(usage: Usage, price: Price): UsageSample {
  const isIp = price.billBytes === 'ip';
  return {
    at: ms(usage.at),
    inboundBytes: isIp ? usage.inboundIp : usage.inboundL2,
    outboundBytes: isIp ? usage.outboundIp : usage.outboundL2,
  };
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
