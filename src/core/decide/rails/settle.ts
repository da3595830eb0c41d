import { pass, postpone, type Rail } from './rail.ts';

/** A move is judged before its block is touched again. */
export const settle: Rail = {
  name: 'settle',
  judge: ({ group }) =>
    group.isPending
      ? postpone('settle', 'its last move has not been judged yet')
      : pass('settle', 'nothing pending'),
};
