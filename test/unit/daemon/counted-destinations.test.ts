import t from 'tap';
import { type PrefixText, prefixText } from '../../../src/core/base/units.ts';
import { AdjRibIn } from '../../../src/core/bgp/rib/adj-rib-in.ts';
import { CountedDestinations } from '../../../src/daemon/counted-destinations.ts';

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
  t.equal(counted.refresh([own], 10), false, 'the same again is no news');
  counted.refresh([own], 1);
  t.equal(counted.left, 1);
});

t.test('what is too large is counted in halves, and again, down to what others take', async (t) => {
  const counted = table();
  counted.refresh([own], 10);
  t.same(counted.divide(rates([whole, 50], [small, 90]), 40, nobody), [whole]);
  t.equal(counted.refresh([own], 10), true);
  t.same(counted.prefixes, [small, ...halves].sort(), 'a /24 is not cut');
  const [first] = halves;
  if (!first) throw new Error('there are two');
  t.same(counted.divide(rates([first, 45]), 40, nobody), [first]);
  counted.refresh([own], 10);
  t.equal(counted.prefixes.length, 4);
});

t.test('halves are joined when both together are light, unless one is detoured', async (t) => {
  const counted = table();
  counted.divide(rates([whole, 50]), 40, nobody);
  const [first, second] = halves as [PrefixText, PrefixText];
  t.same(counted.divide(rates([first, 15], [second, 10]), 40, nobody), [], 'not light enough');
  const light = rates([first, 5], [second, 10]);
  t.same(
    counted.divide(light, 40, (prefix) => prefix === second),
    [],
  );
  t.same(counted.divide(light, 40, nobody), [whole]);
});
