import { type LinkId, ms } from '../../base/units.ts';
import type { Round } from './round.ts';
import type { DestinationObservation, Disproved, Override, PerformancePolicy } from './types.ts';

interface FasterLink {
  readonly link: LinkId;
  readonly gainUs: number;
  readonly samples: number;
}

/** Of the gain that was asked for, what must remain for a detour to go on: hysteresis. */
const keepShare = 0.5;

/**
 * Sends destinations by a measurably faster path, a little per round, where the path has room; and back when probes do
 * not find it faster any more, or the traffic's own round trips did not shorten. Gives the ways that did not help.
 */
export function improve<N extends string>(
  round: Round<N>,
  policy: PerformancePolicy,
  resting: ReadonlyArray<Disproved<N>>,
): ReadonlyArray<Disproved<N>> {
  const failed: Array<Disproved<N>> = [];
  const total = round.destinations.reduce((sum, { rate }) => sum + rate, 0);
  let budget = total * policy.sharePerRound;
  for (const destination of round.destinations) {
    const preferred = round.planned.preferred(destination);
    const override = round.kept.get(destination.destination);
    if (!preferred || override?.because === 'overload') continue;
    if (override) {
      const useless = uselessBecause(round.at, destination, override, policy);
      if (useless === undefined) continue;
      round.end(destination, override, useless.text);
      if (useless.isDisproved)
        failed.push({
          destination: destination.destination,
          link: override.link,
          until: ms(round.at + policy.restMs),
        });
      continue;
    }
    if (destination.rate > budget || round.isFull) continue;
    const rests = (link: LinkId) =>
      resting.some((way) => way.destination === destination.destination && way.link === link);
    const faster = fasterLinks(destination, preferred.link, policy).find((one) => !rests(one.link));
    const route = faster && destination.routes.find(({ link }) => link === faster.link);
    const room = faster ? round.planned.room(faster.link, round.policy.target) : 0;
    if (!faster || !route || room < destination.rate) continue;
    budget -= destination.rate;
    const { passive } = destination;
    const isKnown = passive !== undefined && passive.samples >= policy.samplesMin;
    round.detour(
      { destination, route },
      {
        because: 'performance',
        text: `${inMs(faster.gainUs)} ms faster by ${faster.link} (${faster.samples} samples)`,
        ...(isKnown ? { expected: { before: passive, gainUs: faster.gainUs } } : {}),
      },
    );
  }
  return failed;
}

/** Links that are faster than `preferred` by more than the policy asks, fastest first; none for the control share. */
function fasterLinks<N extends string>(
  destination: DestinationObservation<N>,
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

/** Why a detour for performance ends; undefined while it helps, or nobody can tell. */
function uselessBecause<N extends string>(
  at: number,
  { rtt, passive }: DestinationObservation<N>,
  { link, from, since, expected }: Override<N>,
  policy: PerformancePolicy,
): { readonly text: string; readonly isDisproved: boolean } | undefined {
  const [now, plain] = [rtt?.[link], rtt?.[from]];
  const isProbed = [now, plain].every((time) => (time?.samples ?? 0) >= policy.samplesMin);
  if (now && plain && isProbed && plain.us - now.us < policy.gainUs * keepShare)
    return { text: `${link} is not faster than ${from} any more`, isDisproved: false };
  if (!expected || at - since < policy.settleMs) return undefined;
  if (!passive || passive.samples < policy.samplesMin) return undefined;
  const gainUs = expected.before.us - passive.us;
  if (gainUs >= Math.min(expected.gainUs, policy.gainUs) * keepShare) return undefined;
  return {
    text: `it did not help: ${inMs(expected.before.us)} ms before, ${inMs(passive.us)} ms by ${link}`,
    isDisproved: true,
  };
}

const inMs = (us: number): string => (us / 1000).toFixed(us < 10_000 ? 1 : 0);

/** A fixed part of the destinations, the same in every round and on every unit (FNV-1a of the prefix text). */
function isControl(destination: string, share: number): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < destination.length; i++) {
    hash = Math.imul(hash ^ destination.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0) / 2 ** 32 < share;
}
