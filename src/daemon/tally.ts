import type { Cycle } from '../history/index.ts';

/** Counts of the daemon's own doings since the start. */
export class Tally {
  /** By `result rail`: done, proposed, postponed, refused. */
  readonly moves = new Map<string, number>();
  /** Failed calls by component. */
  readonly failures = new Map<string, number>();
  cycleSeconds = { sum: 0, count: 0, last: 0 };

  noteCycle({ decision, isCarriedOut }: Cycle): void {
    for (const move of decision.moves) {
      const stopper = move.verdicts.find((verdict) => verdict.result !== 'pass');
      const result = move.outcome !== 'pending' ? move.outcome : isCarriedOut ? 'done' : 'proposed';
      add(this.moves, `${result} ${stopper?.rail ?? 'none'}`);
    }
    for (const { outcome } of decision.verifications) add(this.moves, `${outcome} none`);
  }

  noteTime(elapsedMs: number): void {
    const last = elapsedMs / 1000;
    const { sum, count } = this.cycleSeconds;
    this.cycleSeconds = { sum: sum + last, count: count + 1, last };
  }

  noteFailure(component: string): void {
    add(this.failures, component);
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
