import { pass, type Rail, refuse } from './rail.ts';

/** What an operator took back stays so until `headgate resume`. */
export const withheld: Rail = {
  name: 'withheld',
  judge: ({ group }) =>
    group.routing.isWithheld
      ? refuse('withheld', 'withdrawn by the operator until headgate resume')
      : pass('withheld', 'not withdrawn by the operator'),
};
