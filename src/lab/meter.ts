/** What the lab itself sees, independent of the unit: the providers' interface counters and the receivers' bytes. */
import type { Lab } from './lab.ts';
import { readShaperDrops } from './namespaces.ts';
import type { Receipt } from './traffic/client.ts';
import type { Traffic } from './traffic/index.ts';

export interface LinkCount {
  readonly name: string;
  /** Layer-2 bytes (without FCS) sent by the provider towards us, behind its shaper; cumulative. */
  readonly bytes: number;
  /** Packets that the shaper dropped; cumulative. */
  readonly dropped: number;
}

export interface MeterSample {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly links: readonly LinkCount[];
  readonly receipt: Receipt;
}

/** Averages over a window, bit/s. */
export interface Reading {
  readonly seconds: number;
  readonly goodputBitps: number;
  readonly links: ReadonlyArray<{
    readonly name: string;
    readonly bitps: number;
    /** Of the link's capacity, 0 to 1. */
    readonly load: number;
    /** Packets that its shaper dropped. */
    readonly dropped: number;
  }>;
}

export interface Meter {
  readonly samples: readonly MeterSample[];
  /** Takes one sample now and keeps it. */
  sample(): Promise<MeterSample>;
  /** Averages between two samples. */
  between(from: MeterSample, to: MeterSample): Reading;
  /** Averages over what was sampled within the last so many seconds. */
  last(seconds: number): Reading | undefined;
}

/** Of a long run only the first and the last ten minutes (at two samples a second) are kept. */
export function keepEnds(samples: unknown[], each = 1200): void {
  if (samples.length > 2 * each) samples.splice(each, samples.length - 2 * each);
}

export function createMeter(lab: Lab, traffic: Traffic): Meter {
  const { providers } = lab.topology;
  const samples: MeterSample[] = [];
  const between = (from: MeterSample, to: MeterSample): Reading => {
    const seconds = Math.max(to.at - from.at, 1) / 1000;
    return {
      seconds,
      goodputBitps:
        to.receipt.at > from.receipt.at ? traffic.goodputBitps(from.receipt, to.receipt) : 0,
      links: providers.map((provider, i) => {
        const bytes = (to.links[i]?.bytes ?? 0) - (from.links[i]?.bytes ?? 0);
        const bitps = (bytes * 8) / seconds;
        const dropped = (to.links[i]?.dropped ?? 0) - (from.links[i]?.dropped ?? 0);
        return { name: provider.name, bitps, load: bitps / provider.capacityBitps, dropped };
      }),
    };
  };
  return {
    samples,
    between,
    async sample() {
      const began = Date.now();
      const links = await Promise.all(
        providers.map(async ({ name }): Promise<LinkCount> => {
          const [ports, drops] = await Promise.all([
            lab.counters(name),
            readShaperDrops(lab.namespace(name)),
          ]);
          const bytes = ports.get('customer')?.txBytes ?? 0;
          return { name, bytes, dropped: drops.get('customer') ?? 0 };
        }),
      );
      // The programs that read them may have waited for a processor.
      const at = Math.round((began + Date.now()) / 2);
      const sample = { at, links, receipt: traffic.receipt() };
      samples.push(sample);
      keepEnds(samples);
      return sample;
    },
    last(seconds) {
      const to = samples.at(-1);
      if (!to) return undefined;
      const from = samples.find((sample) => sample.at >= to.at - seconds * 1000);
      return from && from !== to ? between(from, to) : undefined;
    },
  };
}
