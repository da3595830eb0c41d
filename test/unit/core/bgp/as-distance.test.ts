import t from 'tap';
import { hopsFrom } from '../../../../src/core/bgp/as-distance.ts';

const sequence = (...asns: number[]) => ({ kind: 'sequence', asns }) as const;

t.test('hops are counted from the provider to the origin, prepends once', async (t) => {
  const path = [sequence(65001, 65001, 3356, 1299, 64500, 64500, 64500)];
  t.equal(hopsFrom(path, 65001), 3);
  t.equal(hopsFrom(path, 1299), 1, 'from an AS along the way');
  t.equal(hopsFrom(path, 64500), 0, 'the origin itself');
  t.equal(hopsFrom(path, 65002), undefined, 'not on the path');
  t.equal(hopsFrom([sequence(65001), sequence(3356)], 65001), 1, 'segments join');
  t.equal(hopsFrom([{ kind: 'confed_sequence', asns: [64512] }, sequence(65001, 7)], 65001), 1);
  t.equal(hopsFrom([sequence(65001), { kind: 'set', asns: [1, 2] }], 65001), undefined);
  t.equal(hopsFrom([], 65001), undefined);
});
