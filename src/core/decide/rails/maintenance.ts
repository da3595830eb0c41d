import { pass, type Rail, refuse } from './rail.ts';

/** Nothing moves to a link that is being drained (RFC 8326 in spirit); what is there costs more than anything. */
export const maintenance: Rail = {
  name: 'maintenance',
  judge: ({ target }, { network }) =>
    target >= 0 && network.isDrained[target]
      ? refuse('maintenance', `${network.links[target]} is in a maintenance window`)
      : pass('maintenance', 'no window'),
};
