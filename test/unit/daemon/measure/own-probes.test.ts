import t from 'tap';
import { parseAddress } from '../../../../src/core/base/prefix.ts';
import { linkId, prefixText } from '../../../../src/core/base/units.ts';
import { tablesOf } from '../../../../src/daemon/configure.ts';
import { ExportedArrivals } from '../../../../src/daemon/measure/exported-arrivals.ts';
import {
  arrivalsOn,
  probeAddresses,
  withoutProbes,
} from '../../../../src/daemon/measure/own-probes.ts';
import { settingsOf } from '../../../support/settings.ts';
import { snapshotOf } from '../../../support/snapshot.ts';

const settings = settingsOf(`
asn: 64512
networks: [198.51.100.0/23]
wires: [{ name: n, place: link, inside: a, outside: b }, { name: s, place: link, inside: c, outside: d }]
links:
  - { name: north, asn: 65001, capacity: 1G, attribute: { wire: n }, source: [203.0.113.1, "2001:db8::1"] }
  - { name: south, asn: 65002, capacity: 1G, attribute: { wire: s }, source: 192.0.2.1 }
`);
const address = (text: string) => {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

t.test('the wires count what probes get apart from all else', async (t) => {
  t.same(probeAddresses(settings), ['203.0.113.1/32', '2001:db8::1/128', '192.0.2.1/32']);
  t.same(tablesOf(settings).blocks, [
    '198.51.100.0/24',
    '198.51.101.0/24',
    ...probeAddresses(settings),
  ]);
  const snapshot = snapshotOf(0, {
    inbound: {
      '198.51.100.0/24 north': 9_000,
      '203.0.113.1/32 north': 3_000,
      '192.0.2.1/32 north': 1_000,
      '198.51.101.0/24 south': 5_000,
    },
  });
  const ours = withoutProbes(snapshot, new Set(probeAddresses(settings)));
  t.same(
    ours.blocks.map(({ block }) => block),
    ['198.51.100.0/24', '198.51.101.0/24'],
  );
  t.same(
    ours.links.map(({ link, inbound }) => [link, inbound.l2Bytes]),
    [
      ['north', 9_000],
      ['south', 5_000],
    ],
  );
  t.same(
    [...arrivalsOn(snapshot, address('192.0.2.1'))],
    [['north', 1]],
    'south’s answers come by north',
  );
  const plain = snapshotOf(0, { inbound: { '198.51.100.0/24 north': 9_000 } });
  t.equal(withoutProbes(plain, new Set([prefixText('203.0.113.1/32')])), plain);
});

t.test('flow exports add up to a witness', async (t) => {
  const exported = new ExportedArrivals();
  const came = (link: string, packets: number) => ({
    address: prefixText('203.0.113.1/32'),
    link: linkId(link),
    packets,
  });
  exported.add([came('north', 5)]);
  const before = exported.witness(address('203.0.113.1'));
  exported.add([came('north', 2), came('south', 1)]);
  t.same([...(before ?? [])], [['north', 5]], 'a look does not change afterwards');
  t.same(
    [...(exported.witness(address('203.0.113.1')) ?? [])],
    [
      ['north', 7],
      ['south', 1],
    ],
  );
  t.same([...(exported.witness(address('203.0.113.2')) ?? [])], []);
});
