import { type Ms, ms } from '../../base/units.ts';

/** Length of a billed sample: every provider's 5 minutes, on 5-minute boundaries of the clock. */
export const sampleMs = 300_000;

export interface BillingMonth {
  readonly from: Ms;
  /** The first moment of the next one. */
  readonly to: Ms;
  /** 5-minute samples in it; months with a change of the clock have 12 more or fewer. */
  readonly samples: number;
}

/** The billing month that contains `at`. `zone` is an IANA name; an unknown one throws RangeError (settings check it). */
export function billingMonth(at: Ms, billingDay: number, zone: string): BillingMonth {
  const local = localDate(at, zone);
  const begun = local.day >= billingDay ? 0 : -1;
  const from = localMidnight(local.year, local.month + begun, billingDay, zone);
  const to = localMidnight(local.year, local.month + begun + 1, billingDay, zone);
  return { from: ms(from), to: ms(to), samples: Math.round((to - from) / sampleMs) };
}

/** UTC of the first moment of a local day; `month` counts from 1 and may run over. */
function localMidnight(year: number, month: number, day: number, zone: string): number {
  const wanted = Date.UTC(year, month - 1, day);
  let time = wanted - offsetMs(wanted, zone);
  // Once more, since the offset may differ between the guess and the answer.
  time = wanted - offsetMs(time, zone);
  return time;
}

function localDate(at: number, zone: string): { year: number; month: number; day: number } {
  const shifted = new Date(at + offsetMs(at, zone));
  return {
    year: shifted.getUTCFullYear(),
    month: shifted.getUTCMonth() + 1,
    day: shifted.getUTCDate(),
  };
}

/** Local minus universal time. */
function offsetMs(at: number, zone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(at);
  const part = (type: string): number =>
    Number(parts.find((entry) => entry.type === type)?.value ?? 0);
  const local = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return local - Math.floor(at / 1000) * 1000;
}
