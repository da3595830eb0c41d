import type { Bitps, LinkId, Ms, PrefixText } from '../base/units.ts';
import type {
  BlockObservation,
  BlockRouting,
  LinkObservation,
  Observation,
} from './observation.ts';

/** What one of several units measured, as it goes to the unit that decides. Plain JSON, without what goes without saying. */
export interface Report {
  readonly intervalMs: Ms;
  readonly links: readonly LinkObservation[];
  readonly blocks: ReportedBlocks;
}

/** Ten thousand blocks of which most carry nothing by the links of one unit, and are alike in the rest. */
export interface ReportedBlocks {
  /** What every block has that is in none of `others`. */
  readonly common: BlockState;
  readonly others: ReadonlyArray<BlockState & { readonly blocks: readonly PrefixText[] }>;
  /** What the triples name by number. */
  readonly named: readonly PrefixText[];
  readonly links: readonly LinkId[];
  /** Block, link, bit/s; and again. */
  readonly inbound: readonly number[];
  readonly outbound: readonly number[];
}

export type BlockState = Pick<BlockObservation, 'ageMs' | 'coverage' | 'routing'>;

export function reportOf({ intervalMs, links, blocks }: Observation): Report {
  const states = new Map<string, { readonly state: BlockState; blocks: PrefixText[] }>();
  const names = new Numbers<PrefixText>();
  const linkNames = new Numbers<LinkId>();
  const inbound: number[] = [];
  const outbound: number[] = [];
  for (const { block, ageMs, coverage, routing, ...rates } of blocks) {
    const state = { ageMs, coverage, ...(routing ? { routing } : {}) };
    const key = stateKey(state);
    const alike = states.get(key);
    if (alike) alike.blocks.push(block);
    else states.set(key, { state, blocks: [block] });
    for (const { link, rate } of rates.inbound)
      inbound.push(names.of(block), linkNames.of(link), Math.round(rate));
    for (const { link, rate } of rates.outbound)
      outbound.push(names.of(block), linkNames.of(link), Math.round(rate));
  }
  const [most, ...others] = [...states.values()].sort((a, b) => b.blocks.length - a.blocks.length);
  return {
    intervalMs,
    links,
    blocks: {
      // The casts brand what no block has.
      common: most?.state ?? { ageMs: 0 as Ms, coverage: 1 },
      others: others.map(({ state, blocks: own }) => ({ ...state, blocks: own })),
      named: names.all,
      links: linkNames.all,
      inbound,
      outbound,
    },
  };
}

/** The rates of a report, one by one. */
export function eachRate(
  { named, links }: ReportedBlocks,
  triples: readonly number[],
  call: (block: PrefixText, link: LinkId, rate: Bitps) => void,
): void {
  for (let i = 0; i + 2 < triples.length; i += 3) {
    const block = named[triples[i] ?? -1];
    const link = links[triples[i + 1] ?? -1];
    // A cast: what a peer wrote as a rate.
    if (block !== undefined && link !== undefined)
      call(block, link, (triples[i + 2] ?? 0) as Bitps);
  }
}

/** Equal for equal states; far cheaper than their JSON where there are ten thousand. */
function stateKey({ ageMs, coverage, routing }: BlockState): string {
  return `${ageMs} ${coverage} ${routing ? routingKey(routing) : ''}`;
}

const routingKey = ({ carriedOn, ...rest }: BlockRouting): string =>
  `${carriedOn?.join(',') ?? '-'} ${JSON.stringify(rest)}`;

/** Numbers names in the order in which they come. */
class Numbers<T extends string> {
  readonly all: T[] = [];
  readonly #numbers = new Map<T, number>();

  of(name: T): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.all.length);
    return this.all.push(name) - 1;
  }
}
