import t from 'tap';
import { flowOptionsOf } from '../../../src/collect/flow/index.ts';
import { polledRoutersOf } from '../../../src/collect/snmp/index.ts';
import { formatPrefix } from '../../../src/core/base/prefix.ts';
import { loadSettings } from '../../../src/core/settings/index.ts';
import { proberOptionsOf } from '../../../src/probe/index.ts';

const text = `
asn: 64512
networks: [198.51.100.0/23]
links:
  - { name: north, asn: 65001, capacity: 1G, router: br1, interface: xe-0, source: 203.0.113.1, mark: { dscp: 10 } }
  - { name: south, asn: 65002, capacity: 1G, router: br2, interface: Port1, source: 203.0.113.2, probe_by: { fwmark: 7, interface: eth2 } }
routers:
  - { name: br1, address: 10.0.0.1, snmp: { version: 3, user: poller, auth: sha, auth_key: longenough } }
  - { name: br2, address: 10.0.0.2 }
flows:
  listen: ["0.0.0.0:2055"]
  exporters:
    - { address: 10.0.0.1, router: br1, sampling: 1000, interfaces: [{ link: north, if_index: 7 }] }
    - { address: 10.0.0.9 }
probe: { targets: [{ address: 192.0.2.1, method: tcp }], never: [10.0.0.0/8] }
`;

t.test('settings become what the collectors and the prober need', async (t) => {
  const loaded = loadSettings(text, 'headgate.yaml');
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const settings = loaded.value;
  t.match(polledRoutersOf(settings), [
    {
      router: 'br1',
      address: '10.0.0.1',
      settings: { version: 3, interval: 30_000 },
      links: [{ link: 'north', interface: 'xe-0' }],
    },
  ]);
  const flows = flowOptionsOf(settings);
  t.match(flows, {
    listen: [{ address: '0.0.0.0', port: 2055 }],
    exporters: [
      { address: '10.0.0.1', links: [{ link: 'north', ifIndex: 7 }], sampling: 1000 },
      { address: '10.0.0.9', links: [{ link: 'north' }, { link: 'south' }], metering: 'any' },
    ],
    account: { links: ['north', 'south'], recordAgeMsMax: 600_000 },
  });
  t.same(flows?.account.blocks.map(formatPrefix), ['198.51.100.0/24', '198.51.101.0/24']);
  t.match(proberOptionsOf(settings), {
    links: [
      { link: 'north', dscp: 10 },
      { link: 'south', dscp: 0, fwmark: 7, device: 'eth2' },
    ],
    targets: [{ method: 'tcp', port: 443 }],
    budget: { perLink: 100, perNetwork: 2 },
    significance: 0.001,
  });
  t.equal(proberOptionsOf({ ...settings, links: [] }), undefined);
});
