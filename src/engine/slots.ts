/**
 * Gives names indices below a fixed capacity that stay the same while the name is in use. An index whose name is
 * gone is given away again, the longest free first, so that late packets of the old name have long been counted.
 */
export class Slots<Name extends string> {
  readonly capacity: number;
  readonly #indexOf = new Map<Name, number>();
  readonly #nameAt: (Name | undefined)[] = [];
  readonly #free: number[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Makes `names` the names in use. The indices that changed hands, or undefined (and nothing changed) when they do not fit. */
  assign(names: readonly Name[]): readonly number[] | undefined {
    const wanted = new Set(names);
    if (wanted.size > this.capacity) return undefined;
    for (const [name, index] of this.#indexOf) {
      if (wanted.has(name)) continue;
      this.#indexOf.delete(name);
      this.#nameAt[index] = undefined;
      this.#free.push(index);
    }
    const given: number[] = [];
    for (const name of wanted) {
      if (this.#indexOf.has(name)) continue;
      // Fresh indices first: a used one has counted for another.
      const isFresh = this.#nameAt.length < this.capacity;
      const index = isFresh ? this.#nameAt.length : (this.#free.shift() ?? 0);
      this.#indexOf.set(name, index);
      this.#nameAt[index] = name;
      if (!isFresh) given.push(index);
    }
    return given;
  }

  index(name: Name): number {
    return this.#indexOf.get(name) ?? this.capacity;
  }

  /** Who counts at `index` now. */
  name(index: number): Name | undefined {
    return this.#nameAt[index];
  }
}
