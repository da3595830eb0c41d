import { formatPrefix } from '../core/base/prefix.ts';
import type { RouterId } from '../core/base/units.ts';
import { readPrefix } from './own-space.ts';
import type { SpeakerChange } from './status.ts';

/** Changes kept: a few screens for a person, minutes of an ordinary feed. */
const capacity = 4_096;

/** A stretch of the log. Changes are numbered from 1; `lost` were overwritten before they could be read. */
export interface ChangeStretch {
  readonly next: number;
  readonly lost: number;
  readonly changes: ReadonlyArray<
    SpeakerChange & { readonly number: number; readonly atMs: number }
  >;
}

/**
 * The latest changes in a ring. A route's change is kept as octets and made readable only when somebody
 * reads it, so that a full table that comes in costs next to nothing here.
 */
export class ChangeLog {
  readonly #routers: readonly RouterId[];
  readonly #atMs = new Float64Array(capacity);
  /** Router, family, length, action (1 announced, 2 withdrawn; 0: see `#others`). */
  readonly #heads = new Uint8Array(capacity * 4);
  readonly #addresses = new Uint8Array(capacity * 16);
  readonly #others = new Map<number, SpeakerChange>();
  #next = 1;

  constructor(routers: readonly RouterId[]) {
    this.#routers = routers;
  }

  addRoute(
    atMs: number,
    router: number,
    family: 4 | 6,
    bytes: Uint8Array,
    at: number,
    length: number,
    action: 'announced' | 'withdrawn',
  ): void {
    const slot = this.#take(atMs);
    this.#heads[slot * 4] = router;
    this.#heads[slot * 4 + 1] = family;
    this.#heads[slot * 4 + 2] = length;
    this.#heads[slot * 4 + 3] = action === 'announced' ? 1 : 2;
    const octets = (length + 7) >> 3;
    for (let i = 0; i < octets; i++) this.#addresses[slot * 16 + i] = bytes[at + i] ?? 0;
  }

  add(atMs: number, change: SpeakerChange): void {
    const number = this.#next;
    const slot = this.#take(atMs);
    this.#heads[slot * 4 + 3] = 0;
    this.#others.set(number, change);
  }

  /** What changed from number `since` on (0: all that is kept). */
  read(since: number): ChangeStretch {
    const oldest = Math.max(1, this.#next - capacity);
    const first = Math.max(oldest, since);
    const changes: (SpeakerChange & { number: number; atMs: number })[] = [];
    for (let number = first; number < this.#next; number++) {
      const change = this.#readOne(number);
      if (change) changes.push({ ...change, number, atMs: this.#atMs[number % capacity] ?? 0 });
    }
    const lost = since > 0 ? Math.max(0, oldest - since) : 0;
    return { next: this.#next, lost, changes };
  }

  #take(atMs: number): number {
    const number = this.#next++;
    const slot = number % capacity;
    this.#others.delete(number - capacity);
    this.#atMs[slot] = atMs;
    return slot;
  }

  #readOne(number: number): SpeakerChange | undefined {
    const slot = number % capacity;
    const [router = 0, family = 0, length = 0, action = 0] = this.#heads.subarray(
      slot * 4,
      slot * 4 + 4,
    );
    if (action === 0) return this.#others.get(number);
    const name = this.#routers[router];
    if (name === undefined) return undefined;
    const prefix = formatPrefix(
      readPrefix(family === 4 ? 4 : 6, this.#addresses, slot * 16, length),
    );
    return {
      kind: 'received',
      router: name,
      prefix,
      action: action === 1 ? 'announced' : 'withdrawn',
    };
  }
}
