import { type Address, type Family, formatAddress } from '../core/base/prefix.ts';
import type { LinkId } from '../core/base/units.ts';
import type { ProbeEngine, ProbeLink, ProbeTarget } from './engine.ts';

/**
 * Packets that arrived for an address so far, by the link they came in by: from a wire, a mirror or flow exports.
 * Undefined where nothing watches that address.
 */
export type ArrivalWitness = (source: Address) => ReadonlyMap<LinkId, number> | undefined;

/** What the check at start says of one source address of one link. */
export interface LinkCheck {
  readonly link: LinkId;
  readonly family: Family;
  readonly source: string;
  /**
   * `verified`: answers came in by this link. `unverified`: nothing here sees by which link they come, or there
   * was no reference to ask.
   * `wrong_link`: they came by another, so that a probe would measure that one. `no_answer`: none came.
   */
  readonly state: 'verified' | 'unverified' | 'wrong_link' | 'no_answer';
  /** The link that answers really came by. */
  readonly by?: LinkId;
}

/** Whether probes with this source mean what they say. */
export const holds = (check: LinkCheck): boolean =>
  check.state === 'verified' || check.state === 'unverified';

/** Counters reach us in snapshots: the witness may speak this much later than the answer. */
const witnessPatienceMs = 3000;

/** Arrivals that tell of a path: one alone may be a stranger's. */
const arrivalsMin = 3;

/**
 * What arrivals since the last look make of a source that is being probed: a witness may be slow (flow exports tell of
 * a minute ago), and routes change. Most of them by another link: it does not hold any more.
 */
export function judgeArrivals(
  check: LinkCheck,
  before: ReadonlyMap<LinkId, number>,
  now: ReadonlyMap<LinkId, number>,
): LinkCheck {
  const grown = grownSince(before, now);
  const total = grown.reduce((sum, { packets }) => sum + packets, 0);
  const [most] = grown;
  if (!most || total < arrivalsMin || most.packets * 2 <= total) return check;
  const { link, family, source } = check;
  const state = most.link === link ? 'verified' : 'wrong_link';
  return { link, family, source, state, by: most.link };
}

/** Probes the references once per link and source, and asks the witness by which link the answers arrived. */
export async function checkLinks(
  engine: ProbeEngine,
  links: readonly ProbeLink[],
  references: readonly ProbeTarget[],
  witness: ArrivalWitness,
  timeoutMs: number,
): Promise<LinkCheck[]> {
  const checks: LinkCheck[] = [];
  // One after the other, or the arrivals of two links could not be told apart.
  for (const link of links) {
    for (const source of link.sources) {
      checks.push(await checkSource(engine, link, source, references, witness, timeoutMs));
    }
  }
  return checks;
}

/** The same for one source, again. */
export async function checkSource(
  engine: ProbeEngine,
  link: ProbeLink,
  source: Address,
  references: readonly ProbeTarget[],
  witness: ArrivalWitness,
  timeoutMs: number,
): Promise<LinkCheck> {
  const named = { link: link.link, family: source.family, source: formatAddress(source.bytes) };
  const before = witness(source);
  const targets = references.filter((target) => target.address.family === source.family);
  // Without anybody to ask there is nothing to find out.
  if (targets.length === 0) return { ...named, state: 'unverified' };
  const outcomes = await Promise.all(
    targets.map((target) => engine.probe({ ...link, sources: [source] }, target, timeoutMs)),
  );
  if (!outcomes.some((outcome) => outcome.kind === 'reached')) {
    return { ...named, state: 'no_answer' };
  }
  if (!before) return { ...named, state: 'unverified' };
  const by = await arrival(source, before, witness);
  if (by === undefined) return { ...named, state: 'unverified' };
  return { ...named, state: by === link.link ? 'verified' : 'wrong_link', by };
}

/** The link whose count grew most since `before`. */
async function arrival(
  source: Address,
  before: ReadonlyMap<LinkId, number>,
  witness: ArrivalWitness,
): Promise<LinkId | undefined> {
  const deadline = Date.now() + witnessPatienceMs;
  for (;;) {
    const [most] = grownSince(before, witness(source) ?? before);
    if (most) return most.link;
    if (Date.now() >= deadline) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** By how much each link's count grew, the most first. */
const grownSince = (before: ReadonlyMap<LinkId, number>, now: ReadonlyMap<LinkId, number>) =>
  [...now]
    .map(([link, packets]) => ({ link, packets: packets - (before.get(link) ?? 0) }))
    .filter(({ packets }) => packets > 0)
    .sort((a, b) => b.packets - a.packets);
