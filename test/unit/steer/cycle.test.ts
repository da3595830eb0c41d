import t from 'tap';
import { bitps, linkId, ms, prefixText } from '../../../src/core/base/units.ts';
import { defaultResolverPolicy } from '../../../src/core/decide/resolvers.ts';
import { ResolverCycle, type ResolverMeasurements } from '../../../src/steer/cycle.ts';
import type { ResolverWeights, Steer } from '../../../src/steer/index.ts';
import { granularity } from '../../support/dns.ts';

/** What `turn` needs of a server: who asked, and what was published. */
function standIn(shares: Readonly<Record<string, number>>) {
  const published: ResolverWeights[] = [];
  const steer: Steer = {
    port: 0,
    publish: (weights) => published.push(weights),
    withdraw: () => {},
    close: async () => {},
    snapshot: () => ({
      counts: {},
      addresses: [],
      withdrawn: {},
      resolvers: Object.entries(shares).map(([address, share]) => ({
        address,
        share,
        queries: share * 1000,
        lastAtMs: 0,
      })),
    }),
  };
  return { published, cycle: new ResolverCycle(steer, defaultResolverPolicy, granularity) };
}

const measured = (network: string, north: number, south: number): ResolverMeasurements => ({
  at: ms(0),
  steeredRate: bitps(100e6),
  providers: ['north', 'south'].map((link) => ({
    link: linkId(link),
    capacity: bitps(1e9),
    otherLoad: bitps(0),
  })),
  paths: Object.entries({ north, south }).map(([link, rttMs]) => ({
    network: prefixText(network),
    link: linkId(link),
    isReturning: true,
    probe: { rttUs: rttMs * 1000, lossRatio: 0 },
  })),
});

t.test('resolvers of one network count together, scanners not at all', async (t) => {
  const { cycle } = standIn({
    '192.0.2.1': 0.3,
    '198.51.100.1': 0.5,
    '192.0.2.2': 0.3,
    '2001:db8::1': 0.1,
    '10.0.0.1': 0.0001,
  });
  t.same(
    cycle.networks().map(({ network, address }) => [network, address]),
    [
      ['192.0.2.0/24', '192.0.2.1'],
      ['198.51.100.0/24', '198.51.100.1'],
      ['2001:db8::/56', '2001:db8::1'],
    ],
  );
});

t.test('a round becomes weights, in control only, and can be explained', async (t) => {
  const { cycle, published } = standIn({ '192.0.2.1': 1 });
  t.match(cycle.explain('192.0.2.9'), 'no plan yet');
  cycle.turn(measured('192.0.2.0/24', 20, 60), false);
  t.same(published[0]?.networks, [], 'observe: everybody by the default');
  t.same(published[0]?.default, { north: 5000, south: 5000 });
  t.match(cycle.explain('192.0.2.9'), /192\.0\.2\.0\/24: north 100 %: best path: 20\.0 ms/);
  cycle.turn(measured('192.0.2.0/24', 20, 60), true);
  t.match(published[1]?.networks, [{ weights: { north: 10_000 } }]);
  t.match(cycle.explain('203.0.113.1'), 'no plan of its own');
  t.equal(cycle.explain('nobody'), undefined);
});
