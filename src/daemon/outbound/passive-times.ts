/** Round trips of the traffic itself by destination, from what the wires see of foreign networks. */
import { formatPrefix, prefixOf } from '../../core/base/prefix.ts';
import type { PrefixText } from '../../core/base/units.ts';
import type { AdjRibIn } from '../../core/bgp/rib/adj-rib-in.ts';
import type { PathTime } from '../../core/decide/egress/index.ts';
import type { NetworkCount } from '../../engine/index.ts';

/** Old samples weigh no more than so many new ones: a way that changed is seen in the next hundred. */
const memorySamples = 50;
/** The wires count samples up to this and no further. */
const samplesFull = 65_535;
/** What a network whose count is full is taken to have added, when its time changed. */
const samplesAssumed = 100;

/**
 * Whatever link the answers come in by: of interest is what the destination's traffic meets altogether. The wires'
 * means forget, but the mean of a link by which nothing comes any more stays; so only what was added counts.
 */
export class PassiveTimes {
  readonly #seen = new Map<string, { readonly rttUs: number; readonly samples: number }>();
  #times: ReadonlyMap<PrefixText, PathTime> = new Map();

  /** By the longest route that covers a network. */
  add(
    networks: readonly NetworkCount[],
    routes: Pick<AdjRibIn, 'covering'>,
  ): ReadonlyMap<PrefixText, PathTime> {
    const fresh = new Map<PrefixText, { us: number; samples: number }>();
    for (const network of networks) {
      const samples = network.rtts.map((rtt) => this.#added(network.prefix, rtt));
      if (samples.every((count) => count === 0)) continue;
      const route = routes.covering(prefixOf(network.prefix)).find(({ length }) => length > 0);
      if (!route) continue;
      const name = formatPrefix(route);
      const sum = fresh.get(name) ?? { us: 0, samples: 0 };
      fresh.set(name, sum);
      for (const [i, { rttUs }] of network.rtts.entries()) {
        sum.us += rttUs * (samples[i] ?? 0);
        sum.samples += samples[i] ?? 0;
      }
    }
    const times = new Map(this.#times);
    for (const [name, { us, samples }] of fresh) {
      const known = times.get(name) ?? { us: 0, samples: 0 };
      const old = Math.min(known.samples, memorySamples);
      times.set(name, { us: (known.us * old + us) / (old + samples), samples: old + samples });
    }
    this.#times = times;
    return times;
  }

  /** How many samples a network got by one link since the last look. */
  #added(prefix: PrefixText, { link, rttUs, samples }: NetworkCount['rtts'][number]): number {
    const key = `${prefix} ${link}`;
    const before = this.#seen.get(key);
    this.#seen.set(key, { rttUs, samples });
    if (!before || samples < before.samples) return samples;
    if (samples > before.samples) return samples - before.samples;
    return samples >= samplesFull && rttUs !== before.rttUs ? samplesAssumed : 0;
  }
}
