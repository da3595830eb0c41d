/** The table of moves: what was carried out, and what became of it. */
import type { DecidedMove } from '../core/decide/state.ts';
import type { Mode } from '../core/settings/index.ts';

/** A move as it was kept. */
export interface KeptMove {
  readonly at: number;
  readonly block: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly rung: number;
  readonly mode: Mode;
  readonly outcome: string;
  readonly reason: string;
  readonly predictedShiftBitps: number;
  /** Share of the block on the target as predicted and as seen, 0 to 1; null until the move is judged. */
  readonly sharePredicted: number | null;
  readonly shareSeen: number | null;
}

export const keepMove = `INSERT INTO moves
  (at, block, from_link, to_link, rung, mode, outcome, reason, predicted_shift_bitps)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export const valuesOf = (move: DecidedMove, mode: Mode) => [
  move.at,
  move.block,
  move.from ?? null,
  move.to ?? null,
  move.rung,
  mode,
  move.outcome,
  move.reason,
  move.predictedShiftBitps,
];

/** The newest move of a block is the one that was judged: outcome, predicted and seen share, block. */
export const judgeMove = `UPDATE moves SET outcome = ?, share_predicted = ?, share_seen = ?
  WHERE id = (SELECT max(id) FROM moves WHERE block = ?)`;

/** Newest first; from, to, the block where one is asked for, most. */
export const readMoves = (ofBlock: boolean): string =>
  `SELECT at, block, from_link AS "from", to_link AS "to", rung, mode, outcome, reason,
          predicted_shift_bitps AS predictedShiftBitps, share_predicted AS sharePredicted,
          share_seen AS shareSeen
   FROM moves WHERE at BETWEEN ? AND ? ${ofBlock ? 'AND block = ?' : ''} ORDER BY id DESC LIMIT ?`;
