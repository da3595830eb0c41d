import { type Address, formatAddress } from '../core/base/prefix.ts';
import type { LinkId } from '../core/base/units.ts';
import { type ArrivalWitness, holds, judgeArrivals, type LinkCheck } from './check.ts';
import type { ProbeLink } from './engine.ts';

/** A source that nobody answered may have had a bad moment; a route that leads elsewhere stays for longer. */
const againAfterMs = { no_answer: 60_000, wrong_link: 600_000 } as const;

interface Entry {
  readonly link: ProbeLink;
  readonly source: Address;
  check: LinkCheck | undefined;
  checkedMs: number;
  /** What the witness had counted at the last look. */
  arrivals: ReadonlyMap<LinkId, number> | undefined;
}

/** Whether the source addresses of the links still mean what probes with them would say. */
export class SourceChecks {
  readonly #entries: readonly Entry[];
  readonly #witness: ArrivalWitness;
  #usable: ReadonlyMap<LinkId, ProbeLink> = new Map();

  constructor(links: readonly ProbeLink[], witness: ArrivalWitness) {
    this.#witness = witness;
    this.#entries = links.flatMap((link) =>
      link.sources.map((source) => ({
        link,
        source,
        check: undefined,
        checkedMs: 0,
        arrivals: undefined,
      })),
    );
  }

  /** The link with those of its sources that hold; undefined where none does. */
  usable(link: LinkId): ProbeLink | undefined {
    return this.#usable.get(link);
  }

  set(check: LinkCheck, nowMs: number): void {
    const entry = this.#entries.find(
      ({ link, source }) =>
        link.link === check.link && formatAddress(source.bytes) === check.source,
    );
    if (!entry) return;
    entry.check = check;
    entry.checkedMs = nowMs;
    this.#refresh();
  }

  /** Sources that did not hold when they were checked, and whose time has come again. */
  due(nowMs: number): ReadonlyArray<{ readonly link: ProbeLink; readonly source: Address }> {
    return this.#entries.filter(({ check, checkedMs }) => {
      if (check?.state !== 'no_answer' && check?.state !== 'wrong_link') return false;
      return nowMs - checkedMs >= againAfterMs[check.state];
    });
  }

  /** Asks the witness what came in since the last look. Gives the links that lost a source by it. */
  look(nowMs: number): readonly LinkId[] {
    const lost: LinkId[] = [];
    for (const entry of this.#entries) {
      const arrivals = this.#witness(entry.source);
      const before = entry.arrivals;
      entry.arrivals = arrivals;
      if (!arrivals || !before || !entry.check || !holds(entry.check)) continue;
      const check = judgeArrivals(entry.check, before, arrivals);
      if (check === entry.check) continue;
      entry.check = check;
      entry.checkedMs = nowMs;
      if (!holds(check)) lost.push(check.link);
    }
    if (lost.length > 0) this.#refresh();
    return lost;
  }

  checks(): readonly LinkCheck[] {
    return this.#entries.flatMap(({ check }) => check ?? []);
  }

  #refresh(): void {
    const usable = new Map<LinkId, ProbeLink>();
    for (const { link, source, check } of this.#entries) {
      if (!check || !holds(check)) continue;
      const known = usable.get(link.link)?.sources ?? [];
      usable.set(link.link, { ...link, sources: [...known, source] });
    }
    this.#usable = usable;
  }
}
