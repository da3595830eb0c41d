import t from 'tap';
import { type PrefixText, prefixText } from '../../../../src/core/base/units.ts';
import { AdjRibIn } from '../../../../src/core/bgp/rib/adj-rib-in.ts';
import { CountedDestinations } from '../../../../src/daemon/outbound/counted-destinations.ts';

const whole = prefixText('203.0.112.0/22');
const halves = ['203.0.112.0/23', '203.0.114.0/23'].map(prefixText);
const [small, own] = [prefixText('192.0.2.0/24'), prefixText('198.51.100.0/24')];

function table(): CountedDestinations {
  const rib = new AdjRibIn();
  const peer = rib.addPeer();
  for (const [bytes, length] of [
    [Uint8Array.of(203, 0, 112, 0), 22],
    [Uint8Array.of(192, 0, 2, 0), 24],
    [Uint8Array.of(198, 51, 100, 0), 24],
    [Uint8Array.of(0, 0, 0, 0), 0],
  ] as const)
    rib.announce(4, bytes, 0, length, peer, 1, 0);
  return new CountedDestinations(rib);
}

const rates = (...list: ReadonlyArray<readonly [PrefixText, number]>) => new Map(list);
const nobody = () => false;

t.test('foreign prefixes are counted, as many as fit', async (t) => {
  const counted = table();
  t.equal(counted.refresh([own], 10), true);
  t.same(counted.prefixes, [small, whole].sort());
  t.equal(counted.newShare, 1);
  t.equal(counted.refresh([own], 10), false, 'the same again is no news');
  counted.refresh([own], 1);
  t.equal(counted.left, 1);
});

/** `at` in seconds; averages are of 100 s, the limit is 40. */
const divide = (
  counted: CountedDestinations,
  at: number,
  rates: ReadonlyMap<PrefixText, number>,
  isDetoured: (prefix: PrefixText) => boolean = nobody,
) => counted.divide({ rates, limit: 40, isDetoured, at, averageMs: 100 });

t.test('what is too large is counted in halves, and again, down to what others take', async (t) => {
  const counted = table();
  counted.refresh([own], 10);
  t.same(divide(counted, 0, rates([whole, 50], [small, 90])).changed, [whole]);
  t.equal(counted.refresh([own], 10), true);
  t.same(counted.prefixes, [small, ...halves].sort(), 'a /24 is not cut');
  const [first] = halves;
  if (!first) throw new Error('there are two');
  t.same(divide(counted, 10, rates([first, 45])).changed, [first]);
  counted.refresh([own], 10);
  t.equal(counted.prefixes.length, 4);
});

t.test(
  'halves are taken to carry their part until they were counted for long enough',
  async (t) => {
    const counted = table();
    const [first, second] = halves as [PrefixText, PrefixText];
    const after = (at: number, measured: ReadonlyMap<PrefixText, number>) =>
      Object.fromEntries(divide(counted, at, measured).rates);
    t.same(after(0, rates([whole, 60])), { [first]: 30, [second]: 30 });
    t.same(after(30, rates([first, 2], [second, 35])), { [first]: 30, [second]: 35 });
    t.same(after(100, rates([first, 20], [second, 35])), { [first]: 20, [second]: 35 });
  },
);

t.test('what is assumed alone is not cut further', async (t) => {
  const counted = table();
  t.same(divide(counted, 0, rates([whole, 100])).changed, [whole]);
  t.same(divide(counted, 30, rates()).changed, []);
});

t.test('halves are joined when both together are light, unless one is detoured', async (t) => {
  const counted = table();
  divide(counted, 0, rates([whole, 50]));
  const [first, second] = halves as [PrefixText, PrefixText];
  t.same(divide(counted, 50, rates()).changed, [], 'not counted for long enough');
  t.same(divide(counted, 100, rates([first, 15], [second, 10])).changed, [], 'not light enough');
  const light = rates([first, 5], [second, 10]);
  t.same(divide(counted, 130, light, (prefix) => prefix === second).changed, []);
  const { changed, rates: joined } = divide(counted, 160, light);
  t.same(changed, [whole]);
  t.same([...joined], [[whole, 15]]);
});
