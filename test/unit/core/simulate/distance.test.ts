import fc from 'fast-check';
import t from 'tap';
import { valleyFreeHops } from '../../../../src/core/simulate/distance.ts';
import { indexOfAs, parseRelationships } from '../../../../src/core/simulate/topology.ts';

type Relation = readonly [a: number, b: number, kind: -1 | 0];

const topologyOf = (relations: readonly Relation[]) => {
  const parsed = parseRelationships(relations.map((relation) => relation.join('|')).join('\n'));
  if (!parsed.ok) throw new Error(parsed.error.code);
  return parsed.value;
};

t.test('up, across once, down; never through a valley', async (t) => {
  // 1 and 2 peer above; 3 and 4 are customers of 1 and of 2; 5 is a customer of both 3 and 4; 6 peers with 5.
  const topology = topologyOf([
    [1, 2, 0],
    [1, 3, -1],
    [2, 4, -1],
    [3, 5, -1],
    [4, 5, -1],
    [5, 6, 0],
  ]);
  const hops = valleyFreeHops(topology, 3);
  const to = (asn: number) => hops[indexOfAs(topology, asn)];
  t.same([to(3), to(1), to(5), to(2)], [0, 1, 1, 2]);
  t.equal(to(4), 3, 'over the top, since their customer 5 carries nothing between them');
  t.equal(to(6), -1, 'a customer does not hand on what its peer offers');
  t.ok(
    valleyFreeHops(topology, 99).every((value) => value === -1),
    'an AS that nobody names',
  );
});

/** Every path, one step at a time: what may follow depends on the step before. */
function slowHops(relations: readonly Relation[], from: number, to: number): number {
  let best = -1;
  const walk = (at: number, hasTurned: boolean, hops: number, seen: readonly number[]) => {
    if (at === to && (best < 0 || hops < best)) best = hops;
    for (const [a, b, kind] of relations) {
      const go = (next: number, turns: boolean) => {
        if (!seen.includes(next)) walk(next, turns, hops + 1, [...seen, next]);
      };
      if (kind === -1 && b === at && !hasTurned) go(a, false);
      if (kind === -1 && a === at) go(b, true);
      if (kind === 0 && !hasTurned && a === at) go(b, true);
      if (kind === 0 && !hasTurned && b === at) go(a, true);
    }
  };
  walk(from, false, 0, [from]);
  return best;
}

t.test('as all paths say that there are', async () => {
  const anyRelation = fc
    .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), fc.constantFrom(-1, 0))
    .filter(([a, b]) => a !== b)
    .map(([a, b, kind]): Relation => [a, b, kind === -1 ? -1 : 0]);
  const onePerPair = ([a, b]: Relation) => `${Math.min(a, b)} ${Math.max(a, b)}`;
  const graphs = fc.uniqueArray(anyRelation, { minLength: 1, maxLength: 9, selector: onePerPair });
  fc.assert(
    fc.property(graphs, (relations) => {
      const topology = topologyOf(relations);
      return [...topology.asns].every((from) => {
        const hops = valleyFreeHops(topology, from);
        return [...topology.asns].every(
          (to) => hops[indexOfAs(topology, to)] === slowHops(relations, from, to),
        );
      });
    }),
  );
});
