/** What the sources say of a link's congestion, by direction. Pure. */
import type { Sign } from '../core/decide/congestion.ts';
import { judgeCongestion } from '../core/decide/congestion.ts';
import type { CongestionVerdict } from '../core/model/congestion.ts';
import type { Direction } from '../core/model/link.ts';
import type { LinkObservation, Sampled } from '../core/model/observation.ts';
import { wilson } from '../probe/statistics.ts';
import type { LinkSamples } from './samples.ts';

/** Data segments of one direction, and those sent again because the provider's side lost them. */
export interface Retransmissions {
  readonly segments: number;
  readonly lost: number;
}

export interface SignInput {
  readonly seen: LinkObservation;
  readonly samples: LinkSamples | undefined;
  /** As a wire saw them; absent for a link that none carries. */
  readonly tcp?: Readonly<Record<Direction, Retransmissions>>;
  /** The verdicts in force: they are left later than they are reached. */
  readonly before: readonly CongestionVerdict[];
}

/** One verdict per direction; a direction that nothing tells of has none. */
export function judgeLink(input: SignInput): readonly CongestionVerdict[] {
  return (['inbound', 'outbound'] as const).flatMap((direction) => {
    const signs = signsOf(input, direction);
    if (signs.length === 0) return [];
    const was = input.before.some((v) => v.direction === direction && v.isCongested);
    return [judgeCongestion(input.seen.link, direction, signs, was)];
  });
}

function signsOf({ seen, samples, tcp }: SignInput, direction: Direction): Sign[] {
  const signs: Sign[] = [];
  const add = (kind: Sign['kind'], sampled: Sampled<number> | undefined, low?: number) => {
    if (!sampled) return;
    const { value, ageMs, coverage } = sampled;
    signs.push({ kind, value, ageMs, coverage, ...(low === undefined ? {} : { low }) });
  };
  const rate = seen[direction];
  if (rate && seen.isUp && seen.capacity > 0) {
    add('load', { ...rate, value: rate.value / seen.capacity });
  }
  add('discards', samples?.[`${direction}DiscardRatio`]);
  const { segments, lost } = tcp?.[direction] ?? { segments: 0, lost: 0 };
  if (rate && segments > 0) {
    const value = Math.min(1, lost / segments);
    // A handful of segments proves little, however many of them were lost.
    add('retransmission', { ...rate, value }, wilson(Math.min(lost, segments), segments)[0]);
  }
  // A probe's answer returns by this link alone; how the question left is less sure.
  if (direction === 'inbound') {
    add('probe_loss', samples?.lossRatio, samples?.lossLow);
    add('delay_growth', samples?.delayGrowthUs);
  }
  return signs;
}
