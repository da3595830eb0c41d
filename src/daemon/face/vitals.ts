/** What a unit notices of itself and of the machine that it runs on, as complaints. */
import { ClockWatch } from '../clock-watch.ts';
import type { Components, Parts } from '../components.ts';

/** A process that comes so near to its limit may be ended by the kernel at any time. */
const memoryHigh = 0.9;
/** A clock that was set is told of for so many cycles: there is nothing to heal, but bills and histories have a seam. */
const stepCycles = 10;

type Kept = Pick<Components, 'history' | 'recorder' | 'dump' | 'diary'>;

export class Vitals {
  readonly #parts: Pick<Parts, 'memory' | 'logLost'>;
  readonly #kept: Kept;
  readonly #clock: ClockWatch;
  readonly #counts = new Map<string, number>();
  /** Why the settings on the disk are not those in force. */
  refusedSettings: string | undefined;

  constructor(parts: Pick<Parts, 'clock' | 'memory' | 'logLost'>, kept: Kept) {
    this.#parts = parts;
    this.#kept = kept;
    this.#clock = new ClockWatch(parts.clock);
  }

  /** Of now, and since the last look; by the key under which a complaint begins and ends. */
  look(cycleMs: number): ReadonlyMap<string, string> {
    const { history, recorder, dump, diary } = this.#kept;
    const found = new Map<string, string>();
    const lost = [...history.lost.values()].reduce((total, count) => total + count, 0);
    if (this.#grew('history', lost) > 0)
      found.set('history', `history is not kept: ${[...history.lost.keys()].join(', ')}`);
    if (recorder && this.#grew('record', recorder.lost) > 0)
      found.set('record', 'the record of decisions is not written: its disk refuses');
    if (dump?.failure !== undefined) found.set('mrt', `the dump is not written: ${dump.failure}`);
    if (diary.missing > 0)
      found.set('audit', `the audit log lacks ${diary.missing} records: its disk refuses`);
    const lines = this.#grew('log', this.#parts.logLost?.() ?? 0);
    if (lines > 0) found.set('log', `nobody takes the log: ${lines} lines were given up`);
    const stepMs = this.#clock.look(stepCycles * cycleMs);
    if (stepMs !== undefined) found.set('clock', `the wall clock was set by ${stepText(stepMs)}`);
    const memory = this.#parts.memory?.();
    if (memory && memory.used > memoryHigh * memory.limit)
      found.set(
        'memory',
        `memory is short: ${megabytes(memory.used)} of ${megabytes(memory.limit)} MB`,
      );
    if (this.refusedSettings !== undefined)
      found.set('reload', `the settings on the disk are not in force: ${this.refusedSettings}`);
    return found;
  }

  /** By how much a count is larger than at the last look. */
  #grew(key: string, count: number): number {
    const before = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count);
    return count - before;
  }
}

const megabytes = (bytes: number) => Math.round(bytes / 1e6);

function stepText(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  return `${seconds} s ${ms > 0 ? 'forward' : 'back'}; bills and histories have a seam there`;
}
