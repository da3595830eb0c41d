import t from 'tap';
import { bitps, linkId, ms } from '../../../../src/core/base/units.ts';
import { defaultPolicy } from '../../../../src/core/decide/index.ts';
import { buildNetwork, loadsOf, qualityCosts } from '../../../../src/core/decide/network.ts';
import type { LinkObservation } from '../../../../src/core/model/observation.ts';

const capacity = bitps(1e9);
const [north, south] = [linkId('north'), linkId('south')];
const policy = defaultPolicy([
  { link: north, capacity },
  { link: south, capacity },
]);
const sampled = (value: number) => ({ value, ageMs: ms(0), coverage: 1, source: 'bgp' }) as const;
const costs = (
  first: Pick<LinkObservation, 'rttUs' | 'asHops'>,
  second: Pick<LinkObservation, 'rttUs' | 'asHops'>,
) => {
  const links = [
    { link: north, isUp: true, capacity, ...first },
    { link: south, isUp: true, capacity, ...second },
  ];
  const network = buildNetwork({ at: ms(0), intervalMs: ms(1), links, blocks: [] }, policy);
  return qualityCosts(network, loadsOf(network, [0, 0]), 'proximity');
};

t.test('proximity is time; hops count only where no link has any', async (t) => {
  t.same(costs({ rttUs: sampled(10), asHops: sampled(4) }, { rttUs: sampled(40) }), [0.25, 1]);
  t.same(costs({ asHops: sampled(4) }, { asHops: sampled(2) }), [1, 0.5]);
  t.same(
    costs({ rttUs: sampled(10), asHops: sampled(4) }, { asHops: sampled(2) }),
    [1, 1],
    'time and hops are never compared',
  );
  t.same(costs({}, {}), [0, 0]);
});
