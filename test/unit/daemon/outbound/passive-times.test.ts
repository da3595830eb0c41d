import t from 'tap';
import { linkId, prefixText } from '../../../../src/core/base/units.ts';
import { AdjRibIn } from '../../../../src/core/bgp/rib/adj-rib-in.ts';
import { PassiveTimes } from '../../../../src/daemon/outbound/passive-times.ts';
import type { NetworkCount } from '../../../../src/engine/index.ts';

const destination = prefixText('203.0.112.0/22');
const rib = new AdjRibIn();
rib.announce(4, Uint8Array.of(203, 0, 112, 0), 0, 22, rib.addPeer(), 1, 0);

const network = (
  third: number,
  ...rtts: ReadonlyArray<readonly [link: string, rttUs: number, samples: number]>
): NetworkCount => ({
  prefix: prefixText(`203.0.${third}.0/24`),
  host: `203.0.${third}.1`,
  sessions: 1,
  rtts: rtts.map(([link, rttUs, samples]) => ({ link: linkId(link), rttUs, samples })),
});

t.test('networks count for the route that covers them, by their samples', async (t) => {
  const times = new PassiveTimes().add(
    [network(113, ['north', 10_000, 30]), network(114, ['north', 50_000, 10])],
    rib,
  );
  t.same([...times], [[destination, { us: 20_000, samples: 40 }]]);
  const nowhere = prefixText('192.0.2.0/24');
  t.equal(new PassiveTimes().add([{ ...network(113), prefix: nowhere }], rib).size, 0);
});

t.test(
  'only what was added counts: a link that carries nothing any more says nothing',
  async (t) => {
    const passive = new PassiveTimes();
    passive.add([network(113, ['north', 80_000, 500])], rib);
    const moved = [network(113, ['north', 80_000, 500], ['south', 20_000, 200])];
    t.match(passive.add(moved, rib).get(destination), { us: (80_000 * 50 + 20_000 * 200) / 250 });
    const before = passive.add(moved, rib).get(destination);
    t.same(passive.add(moved, rib).get(destination), before, 'nothing new was seen');
  },
);

t.test('a count that is full goes on by what changes', async (t) => {
  const passive = new PassiveTimes();
  passive.add([network(113, ['north', 80_000, 65_535])], rib);
  const times = passive.add([network(113, ['north', 20_000, 65_535])], rib);
  t.ok((times.get(destination)?.us ?? 0) < 50_000);
});
