import t from 'tap';
import { ResolverCensus } from '../../../src/steer/census.ts';
import { address } from '../../support/dns.ts';

t.test('shares follow what was asked lately', async (t) => {
  const census = new ResolverCensus(0);
  census.note(address('192.0.2.1'), 100, 0);
  census.note(address('192.0.2.2'), 50, 600_000);
  const shares = () => census.top(2).map(({ address, share }) => [address, share.toFixed(3)]);
  t.same(shares(), [
    ['192.0.2.1', '0.500'],
    ['192.0.2.2', '0.500'],
  ]);
  // A week later, all of the past together is nothing.
  census.note(address('192.0.2.2'), 1, 604_800_000);
  t.same(shares()[0], ['192.0.2.2', '1.000']);
  t.match(census.top(1)[0], { queries: 51, lastAtMs: 604_800_000 });
});

t.test('a flood of strangers pushes out strangers, and is counted', async (t) => {
  const census = new ResolverCensus(0, 100);
  for (let i = 0; i < 5000; i++) {
    census.note(address(`10.0.${i >> 8}.${i & 255}`), 1, i);
    if (i % 10 === 0) census.note(address('192.0.2.1'), 1, i);
  }
  t.ok(census.size <= 100);
  t.match(census.top(1)[0], { address: '192.0.2.1', queries: 500 });
  t.ok(census.forgotten > 4800);
});
