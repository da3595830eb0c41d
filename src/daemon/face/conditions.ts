/** What is not as it should be, and since when. */
export class Conditions {
  #current = new Map<string, { readonly what: string; readonly since: number }>();

  /** Replaces what holds; a condition that held before keeps its beginning. Gives what began and what ended. */
  update(
    at: number,
    holding: ReadonlyMap<string, string>,
  ): { readonly began: readonly string[]; readonly ended: readonly string[] } {
    const before = this.#current;
    this.#current = new Map(
      [...holding].map(([key, what]) => [key, { what, since: before.get(key)?.since ?? at }]),
    );
    return {
      began: [...this.#current].filter(([key]) => !before.has(key)).map(([, entry]) => entry.what),
      ended: [...before].filter(([key]) => !this.#current.has(key)).map(([, entry]) => entry.what),
    };
  }

  /** All that hold, each with its key. */
  standing(): ReadonlyArray<{
    readonly key: string;
    readonly what: string;
    readonly since: number;
  }> {
    return [...this.#current].map(([key, entry]) => ({ key, ...entry }));
  }

  /** The longest standing first. */
  list(): ReadonlyArray<{ readonly what: string; readonly since: number }> {
    return [...this.#current.values()].sort((a, b) => a.since - b.since);
  }
}
