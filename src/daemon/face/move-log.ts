import type { Move } from '../../core/model/plan.ts';
import type { Cycle } from '../../history/index.ts';
import type { Log } from '../log.ts';

/** Writes the moves of every cycle to the log: what is done each time, what is only proposed once. */
export class MoveLog {
  readonly #log: Log;
  /** Of the last cycle. */
  #told: ReadonlySet<string> = new Set();

  constructor(log: Log) {
    this.#log = log;
  }

  tell({ decision, isCarriedOut }: Pick<Cycle, 'decision' | 'isCarriedOut'>): void {
    const moves = decision.moves.filter((move) => move.outcome === 'pending');
    // A proposal comes up in every cycle until it is approved or gone.
    const told = this.#told;
    this.#told = new Set(moves.map(keyOf));
    for (const move of moves) {
      const { block, from, to, rung, reason } = move;
      if (isCarriedOut) this.#log.info({ block, from, to, rung }, `move: ${reason}`);
      else if (!told.has(keyOf(move))) {
        this.#log.info({ block, from, to, rung }, `would move: ${reason}`);
      }
    }
  }
}

const keyOf = ({ block, to, rung }: Pick<Move, 'block' | 'to' | 'rung'>) =>
  `${block} ${to ?? ''} ${rung}`;
