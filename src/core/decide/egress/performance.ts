import type { LinkId } from '../../base/units.ts';
import type { DestinationObservation, PerformancePolicy } from './types.ts';

export interface FasterLink {
  readonly link: LinkId;
  readonly gainUs: number;
  readonly samples: number;
}

/** Links that are faster than `preferred` by more than the policy asks, fastest first; none for the control share. */
export function performanceCandidates(
  destination: DestinationObservation,
  preferred: LinkId,
  policy: PerformancePolicy,
): readonly FasterLink[] {
  if (isControl(destination.destination, policy.controlShare)) return [];
  const base = destination.rtt?.[preferred];
  if (!base || base.samples < policy.samplesMin) return [];
  const faster: FasterLink[] = [];
  for (const { link } of destination.routes) {
    const seen = destination.rtt?.[link];
    if (link === preferred || !seen || seen.samples < policy.samplesMin) continue;
    const gainUs = base.us - seen.us;
    if (gainUs >= policy.gainUs && gainUs >= base.us * policy.gainShare) {
      faster.push({ link, gainUs, samples: Math.min(seen.samples, base.samples) });
    }
  }
  return faster.sort((a, b) => b.gainUs - a.gainUs || (a.link < b.link ? -1 : 1));
}

/** A fixed part of the destinations, the same in every round and on every unit (FNV-1a of the prefix text). */
function isControl(destination: string, share: number): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < destination.length; i++) {
    hash = Math.imul(hash ^ destination.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0) / 2 ** 32 < share;
}
