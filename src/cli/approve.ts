/** `headgate approve [ID]`: carries out what waits for approval in mode `advise`. */
import type { Command } from 'commander';
import type { MoveView } from '../control/index.ts';
import { type ActOptions, actCommand, ask, print, whyOf } from './face/ask.ts';
import { renderMoves } from './plan.ts';

interface Approved {
  readonly id: string;
  readonly generation: number;
  readonly moves: readonly MoveView[];
}

export function register(program: Command): void {
  actCommand(
    program,
    'approve [id]',
    'carries out the proposal that waits; with an ID only if it is still that one',
  ).action(async (id: string | undefined, options: ActOptions) => {
    const approved = await ask<Approved>(options, 'approve', {
      ...(id === undefined ? {} : { id }),
      ...whyOf(options),
    });
    print(options, approved, ({ generation, moves }) =>
      moves.length === 0
        ? `plan ${generation}: every block is announced alike on all links`
        : `plan ${generation} is carried out\n${renderMoves(moves)}`,
    );
  });
}
