import fc from 'fast-check';
import t from 'tap';
import { linkId } from '../../../../../src/core/base/units.ts';
import {
  chooseSets,
  linksIn,
  reachOf,
} from '../../../../../src/daemon/outbound/marks/link-sets.ts';

const names = ['north', 'south', 'east'].map(linkId);

t.test('sets are named by the places of links', async (t) => {
  t.same(linksIn(0b101, names), ['north', 'east']);
  t.same(linksIn(0, names), []);
});

t.test('what reaches everything: a default route, or nearly all that is told', async (t) => {
  const counts = new Map([
    [0b011, 95],
    [0b001, 5],
  ]);
  t.equal(reachOf([100, 95, 0], counts, 0), 0b011);
  t.equal(reachOf([100, 95, 0], counts, 0b100), 0b111, 'and who tells a default route');
  t.equal(reachOf([0, 0, 0], new Map(), 0), 0b111, 'nothing is told: all');
  t.equal(
    reachOf(
      [40, 60, 0],
      new Map([
        [0b001, 40],
        [0b010, 60],
      ]),
      0,
    ),
    0b111,
    'none reaches all',
  );
});

t.test('rare sets go by the largest common one within them', async () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(
        fc.tuple(fc.integer({ min: 1, max: 255 }), fc.integer({ min: 1, max: 1000 })),
        {
          selector: ([set]) => set,
          maxLength: 80,
        },
      ),
      (drawn) => {
        const counts = new Map(drawn);
        const chosen = chooseSets(counts, 8);
        const used = new Set(chosen.values());
        return (
          used.size <= 24 &&
          [...counts.keys()].every((set) => {
            const own = chosen.get(set) ?? 0;
            // Never by a link that it was not told for, and always by one.
            return own !== 0 && (own & ~set) === 0;
          })
        );
      },
    ),
  );
});
