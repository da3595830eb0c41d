import { assert } from '../core/base/result.ts';

/**
 * Gives names indices below a fixed capacity that stay the same while the name is in use. An index whose name is
 * gone is given away again, the longest free first, so that late packets of the old name have long been counted.
 */
export class Slots<Name extends string> {
  readonly capacity: number;
  readonly #indexOf: ReadonlyMap<Name, number>;
  readonly #nameAt: readonly (Name | undefined)[];
  readonly #free: readonly number[];

  private constructor(
    capacity: number,
    indexOf: ReadonlyMap<Name, number>,
    nameAt: readonly (Name | undefined)[],
    free: readonly number[],
  ) {
    this.capacity = capacity;
    this.#indexOf = indexOf;
    this.#nameAt = nameAt;
    this.#free = free;
  }

  static empty<Name extends string>(capacity: number): Slots<Name> {
    return new Slots<Name>(capacity, new Map(), [], []);
  }

  /**
   * The slots with `names` as the names in use, and the indices that changed hands; undefined when they do not fit.
   * A value of its own: until what depends on the new indices is in force, the old ones hold.
   */
  assign(
    names: readonly Name[],
  ): { readonly slots: Slots<Name>; readonly inherited: readonly number[] } | undefined {
    const wanted = new Set(names);
    if (wanted.size > this.capacity) return undefined;
    const indexOf = new Map(this.#indexOf);
    const nameAt = [...this.#nameAt];
    const free = [...this.#free];
    for (const [name, index] of this.#indexOf) {
      if (wanted.has(name)) continue;
      indexOf.delete(name);
      nameAt[index] = undefined;
      free.push(index);
    }
    const inherited: number[] = [];
    for (const name of wanted) {
      if (indexOf.has(name)) continue;
      // Fresh indices first: a used one has counted for another.
      const isFresh = nameAt.length < this.capacity;
      const index = isFresh ? nameAt.length : free.shift();
      assert(index !== undefined, 'as many indices as names that fit');
      indexOf.set(name, index);
      nameAt[index] = name;
      if (!isFresh) inherited.push(index);
    }
    return { slots: new Slots(this.capacity, indexOf, nameAt, free), inherited };
  }

  /** `capacity` for a name that has none. */
  index(name: Name): number {
    return this.#indexOf.get(name) ?? this.capacity;
  }

  /** Who counts at `index` now. */
  name(index: number): Name | undefined {
    return this.#nameAt[index];
  }
}
