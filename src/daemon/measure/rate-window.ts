import { type Bitps, bitps } from '../../core/base/units.ts';

/** What one reading of an interface's counters says of the time before it. */
export interface RateReading {
  /** When it was read, milliseconds on any one clock. */
  readonly at: number;
  /** The time that the rates stand for. */
  readonly elapsedMs: number;
  readonly inbound: Bitps;
  readonly outbound: Bitps;
}

/**
 * Rates of one interface over the averaging time: the mean of its readings, each by the time it stands for. Without it
 * a router that is read every few seconds would be compared with flow exports of minutes.
 */
export class RateWindow {
  #readings: readonly RateReading[] = [];

  /** A reading that is known already changes nothing. */
  add(reading: RateReading, averageMs: number): void {
    const last = this.#readings.at(-1);
    if (last?.at === reading.at) return;
    const from = reading.at - averageMs;
    // A reading counts while its middle lies in the averaging time.
    this.#readings = [
      // Later than this one: read before the clock was set back.
      ...this.#readings.filter(
        ({ at, elapsedMs }) => at - elapsedMs / 2 >= from && at < reading.at,
      ),
      reading,
    ];
  }

  mean(): Readonly<Record<'inbound' | 'outbound', Bitps>> {
    let elapsedMs = 0;
    let [inbound, outbound] = [0, 0];
    for (const reading of this.#readings) {
      elapsedMs += reading.elapsedMs;
      inbound += reading.inbound * reading.elapsedMs;
      outbound += reading.outbound * reading.elapsedMs;
    }
    if (elapsedMs === 0) return { inbound: bitps(0), outbound: bitps(0) };
    return { inbound: bitps(inbound / elapsedMs), outbound: bitps(outbound / elapsedMs) };
  }
}
