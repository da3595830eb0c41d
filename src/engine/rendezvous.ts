import type { LinkId } from '../core/base/units.ts';
import { layout } from './layout.ts';
import type { Weights } from './options.ts';

/**
 * Weighted rendezvous (Thaler and Ravishankar 1998; weights by exponential variates): of all links each bucket takes the
 * one with the least `e(link, bucket) / weight`. A link that goes gives away its own buckets only, and a weight that
 * changes moves what it must. A thousand buckets would miss the weights by a random percent or two, so the weights are
 * bent until the shares fit. A function of names and weights alone: two units, or one after a restart, agree.
 * By bucket, the links in the order in which it would take them, those of weight 0 last.
 */
export function apportion(weights: Weights): readonly (readonly LinkId[])[] {
  const all = (Object.keys(weights) as LinkId[]).sort(); // keys of Weights are links
  const links = all.filter((link) => (weights[link] ?? 0) > 0);
  const spare = all.filter((link) => weights[link] === 0);
  const sum = links.reduce((all, link) => all + (weights[link] ?? 0), 0);
  const entries = links.map((link) => ({
    link,
    wanted: ((weights[link] ?? 0) / sum) * layout.buckets,
    variates: variatesOf(link),
  }));
  let bent = entries.map(({ wanted }) => wanted);
  let best = bent;
  let leastError = Number.POSITIVE_INFINITY;
  for (let round = 0; round < roundsMax && leastError >= 1; round++) {
    const counts = countFirst(entries, bent);
    const error = Math.max(...entries.map(({ wanted }, i) => Math.abs(wanted - (counts[i] ?? 0))));
    if (error < leastError) [best, leastError] = [bent, error];
    // By half the error at first, then by less, so that what swings settles; small shares may have no bucket at all.
    const step = 0.5 / (1 + round / 8);
    bent = bent.map((weight, i) => {
      const wanted = entries[i]?.wanted ?? 0;
      return weight * (wanted / Math.max(counts[i] ?? 0, 0.5)) ** step;
    });
  }
  return Array.from({ length: layout.buckets }, (_, bucket) => [
    ...entries
      .map(({ link, variates }, i) => ({ link, score: (variates[bucket] ?? 0) / (best[i] ?? 1) }))
      .sort((a, b) => a.score - b.score)
      .map(({ link }) => link),
    ...spare,
  ]);
}

/** Enough for shares to settle; of what still swings then the best round counts. */
const roundsMax = 60;

interface Entry {
  readonly wanted: number;
  readonly variates: Float64Array;
}

function countFirst(entries: readonly Entry[], bent: readonly number[]): readonly number[] {
  const counts = entries.map(() => 0);
  for (let bucket = 0; bucket < layout.buckets; bucket++) {
    let first = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const [i, { variates }] of entries.entries()) {
      const score = (variates[bucket] ?? 0) / (bent[i] ?? 1);
      if (score >= least) continue;
      least = score;
      first = i;
    }
    counts[first] = (counts[first] ?? 0) + 1;
  }
  return counts;
}

/** Exponential variates of a link, by bucket; always the same. */
function variatesOf(link: LinkId): Float64Array {
  const known = variates.get(link);
  if (known) return known;
  const seed = hashText(link, 0);
  const made = Float64Array.from({ length: layout.buckets }, (_, bucket) => {
    const uniform = (mix(seed, bucket) + 0.5) / 2 ** 32;
    return -Math.log(uniform);
  });
  variates.set(link, made);
  return made;
}

const variates = new Map<LinkId, Float64Array>();

/** FNV-1a over UTF-16 units, mixed: 32 bits. */
export function hashText(text: string, seed: number): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h, seed);
}

/** As hg_mix32 of native/core/mark.h. */
function mix(seed: number, word: number): number {
  let h = Math.imul(seed ^ word, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h = (h ^ (h >>> 16)) >>> 0;
  h = Math.imul(h ^ 0x9e3779b9, 0x85ebca6b);
  return (h ^ (h >>> 15)) >>> 0;
}
