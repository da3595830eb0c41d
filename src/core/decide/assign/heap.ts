/** A binary heap of indices by key, the least on top. What became stale is left in it for its owner to pass over. */
export class Heap {
  #keys: Float64Array;
  #items: Int32Array;
  #count = 0;

  constructor(room: number) {
    this.#keys = new Float64Array(Math.max(4, room));
    this.#items = new Int32Array(Math.max(4, room));
  }

  get size(): number {
    return this.#count;
  }

  /** Infinity when empty. */
  get leastKey(): number {
    return this.#count > 0 ? (this.#keys[0] ?? 0) : Number.POSITIVE_INFINITY;
  }

  get leastItem(): number {
    return this.#items[0] ?? 0;
  }

  /** Adds without order: `order` must come before anything else is asked. */
  append(key: number, item: number): void {
    if (this.#count === this.#keys.length) this.#grow();
    this.#keys[this.#count] = key;
    this.#items[this.#count++] = item;
  }

  order(): void {
    for (let at = (this.#count >> 1) - 1; at >= 0; at--)
      this.#sink(at, this.#keys[at] ?? 0, this.#items[at] ?? 0);
  }

  push(key: number, item: number): void {
    if (this.#count === this.#keys.length) this.#grow();
    const keys = this.#keys;
    const items = this.#items;
    let at = this.#count++;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((keys[above] ?? 0) <= key) break;
      keys[at] = keys[above] ?? 0;
      items[at] = items[above] ?? 0;
      at = above;
    }
    keys[at] = key;
    items[at] = item;
  }

  dropLeast(): void {
    const last = --this.#count;
    if (last > 0) this.#sink(0, this.#keys[last] ?? 0, this.#items[last] ?? 0);
  }

  #sink(start: number, key: number, item: number): void {
    const keys = this.#keys;
    const items = this.#items;
    const count = this.#count;
    let at = start;
    for (let child = 2 * at + 1; child < count; child = 2 * at + 1) {
      if (child + 1 < count && (keys[child + 1] ?? 0) < (keys[child] ?? 0)) child++;
      if ((keys[child] ?? 0) >= key) break;
      keys[at] = keys[child] ?? 0;
      items[at] = items[child] ?? 0;
      at = child;
    }
    keys[at] = key;
    items[at] = item;
  }

  #grow(): void {
    const keys = new Float64Array(2 * this.#keys.length);
    const items = new Int32Array(2 * this.#items.length);
    keys.set(this.#keys);
    items.set(this.#items);
    this.#keys = keys;
    this.#items = items;
  }
}
