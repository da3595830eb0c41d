/** Propagation against the rules applied again and again until nothing changes, on small random Internets. */
import { existsSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { type Entry, propagate } from '../../../../src/core/simulate/propagate.ts';
import {
  indexOfAs,
  parseRelationships,
  type Topology,
} from '../../../../src/core/simulate/topology.ts';
import { skipWithoutCaptures } from '../../../support/captures.ts';
import { loadRelationships } from '../../../support/relationships.ts';

// Others may be using the machine.
t.setTimeout(300_000);

const parsed = (text: string): Topology => {
  const result = parseRelationships(text);
  if (!result.ok) throw new Error(`${result.error.code} at line ${result.error.line}`);
  return result.value;
};

interface Route {
  readonly link: number;
  readonly rank: number;
  readonly length: number;
  readonly neighbour: number;
  /** Where it came from us directly: what the provider was asked for. */
  readonly entry?: Entry;
}

/** Every AS takes the best of what its neighbours tell it, in rounds, until all are content. */
function settle(topology: Topology, entries: readonly Entry[]): Array<Route | undefined> {
  const count = topology.asns.length;
  let routes = new Array<Route | undefined>(count).fill(undefined);
  const of = ({ start, list }: Topology['peers'], as: number) => [
    ...list.subarray(start[as], start[as + 1]),
  ];
  for (let round = 0; round < 4 * count + 8; round++) {
    const next = routes.map((_, as): Route | undefined => {
      const offers: Route[] = [];
      for (const [link, entry] of entries.entries())
        if (entry.provider === as)
          offers.push({ link, rank: 0, length: 1 + entry.prepends, neighbour: as, entry });
      const hear = (
        from: readonly number[],
        rank: number,
        isExported: (route: Route) => boolean,
      ) => {
        for (const neighbour of from) {
          const route = routes[neighbour];
          if (!route || !isExported(route)) continue;
          const { entry } = route;
          const longer = (entry?.exported ?? 0) + (entry?.towards?.get(as) ?? 0);
          if (longer === Infinity) continue;
          offers.push({ link: route.link, rank, length: route.length + 1 + longer, neighbour });
        }
      };
      const isForAll = (route: Route) => route.rank === 0 && !route.entry?.isForCustomers;
      hear(of(topology.customers, as), 0, isForAll);
      hear(of(topology.peers, as), 1, isForAll);
      hear(of(topology.providers, as), 2, () => true);
      return offers.sort(
        (a, b) => a.rank - b.rank || a.length - b.length || a.neighbour - b.neighbour,
      )[0];
    });
    if (JSON.stringify(next) === JSON.stringify(routes)) return next;
    routes = next;
  }
  throw new Error('the rules do not settle');
}

/** Relationships without cycles of providers: the lower number provides. */
const anyInternet = fc
  .uniqueArray(
    fc.tuple(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom(-1, -1, 0),
    ),
    {
      minLength: 1,
      maxLength: 30,
      selector: ([a, b]) => `${Math.min(a, b)} ${Math.max(a, b)}`,
    },
  )
  .map((all) =>
    all
      .filter(([a, b]) => a !== b)
      .map(([a, b, kind]) => `${Math.min(a, b)}|${Math.max(a, b)}|${kind}`),
  )
  .filter((rows) => rows.length > 0)
  .map((rows) => parsed(rows.join('\n')));

t.test('propagation is what the rules settle on', async () => {
  fc.assert(
    fc.property(
      anyInternet,
      fc.array(
        fc.tuple(
          fc.nat(),
          fc.nat(3),
          fc.nat(2),
          fc.nat(),
          fc.constantFrom(1, Infinity),
          fc.boolean(),
        ),
        { minLength: 1, maxLength: 3 },
      ),
      (topology, drawn) => {
        const count = topology.asns.length;
        const entries = drawn.map(([at, prepends, exported, neighbour, more, isForCustomers]) => ({
          provider: at % count,
          prepends,
          exported,
          towards: new Map([[neighbour % count, more]]),
          isForCustomers,
        }));
        const distinct = entries.filter(
          (e, i) => entries.findIndex((o) => o.provider === e.provider) === i,
        );
        const expected = settle(topology, distinct);
        const { link, length } = propagate(topology, distinct);
        return expected.every(
          (route, as) => link[as] === (route?.link ?? -1) && length[as] === (route?.length ?? 0),
        );
      },
    ),
    { numRuns: 1000 },
  );
});

t.test('prepends move what compares lengths, and not what prefers its customer', async (t) => {
  // We are customers of 10 and 20; 1 provides both; 30 is a customer of 1; 40 is a customer of 10 alone.
  const topology = parsed('1|10|-1\n1|20|-1\n1|30|-1\n10|40|-1');
  const at = (asn: number) => indexOfAs(topology, asn);
  const linkOf = (asn: number, prepends: readonly [number, number]) =>
    propagate(topology, [
      { provider: at(10), prepends: prepends[0] },
      { provider: at(20), prepends: prepends[1] },
    ]).link[at(asn)];
  t.equal(linkOf(30, [0, 0]), 0, 'equal lengths: the lower neighbour');
  t.equal(linkOf(30, [1, 0]), 1);
  t.equal(linkOf(40, [3, 0]), 0, 'its only provider has us as a customer');
  t.equal(indexOfAs(topology, 99), -1);
});

t.test('communities act at the provider that hears us, and nowhere else', async (t) => {
  // 1 provides 10 and 20, and peers with 2; 30 is a customer of 1, 40 of 10, 50 of 2.
  const topology = parsed('1|10|-1\n1|20|-1\n1|30|-1\n10|40|-1\n1|2|0\n2|50|-1');
  const at = (asn: number) => indexOfAs(topology, asn);
  const linksOf = (asked: Partial<Entry>) => {
    const { link } = propagate(topology, [
      { provider: at(10), prepends: 0, ...asked },
      { provider: at(20), prepends: 0 },
    ]);
    return [10, 1, 30, 40, 50].map((asn) => link[at(asn)]);
  };
  t.same(linksOf({}), [0, 0, 0, 0, 0]);
  t.same(linksOf({ exported: 2 }), [0, 1, 1, 0, 1], 'its own customers know no other way');
  t.same(linksOf({ towards: new Map([[at(1), Infinity]]) }), [0, 1, 1, 0, 1]);
  t.same(linksOf({ towards: new Map([[at(40), Infinity]]) }), [0, 0, 0, -1, 0]);
  t.same(linksOf({ isForCustomers: true }), [0, 1, 1, 0, 1]);
  t.same(linksOf({ isLast: true }), [1, 1, 1, 1, 1], 'the provider itself prefers another way');
  const alone = propagate(topology, [{ provider: at(10), prepends: 0, isLast: true }]);
  t.ok(
    alone.link.every((link) => link === 0),
    'where there is no other way the last one is taken',
  );
});

t.test('what is not a relationship is refused with its line', async (t) => {
  t.same(parseRelationships('# only a comment\n'), {
    ok: false,
    error: { code: 'empty', line: 2 },
  });
  for (const bad of ['1|2', '1|2|7', 'x|2|0', '-1|2|0', '1|4294967296|0'])
    t.match(
      parseRelationships(`1|2|0\n${bad}\n`),
      { ok: false, error: { code: 'bad_relationship', line: 2 } },
      bad,
    );
});

const skip =
  skipWithoutCaptures ||
  (existsSync('/usr/bin/bzip2') || existsSync('/bin/bzip2') ? false : 'bzip2 is absent');
t.test('the whole Internet of 2016: nearly everybody has a route', { skip }, async (t) => {
  const topology = loadRelationships();
  t.equal(topology.asns.length, 55_809);
  const entries = [3356, 1299].map((asn) => ({ provider: indexOfAs(topology, asn), prepends: 0 }));
  const { link } = propagate(topology, entries);
  const without = link.filter((entry) => entry < 0).length;
  t.ok(without < 0.01 * link.length, `${without} without a route`);
  t.ok(link.filter((entry) => entry === 1).length > 1000, 'both links are used');
});
