import type { LinkId } from '../base/units.ts';
import type { BlockState, Effect } from './state.ts';

/**
 * What a rung is assumed to bring before it was ever tried: prepending saturates after two or three,
 * and much of the Internet prefers by local preference, which no prepend reaches.
 */
const assumed: readonly number[] = [0.3, 0.5, 0.6];
/** Older observations fade: no more than this many count. */
const memory = 8;
/** Observations that the assumption is worth. */
const assumedWeight = 0.5;

export type Effects = Readonly<Record<string, readonly Effect[]>>;

/**
 * Share of the traffic not yet there that comes at `rung`: never less than a lower rung brings, and what is merely
 * assumed never more than a higher one that was tried.
 */
export function effectOf(effects: Effects, link: LinkId, rung: number): Effect {
  const known = effects[link] ?? [];
  let best: Effect = { mean: 0, weight: 0 };
  for (let r = 1; r <= rung; r++) {
    const effect = known[r - 1]?.weight ? known[r - 1] : assumption(r);
    // A rung that was tried overrules the assumption of a lower one.
    if (effect && (effect.mean >= best.mean || (effect.weight > 0 && best.weight === 0)))
      best = effect;
  }
  if (best.weight > 0) return best;
  const ceiling = known.slice(rung).find(({ weight }) => weight > 0)?.mean ?? 1;
  return best.mean <= ceiling ? best : { mean: ceiling, weight: 0 };
}

/** Whether any rung towards `link` was ever judged. */
export function isTried(effects: Effects, link: LinkId): boolean {
  return (effects[link] ?? []).some((effect) => effect.weight > 0);
}

/** Standard error of a mean, assuming the widest spread that shares can have. */
export function uncertaintyOf(effect: Effect): number {
  return 0.5 / Math.sqrt(effect.weight + 1);
}

export function learnEffect(effects: Effects, link: LinkId, rung: number, moved: number): Effects {
  const known = [...(effects[link] ?? [])];
  while (known.length < rung) known.push(assumption(known.length + 1));
  const old = known[rung - 1] ?? assumption(rung);
  const oldWeight = old.weight === 0 ? assumedWeight : Math.min(old.weight, memory - 1);
  const mean = (old.mean * oldWeight + moved) / (oldWeight + 1);
  known[rung - 1] = { mean, weight: Math.min(old.weight + 1, memory) };
  return { ...effects, [link]: known };
}

/**
 * Expected share of a block on `target` at `rung`: where the unbiased Internet sends it, moved by what the block
 * itself showed when it was tried, else by what the link's rungs showed with other blocks.
 */
export function expectedShare(
  effects: Effects,
  block: BlockState,
  baselineShare: number,
  target: LinkId,
  rung: number,
): number {
  const general = effectOf(effects, target, rung).mean;
  const own = block.tried[target];
  let moved = general;
  if (own && rung <= own.rung) moved = Math.min(general, own.moved);
  if (own && rung === own.rung) moved = own.moved;
  if (own && rung > own.rung) {
    const lower = effectOf(effects, target, own.rung).mean;
    const further = lower < 1 ? Math.max(0, (general - lower) / (1 - lower)) : 0;
    moved = own.moved + (1 - own.moved) * further;
  }
  return baselineShare + (1 - baselineShare) * moved;
}

/** The share that a rung brought, of what was not there when the block was unbiased. */
export function movedShare(baselineShare: number, seenShare: number): number {
  if (baselineShare >= 1) return 0;
  return Math.min(1, Math.max(0, (seenShare - baselineShare) / (1 - baselineShare)));
}

function assumption(rung: number): Effect {
  return { mean: assumed[Math.min(rung, assumed.length) - 1] ?? 0, weight: 0 };
}
