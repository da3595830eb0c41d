import { type LinkId, type Micros, type Ms, micros, ms } from '../../base/units.ts';
import type { Price } from '../../model/price.ts';
import { type Bill, billMonth, convert, type UsageSample } from './bill.ts';
import { billingMonth, sampleMs } from './month.ts';

export interface LinkUsage {
  readonly link: LinkId;
  readonly price: Price;
  readonly usage: readonly UsageSample[];
  /** What the link would have carried without control, by the blocks' unbiased shares. */
  readonly withoutControl?: readonly UsageSample[];
  /** The month before, from which the rest of this one is forecast. */
  readonly lastMonth?: readonly UsageSample[];
}

export interface LinkStatement {
  readonly bill: Bill;
  /** The bill at the month's end if it goes on like this. */
  readonly forecast: Bill;
  readonly withoutControl?: Bill;
}

export interface Statement {
  /** When it was drawn up, and the usage that it knows. */
  readonly at: Ms;
  readonly links: readonly LinkStatement[];
  readonly currency: string;
  /** All in `currency`. */
  readonly toDate: Micros;
  readonly forecast: Micros;
  readonly withoutControl?: Micros;
  /** Of the links whose bill without control is known; negative where steering made it dearer. */
  readonly saved?: Micros;
  /** Links for which it is not known what they would have carried: they are in neither figure of the comparison. */
  readonly notCompared: readonly LinkId[];
  /** Currencies of prices for which no rate was given: their links are in no total. */
  readonly unconverted: readonly string[];
}

/**
 * Month to date per link, forecast, and what it would have been without control.
 * `rates`: millionths of `currency` per unit of each other currency.
 */
export function drawStatement(
  at: Ms,
  links: readonly LinkUsage[],
  currency: string,
  rates: Readonly<Record<string, number>> = {},
): Statement {
  const statements = links.map((link) => stateLink(at, link));
  const rateOf = (code: string) => (code === currency ? 1_000_000 : rates[code]);
  const unconverted = [...new Set(links.map(({ price }) => price.currency))]
    .filter((code) => rateOf(code) === undefined)
    .sort();
  const total = (bills: ReadonlyArray<Bill | undefined>): Micros => {
    let sum = 0;
    for (const bill of bills) {
      const rate = bill && rateOf(bill.currency);
      if (bill && rate !== undefined) sum += convert(bill.amount, rate);
    }
    return micros(sum);
  };
  const toDate = total(statements.map((entry) => entry.bill));
  const compared = statements.filter((entry) => entry.withoutControl !== undefined);
  const without = total(compared.map((entry) => entry.withoutControl));
  const steered = total(compared.map((entry) => entry.bill));
  return {
    at,
    links: statements,
    currency,
    toDate,
    forecast: total(statements.map((entry) => entry.forecast)),
    ...(compared.length > 0 ? { withoutControl: without, saved: micros(without - steered) } : {}),
    notCompared: links
      .filter((_, i) => statements[i]?.withoutControl === undefined)
      .map(({ link }) => link),
    unconverted,
  };
}

function stateLink(
  at: Ms,
  { link, price, usage, withoutControl, lastMonth }: LinkUsage,
): LinkStatement {
  const month = billingMonth(at, price.billingDay, price.timeZone);
  const own = usage.filter((sample) => sample.at >= month.from && sample.at < at);
  const bill = billMonth(link, price, month, own, at);
  const forecast = billMonth(link, price, month, [
    ...own,
    ...restOfMonth(at, month.to, own, lastMonth),
  ]);
  if (!withoutControl) return { bill, forecast };
  const other = withoutControl.filter((sample) => sample.at < at);
  return { bill, forecast, withoutControl: billMonth(link, price, month, other, at) };
}

/**
 * The samples to come: those of four weeks earlier (the same weekday and time) scaled by how this month compares
 * with last month so far; without them, this month's own repeated.
 */
function restOfMonth(
  at: Ms,
  to: Ms,
  own: readonly UsageSample[],
  lastMonth: readonly UsageSample[] | undefined,
): UsageSample[] {
  const fourWeeks = 28 * 24 * 3600 * 1000;
  const earlier = new Map((lastMonth ?? []).map((sample) => [sample.at + fourWeeks, sample]));
  const rest: UsageSample[] = [];
  const bytes = (sample: UsageSample) => sample.inboundBytes + sample.outboundBytes;
  let now = 0;
  let then = 0;
  for (const sample of own) {
    const match = earlier.get(sample.at);
    if (!match) continue;
    now += bytes(sample);
    then += bytes(match);
  }
  const ratio = then > 0 ? now / then : 1;
  const first = Math.ceil(at / sampleMs) * sampleMs;
  for (let time = first, i = 0; time < to; time += sampleMs, i++) {
    const match = earlier.get(time);
    const model = match ?? own[i % Math.max(1, own.length)];
    if (!model) break;
    const factor = match ? ratio : 1;
    rest.push({
      at: ms(time),
      inboundBytes: Math.round(model.inboundBytes * factor),
      outboundBytes: Math.round(model.outboundBytes * factor),
    });
  }
  return rest;
}
