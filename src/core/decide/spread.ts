/** How the traffic of a group is spread over links. A network may have thousands; a group comes in by a handful of them. */
import type { Network } from './network.ts';
import type { Shares } from './state.ts';

/** Links by index, ascending and each once, with the share (0 to 1) that is on each; the others carry none. */
export interface Spread {
  readonly links: readonly number[];
  readonly shares: readonly number[];
}

/** Bit/s that are added to a link and, where negative, taken from it; ascending by link, each once. */
export interface Change {
  readonly links: readonly number[];
  readonly bitps: readonly number[];
}

export function shareOn({ links, shares }: Spread, link: number): number {
  // Few links: looking at each is quicker than halving.
  for (let i = 0; i < links.length; i++) if (links[i] === link) return shares[i] ?? 0;
  return 0;
}

/** The link with most of it, the first among equals; the first of all where it is nowhere. */
export function mostOf({ links, shares }: Spread): number {
  let best = 0;
  for (let i = 1; i < links.length; i++) if ((shares[i] ?? 0) > (shares[best] ?? 0)) best = i;
  return links[best] ?? 0;
}

/** With `share` of it on `target` and the rest spread as in `from`. */
export function withShareOn(from: Spread, target: number, share: number): Spread {
  const others = 1 - shareOn(from, target);
  const links: number[] = [];
  const shares: number[] = [];
  const put = (link: number, value: number) => {
    links.push(link);
    shares.push(value);
  };
  let isPut = false;
  for (let i = 0; i < from.links.length; i++) {
    const link = from.links[i] ?? 0;
    if (!isPut && link >= target) {
      put(target, share);
      isPut = true;
    }
    if (link !== target) put(link, others > 0 ? ((from.shares[i] ?? 0) * (1 - share)) / others : 0);
  }
  if (!isPut) put(target, share);
  return { links, shares };
}

/** What changes on the links when traffic of `rate` bit/s goes over from one spread to another. */
export function changeBetween(from: Spread, to: Spread, rate: number): Change {
  const links: number[] = [];
  const bitps: number[] = [];
  let [a, b] = [0, 0];
  while (a < from.links.length || b < to.links.length) {
    const own = from.links[a] ?? Number.POSITIVE_INFINITY;
    const other = to.links[b] ?? Number.POSITIVE_INFINITY;
    const before = own <= other ? (from.shares[a++] ?? 0) : 0;
    const after = other <= own ? (to.shares[b++] ?? 0) : 0;
    links.push(Math.min(own, other));
    bitps.push(rate * (after - before));
  }
  return { links, bitps };
}

/** `loads` (bit/s by link) after a change; nothing is below none. */
export function changed(loads: readonly number[], { links, bitps }: Change): number[] {
  const after = [...loads];
  for (let i = 0; i < links.length; i++) {
    const link = links[i] ?? 0;
    after[link] = Math.max(0, (after[link] ?? 0) + (bitps[i] ?? 0));
  }
  return after;
}

/** From bit/s or shares by link, in any order and perhaps with a link several times; `sum` is what they add up to. */
export function spreadOf(parts: Iterable<readonly [link: number, value: number]>, sum = 1): Spread {
  const byLink = new Map<number, number>();
  for (const [link, value] of parts) byLink.set(link, (byLink.get(link) ?? 0) + value);
  const links = [...byLink.keys()].sort((a, b) => a - b);
  return { links, shares: links.map((link) => (byLink.get(link) ?? 0) / sum) };
}

export function fromNamed({ indexOf }: Network, shares: Shares): Spread {
  const parts: (readonly [number, number])[] = [];
  for (const link in shares) {
    const index = indexOf.get(link);
    if (index !== undefined) parts.push([index, shares[link] ?? 0]);
  }
  return spreadOf(parts);
}

export function toNamed(network: Network, { links, shares }: Spread): Shares {
  const named: Record<string, number> = {};
  for (let i = 0; i < links.length; i++) {
    const link = network.links[links[i] ?? -1];
    if (link !== undefined && (shares[i] ?? 0) > 0) named[link] = shares[i] ?? 0;
  }
  return named;
}
