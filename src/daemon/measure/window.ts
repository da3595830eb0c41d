import type { EngineSnapshot } from '../../engine/index.ts';

/** The snapshots of the last averaging time, oldest first. */
export class SnapshotWindow {
  readonly #averageMs: number;
  #snapshots: readonly EngineSnapshot[] = [];

  constructor(averageMs: number) {
    this.#averageMs = averageMs;
  }

  get latest(): EngineSnapshot | undefined {
    return this.#snapshots.at(-1);
  }

  add(snapshot: EngineSnapshot): void {
    const last = this.latest;
    // A clock that went back means an engine that was opened anew: older counts say nothing about it.
    const kept = last && last.monotonicMs <= snapshot.monotonicMs ? this.#snapshots : [];
    const from = snapshot.monotonicMs - this.#averageMs;
    // The newest at or before the window's start stays, so that a full window spans the whole averaging time.
    const start = kept.findLastIndex((entry) => entry.monotonicMs <= from);
    this.#snapshots = [...kept.slice(Math.max(0, start)), snapshot];
  }

  /** The ends of the window; undefined until two snapshots were taken. */
  span(): { readonly earlier: EngineSnapshot; readonly later: EngineSnapshot } | undefined {
    const earlier = this.#snapshots[0];
    const later = this.latest;
    return earlier && later && earlier !== later ? { earlier, later } : undefined;
  }
}
