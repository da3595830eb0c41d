import t from 'tap';
import { linkId, prefixText } from '../../../../src/core/base/units.ts';
import {
  busiestNetworks,
  clientsByResolver,
  passiveRtts,
} from '../../../../src/daemon/measure/foreign.ts';
import type { NetworkCount } from '../../../../src/engine/index.ts';

const [north, south] = [linkId('north'), linkId('south')];
const network = (
  prefix: string,
  host: string,
  sessions: number,
  more: Partial<NetworkCount> = {},
): NetworkCount => ({ prefix: prefixText(prefix), host, sessions, rtts: [], ...more });
const after = (address: string, votes: number) => ({ resolver: { address, votes } });

t.test('the busiest networks are probed, hosts of several wires joined', async (t) => {
  const found = busiestNetworks(
    [
      network('192.0.2.0/24', '192.0.2.7', 5),
      network('203.0.113.0/24', '203.0.113.1', 8),
      network('192.0.2.0/24', '192.0.2.9', 6),
      network('198.18.0.0/24', '198.18.0.1', 1),
      network('2001:db8:5::/48', '2001:db8:5::9', 7),
    ],
    3,
  );
  t.same(
    found.map(({ prefix, hosts }) => [prefix.bytes[0], hosts.map(({ bytes }) => bytes.at(-1))]),
    [
      [192, [7, 9]],
      [203, [1]],
      [0x20, [9]],
    ],
  );
});

t.test('clients belong to the resolver that most of their sessions followed', async (t) => {
  const clients = clientsByResolver([
    network('192.0.2.0/24', '192.0.2.7', 10, after('8.8.8.8', 6)),
    network('203.0.113.0/24', '203.0.113.1', 100, after('8.8.8.8', 50)),
    network('198.18.0.0/24', '198.18.0.1', 2, after('8.8.8.8', 2)),
    network('198.18.1.0/24', '198.18.1.1', 100, after('8.8.8.8', 20)),
    network('198.18.2.0/24', '198.18.2.1', 4, after('9.9.9.9', 4)),
    network('198.18.3.0/24', '198.18.3.1', 4),
  ]);
  const prefixes = [...clients].map(([address, of]) => [address, of.map(({ prefix }) => prefix)]);
  t.same(
    prefixes,
    [
      ['8.8.8.8', ['203.0.113.0/24', '192.0.2.0/24']],
      ['9.9.9.9', ['198.18.2.0/24']],
    ],
    'twice may be chance, and a fifth of the sessions is no majority',
  );
});

t.test('round trips of several networks are weighed by their samples', async (t) => {
  const rtts = passiveRtts([
    network('192.0.2.0/24', '192.0.2.7', 9, {
      rtts: [{ link: north, rttUs: 10_000, samples: 30 }],
    }),
    network('203.0.113.0/24', '203.0.113.1', 9, {
      rtts: [
        { link: north, rttUs: 50_000, samples: 10 },
        { link: south, rttUs: 70_000, samples: 5 },
      ],
    }),
  ]);
  t.same(Object.fromEntries(rtts), {
    north: { rttUs: 20_000, samples: 40 },
    south: { rttUs: 70_000, samples: 5 },
  });
});
