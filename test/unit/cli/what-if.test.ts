/** `headgate simulate`: questions about a small Internet whose answers can be worked out by hand. */
import t from 'tap';
import {
  answerWhatIf,
  parseLadder,
  parseLinks,
  renderAnswer,
  type WhatIf,
} from '../../../src/cli/face/what-if.ts';
import { indexOfAs, parseRelationships } from '../../../src/core/simulate/topology.ts';

// 1 provides 10 and 20, and peers with 2; 30 and 31 are customers of 1, 40 of 10, 50 of 2.
const parsed = parseRelationships('1|10|-1\n1|20|-1\n1|30|-1\n1|31|-1\n10|40|-1\n1|2|0\n2|50|-1');
if (!parsed.ok) throw new Error(parsed.error.code);
const topology = parsed.value;
const links = parseLinks(topology, 'north=10,south=20');

function ask(asked: Partial<WhatIf>) {
  const answer = answerWhatIf(topology, links, { prepend: [], community: [], fail: [], ...asked });
  const networks = (share: number | undefined) => Math.round((share ?? 0) * 8);
  return {
    north: networks(answer.links[0]?.after),
    south: networks(answer.links[1]?.after),
    moved: networks(answer.moved),
    lost: networks(answer.lost),
  };
}

t.test('what would prepends, a failure, a more-specific, a community do?', async (t) => {
  t.same(ask({}), { north: 7, south: 1, moved: 0, lost: 0 }, 'equal lengths: the lower neighbour');
  t.same(ask({ prepend: ['north=2'] }), { north: 2, south: 6, moved: 5, lost: 0 });
  t.same(ask({ fail: ['north'] }), { north: 0, south: 8, moved: 7, lost: 0 });
  t.same(ask({ only: 'south' }), { north: 0, south: 8, moved: 7, lost: 0 });
  t.same(ask({ community: ['north=customers_only'] }), { north: 2, south: 6, moved: 5, lost: 0 });
  t.same(ask({ community: ['north=no_export_to_1'] }), { north: 2, south: 6, moved: 5, lost: 0 });
  t.same(ask({ community: ['north=last_resort'] }), { north: 0, south: 8, moved: 7, lost: 0 });
  t.same(
    ask({ community: ['north=no_export_to_40'] }).lost,
    1,
    'its customer has no other way to us',
  );
});

t.test(
  'a more-specific that hardly anybody hears leaves the others to the aggregate',
  async (t) => {
    t.same(ask({ only: 'south', community: ['south=customers_only'] }), {
      north: 7,
      south: 1,
      moved: 0,
      lost: 0,
    });
    t.same(ask({ only: 'south', fail: ['south'] }), { north: 8, south: 0, moved: 1, lost: 0 });
  },
);

t.test('the answer in a table, and a ladder in words', async (t) => {
  const given = { prepend: [], community: ['north=no_export_to_40'], fail: [] };
  t.match(
    renderAnswer(answerWhatIf(topology, links, given)),
    /12\.5 % of the networks come in by another link; 12\.50 % no longer reach us/,
  );
  t.match(parseLadder('prepend_1, prepend_2+provider_prepend_1_to_1, more_specifics', topology), [
    { prepends: 1 },
    { prepends: 2, towards: new Map([[indexOfAs(topology, 1), 1]]) },
    'more_specifics',
  ]);
});

t.test('what cannot be asked is refused with what could', async (t) => {
  t.throws(() => ask({ community: ['north=louder'] }), { message: /unknown action.*prepend_N/ });
  t.throws(() => ask({ community: ['north=no_export_to_99'] }), { message: /not in the rel/ });
  t.throws(() => ask({ community: ['west=last_resort'] }), { message: /links are north, south/ });
  t.throws(() => ask({ prepend: ['north=many'] }), { message: /0 to 20/ });
  t.throws(() => ask({ only: 'west' }), { message: /no link "west"/ });
  t.throws(() => ask({ fail: ['north', 'south'] }), { message: /nothing is left/ });
});
