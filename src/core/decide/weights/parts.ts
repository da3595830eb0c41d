/** Shares as whole parts, and how those in force go where they are wanted. */
import { type LinkWeights, weightParts } from './types.ts';

/** Weights nearer to those wanted than this stay: parts. */
const tolerance = 3;

/** Amounts by link as parts of `weightParts`, by largest remainder; equal remainders by name. */
export function toParts(amounts: ReadonlyMap<string, number>): LinkWeights {
  const names = [...amounts.keys()].sort();
  const total = names.reduce((sum, name) => sum + Math.max(0, amounts.get(name) ?? 0), 0);
  const entries = names.map((name) => {
    const amount = Math.max(0, amounts.get(name) ?? 0);
    const exact = total > 0 ? (amount / total) * weightParts : weightParts / names.length;
    return { name, parts: Math.floor(exact), rest: exact - Math.floor(exact) };
  });
  const left = weightParts - entries.reduce((sum, { parts }) => sum + parts, 0);
  const byRest = [...entries].sort((a, b) => b.rest - a.rest || (a.name < b.name ? -1 : 1));
  const raised = new Set(byRest.slice(0, left).map(({ name }) => name));
  return Object.fromEntries(
    entries.map(({ name, parts }) => [name, raised.has(name) ? parts + 1 : parts]),
  );
}

export const sameWeights = (a: LinkWeights, b: LinkWeights): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([link, weight]) => b[link] === weight);

/** The share of sessions that other weights would give another link, 0 to 1. */
export function movedShare(from: LinkWeights, to: LinkWeights): number {
  const links = new Set([...Object.keys(from), ...Object.keys(to)]);
  const sum = [...links].reduce((all, l) => all + Math.abs((from[l] ?? 0) - (to[l] ?? 0)), 0);
  return sum / 2 / weightParts;
}

/** Whether they differ by so little that no session need begin elsewhere for it. */
export const isNear = (from: LinkWeights, to: LinkWeights): boolean =>
  Object.keys(from).length === Object.keys(to).length &&
  Object.entries(to).every(([link, parts]) => {
    const own = from[link];
    return own !== undefined && Math.abs(parts - own) < tolerance;
  });

/** `share` of the way from one to the other, one part at least. */
export function stepTowards(from: LinkWeights, to: LinkWeights, share: number): LinkWeights {
  const links = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  const between = (l: string) => (from[l] ?? 0) + share * ((to[l] ?? 0) - (from[l] ?? 0));
  const next = toParts(new Map(links.map((l) => [l, between(l)])));
  if (share <= 0 || !sameWeights(next, from)) return next;
  const lack = (l: string) => (to[l] ?? 0) - (from[l] ?? 0);
  const [most] = [...links].sort((a, b) => lack(b) - lack(a) || (a < b ? -1 : 1));
  const [least] = [...links].sort((a, b) => lack(a) - lack(b) || (a < b ? -1 : 1));
  if (most === undefined || least === undefined || lack(most) <= 0) return next;
  return { ...next, [most]: (next[most] ?? 0) + 1, [least]: (next[least] ?? 0) - 1 };
}
