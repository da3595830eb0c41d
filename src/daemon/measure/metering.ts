/** Takes the wires' counters in: the window that is decided by, the billed samples, and what each block carried. */
import { HeadgateError } from '../../core/base/error.ts';
import { type Sliced, whole } from '../../core/base/slices.ts';
import type { Observation } from '../../core/model/observation.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { BlockRtts, EngineSnapshot } from '../../engine/index.ts';
import type { Clock } from '../clock.ts';
import type { Components } from '../components.ts';
import { cycleTimesOf } from '../configure.ts';
import type { Log } from '../log.ts';
import {
  type BlockBytes,
  BlockMeter,
  carriedIn,
  countedBetween,
  coverageOf,
} from '../money/block-usage.ts';
import { sampleMs, UsageMeter } from '../money/usage.ts';
import type { Tally } from '../tally.ts';
import { probeAddresses, withoutProbes } from './own-probes.ts';
import { SnapshotWindow } from './window.ts';

export interface MeteringOptions {
  readonly components: Pick<Components, 'engine' | 'history'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly tally: Tally;
  /** As they are now: a reload changes them. */
  readonly settings: () => Settings;
  /** What the last cycle saw. */
  readonly last: () => Observation | undefined;
}

export class Metering {
  readonly #options: MeteringOptions;
  readonly #usage = new UsageMeter();
  readonly #blocks = new BlockMeter();
  /** Until when the blocks' usage is known, wall clock. */
  #blocksUntil: number | undefined;
  #window: SnapshotWindow;
  /** Our clock at the latest snapshot: how old the measurements are. */
  #takenMs = 0;
  #turn = 0;
  #blockRtts: BlockRtts | undefined;

  constructor(options: MeteringOptions) {
    this.#options = options;
    this.#window = new SnapshotWindow(cycleTimesOf(options.settings()).averageMs);
  }

  get latest(): EngineSnapshot | undefined {
    return this.#window.latest;
  }

  /** Round trips by block as the last cycle saw them; absent without wires, and where it could not read them. */
  get blockRtts(): BlockRtts | undefined {
    return this.#blockRtts;
  }

  /** What the wires carried over the averaging time, and how old the end of it is. */
  span() {
    const span = this.#window.span();
    return span && { ...span, ageMs: this.#options.clock.now() - this.#takenMs };
  }

  /** Begins a window of its own: what was counted before cannot be compared with what comes. */
  restart(): void {
    this.#window = new SnapshotWindow(cycleTimesOf(this.#options.settings()).averageMs);
  }

  /** What a cycle begins with. */
  *turnSliced(): Sliced<void> {
    yield* this.measureSliced();
    yield;
    const { engine } = this.#options.components;
    const { averageMs } = cycleTimesOf(this.#options.settings());
    this.#blockRtts = engine && (yield* this.#read(() => engine.blockRtts(averageMs)));
    yield;
  }

  measure(): void {
    whole(this.measureSliced());
  }

  /** The window and the samples have it at once; what each block carried is added up in slices. */
  *measureSliced(): Sliced<void> {
    const turn = ++this.#turn;
    const all = yield* this.#snapshotAll();
    // Unless another measurement was taken between the slices: it is the later one.
    if (!all || turn !== this.#turn) return;
    const { clock, components, last } = this.#options;
    const snapshot = this.#withoutProbes(all);
    const before = this.#window.latest;
    this.#window.add(snapshot);
    this.#takenMs = clock.now();
    const at = clock.wall();
    components.history.addUsage(this.#usage.advance(all, at));
    const from = this.#blocksUntil;
    this.#blocksUntil = at;
    yield;
    const seen = last();
    const coverage = seen ? coverageOf(seen) : 0;
    yield;
    if (before)
      this.#meterBlocks(yield* countedBetween(before, snapshot), from ?? at, at, coverage);
  }

  /** Without wires, what the blocks carried is what was observed; at most `longestMs` of it at a time. */
  measureObserved(observation: Observation, longestMs: number): void {
    const { at } = observation;
    const stretchMs = Math.min(at - (this.#blocksUntil ?? at), longestMs);
    this.#blocksUntil = at;
    const carried = carriedIn(observation, stretchMs);
    this.#meterBlocks(carried, at - stretchMs, at, coverageOf(observation));
  }

  /** Measures at each boundary of the billed samples, so that none of them has a share of its neighbour's bytes. */
  everySample(): () => void {
    const { clock } = this.#options;
    let cancel: () => void = () => undefined;
    const wait = () => {
      const now = clock.wall();
      cancel = clock.after(sampleMs - (now % sampleMs), () => {
        this.measure();
        wait();
      });
    };
    wait();
    return () => cancel();
  }

  /** Counters at this moment, apart from the window: what a scrape shows. */
  now(): EngineSnapshot | undefined {
    const all = whole(this.#snapshotAll());
    return all ? this.#withoutProbes(all) : this.#window.latest;
  }

  /** The last measurement, and what the blocks carried of a sample that has not ended. */
  finish(): void {
    this.measure();
    const rest = this.#blocks.take();
    if (rest) this.#options.components.history.addBlockSample(rest);
  }

  #meterBlocks(bytes: BlockBytes, from: number, at: number, coverage: number): void {
    const sample = this.#blocks.add(bytes, from, at, coverage);
    if (sample) this.#options.components.history.addBlockSample(sample);
  }

  /** What is decided by: our own probes are nobody's traffic. They are billed all the same. */
  #withoutProbes(snapshot: EngineSnapshot): EngineSnapshot {
    return withoutProbes(snapshot, new Set(probeAddresses(this.#options.settings())));
  }

  /** The engine's counters now. A failure leaves the samples to grow old, until decide freezes on them. */
  *#snapshotAll(): Sliced<EngineSnapshot | undefined> {
    const { engine } = this.#options.components;
    return engine && (yield* this.#read(() => engine.snapshotSliced()));
  }

  /** What the engine tells, or nothing where it failed, which is counted. */
  *#read<T>(read: () => Sliced<T>): Sliced<T | undefined> {
    const { tally, log } = this.#options;
    try {
      return yield* read();
    } catch (error) {
      if (!(error instanceof HeadgateError)) throw error;
      tally.noteFailure('engine');
      log.error({ err: error }, 'the wires gave no counters');
      return undefined;
    }
  }
}
