/** What the sources say of a link's congestion, by direction. Pure. */
import type { Sign } from '../../core/decide/congestion.ts';
import { judgeCongestion } from '../../core/decide/congestion.ts';
import type { CongestionVerdict } from '../../core/model/congestion.ts';
import type { Direction } from '../../core/model/link.ts';
import type { LinkObservation, Sampled } from '../../core/model/observation.ts';
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
  const add = (kind: Sign['kind'], sampled: Sampled<number> | undefined, trials?: number) => {
    if (!sampled) return;
    const { value, ageMs, coverage } = sampled;
    signs.push({ kind, value, ageMs, coverage, ...(trials === undefined ? {} : { trials }) });
  };
  const rate = seen[direction];
  if (rate && seen.isUp && seen.capacity > 0) {
    add('load', { ...rate, value: rate.value / seen.capacity });
  }
  add('discards', samples?.[`${direction}DiscardRatio`]);
  const { segments, lost } = tcp?.[direction] ?? { segments: 0, lost: 0 };
  if (rate && segments > 0) {
    add('retransmission', { ...rate, value: Math.min(1, lost / segments) }, segments);
  }
  // A probe's answer returns by this link alone; how the question left is less sure.
  if (direction === 'inbound') {
    const { lossRatio, lossNow } = samples ?? {};
    add('probe_loss', lossRatio, samples?.lossSent);
    // What has just begun is still thin among all that is remembered.
    if (lossRatio && lossNow) {
      add('probe_loss', { ...lossRatio, value: lossNow.ratio }, lossNow.sent);
    }
    add('delay_growth', samples?.delayGrowthUs);
  }
  return signs;
}
