/**
 * Which destinations share weights and a past. A prefix that comes to another class takes its past along, or its
 * sessions would move: so of each class there is the group that always was in it, and one for each past that others came
 * with.
 */
import type { Family } from '../../../core/base/prefix.ts';
import type { ScannedPrefix } from '../../../core/bgp/rib/adj-rib-in.ts';

export interface RouteGroup {
  /** Its class, and the pasts that it came with, the latest first. */
  readonly name: string;
  readonly class: string;
  /** The group that its destinations were in before; undefined: in none. */
  readonly from?: string;
}

/** One look at all prefixes. */
export interface PastsLook {
  /** Makes room for the entries up to `last`. */
  reach(family: Family, last: number): void;
  /**
   * The place of the group of a prefix that is of a class now; undefined: as what no prefix covers. `className`
   * undefined: of the class of what no prefix covers.
   */
  place(family: Family, seen: ScannedPrefix, className: string | undefined): number | undefined;
  /** The groups by their place. */
  end(): readonly RouteGroup[];
}

/** How long a past counts: as long as the engine remembers it. */
const pastMs = 86_400_000;
/** Groups that are there for their past; the engine has 64 in all. */
const pastsMax = 24;
/** What no prefix covers, as a group of `Entries`; 0: nothing is known. */
const none = 1;

interface Entries {
  /** A hash of the prefix: an entry may be another's the next time. */
  readonly keys: Uint32Array;
  readonly groups: Uint16Array;
}

const noEntries: Entries = { keys: new Uint32Array(), groups: new Uint16Array() };

export class Pasts {
  #entries: Readonly<Record<Family, Entries>> = { 4: noEntries, 6: noEntries };
  /** By the number that entries have; the first two are no groups. */
  readonly #groups: (RouteGroup | undefined)[] = [undefined, undefined];
  readonly #numbers = new Map<string, number>();
  readonly #since = new Map<string, number>();
  #forgotten = 0;

  get forgotten(): number {
    return this.#forgotten;
  }

  groupAt(family: Family, entry: number): RouteGroup | undefined {
    return this.#groups[this.#entries[family].groups[entry] ?? 0];
  }

  begin(now: number): PastsLook {
    for (const [name, since] of this.#since) if (now - since > pastMs) this.#since.delete(name);
    const before = this.#entries;
    const next: Record<Family, Entries> = { 4: noEntries, 6: noEntries };
    const places = new Map<number, number>();
    const used: RouteGroup[] = [];
    return {
      reach: (family, last) => {
        next[family] = { keys: new Uint32Array(last + 1), groups: new Uint16Array(last + 1) };
      },
      place: (family, seen, className) => {
        const { keys, groups } = before[family];
        const key = keyOf(seen);
        const former = keys[seen.entry] === key ? (groups[seen.entry] ?? 0) : 0;
        const number = this.#next(former, className, now);
        const own = next[family];
        if (seen.entry < own.keys.length) {
          own.keys[seen.entry] = key;
          own.groups[seen.entry] = number;
        }
        const group = this.#groups[number];
        if (!group) return undefined;
        const known = places.get(number);
        if (known !== undefined) return known;
        places.set(number, used.length);
        used.push(group);
        return used.length - 1;
      },
      end: () => {
        this.#entries = next;
        return used;
      },
    };
  }

  /** The number of the group of a prefix that was in group `former` and is of a class now. */
  #next(former: number, className: string | undefined, now: number): number {
    const own =
      className === undefined ? none : this.#numberOf({ name: className, class: className });
    if (former === 0) return own;
    const old = this.#groups[former];
    const isSame = old ? old.class === (className ?? '') || old.class === className : own === none;
    if (isSame) return old && old.name !== old.class && !this.#since.has(old.name) ? own : former;
    const name = `${className ?? ''}<${old?.name ?? ''}`;
    if (!this.#since.has(name)) {
      if (this.#since.size >= pastsMax) {
        this.#forgotten++;
        return own;
      }
      this.#since.set(name, now);
    }
    const group = { name, class: className ?? '' };
    return this.#numberOf(old ? { ...group, from: old.name } : group);
  }

  #numberOf(group: RouteGroup): number {
    const known = this.#numbers.get(group.name);
    if (known !== undefined) return known;
    this.#groups.push(group);
    this.#numbers.set(group.name, this.#groups.length - 1);
    return this.#groups.length - 1;
  }
}

/** FNV-1a over length and address. */
export function keyOf({ bytes, length }: ScannedPrefix): number {
  let hash = Math.imul(0x811c9dc5 ^ length, 0x01000193);
  const octets = (length + 7) >> 3;
  for (let i = 0; i < octets; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return hash >>> 0;
}
