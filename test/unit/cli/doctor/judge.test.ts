import t from 'tap';
import type { Facts, PortFacts } from '../../../../src/cli/doctor/facts.ts';
import { judge } from '../../../../src/cli/doctor/judge.ts';
import { settingsOf } from '../../../support/settings.ts';

const text = `
asn: 64512
networks: [198.51.100.0/24]
management: { interface: eth0, address: 10.0.0.9 }
wires: [{ name: core, place: inside, inside: eth1, outside: eth2, driver: xdp }]
links: [{ name: north, asn: 65001, capacity: 1G, attribute: { wire: core, mac: "02:00:00:00:00:01" } }]
routers: [{ name: br1, address: 10.0.0.1, bgp: {} }]
`;
const settings = settingsOf(text);

const port = (name: string, more: Partial<PortFacts> = {}): PortFacts => ({
  name,
  exists: true,
  isUp: true,
  mtu: 1500,
  driver: 'ixgbe',
  addresses: [],
  offloads: ['generic-receive-offload'],
  ...more,
});

/** A machine that is fit, but for what a test changes. */
const machine = (changes: Partial<Facts> = {}, ...ports: readonly PortFacts[]): Facts => ({
  node: '20.1.0',
  kernel: '6.1.0-9-amd64',
  capabilities: 2n ** 41n - 1n,
  ports: new Map(
    [port('eth0', { addresses: ['10.0.0.9/24'] }), port('eth1'), port('eth2'), ...ports].map(
      (entry) => [entry.name, entry],
    ),
  ),
  hasBpffs: true,
  isClockSynchronised: true,
  bgp: new Map([['br1', undefined]]),
  unwritable: [],
  exposed: [],
  rmemMax: 67_108_864,
  ...changes,
});

t.test('a machine that is fit has nothing to do', async (t) => {
  const findings = judge(settings, machine());
  t.ok(findings.length >= 6);
  t.same(
    findings.filter(({ state }) => state !== 'ok'),
    [],
  );
});

t.test('everything that is not fit is told with what to do about it', async (t) => {
  const cases: ReadonlyArray<readonly [Facts, 'warn' | 'fail', RegExp, RegExp]> = [
    [machine({ node: '18.0.0' }), 'fail', /Node.js 18/, /install Node.js 20/],
    [machine({ kernel: '5.10.0' }), 'fail', /Linux 5.10/, /6\.1 or later/],
    [machine({ capabilities: 0n }), 'warn', /lacks CAP_NET_BIND_SERVICE .*CAP_BPF/, /as root/],
    [machine({ hasBpffs: false }), 'warn', /no BPF file system/, /wire install/],
    [
      machine({}, { name: 'eth1', exists: false, addresses: [], offloads: [] }),
      'fail',
      /no interface eth1/,
      /ip -br link/,
    ],
    [machine({}, port('eth2', { isUp: false })), 'fail', /eth2 is down/, /ip link set eth2 up/],
    [
      machine({}, port('eth2', { mtu: 9000 })),
      'fail',
      /MTU 1500 at eth1, 9000 at eth2/,
      /mtu 1500/,
    ],
    [
      machine({}, port('eth1', { addresses: ['192.0.2.1/24'] })),
      'fail',
      /has the address 192/,
      /ip addr flush dev eth1/,
    ],
    [machine({}, port('eth1', { master: 'br0' })), 'fail', /belongs to br0/, /nomaster/],
    [
      machine({}, port('eth1', { offloads: ['large-receive-offload', 'rx-vlan-offload'] })),
      'warn',
      /large-receive-offload, rx-vlan-offload/,
      /ethtool -K eth1 lro off rxvlan off/,
    ],
    [machine({}, port('eth1', { driver: 'e1000' })), 'warn', /e1000 has no XDP/, /driver: tc/],
    [
      machine({}, port('eth0', { addresses: ['10.0.0.8/24'] })),
      'fail',
      /does not have 10.0.0.9/,
      /ip addr add/,
    ],
    [
      machine({ bgp: new Map([['br1', 'ECONNREFUSED']]) }),
      'fail',
      /ECONNREFUSED/,
      /router-config br1/,
    ],
    [machine({ isClockSynchronised: false }), 'warn', /not synchronised/, /chrony/],
    [machine({ isClockSynchronised: undefined }), 'warn', /nothing tells/, /chrony/],
    [machine({ unwritable: ['/var/lib/headgate'] }), 'fail', /cannot be written/, /as root/],
    [machine({ exposed: ['/etc/headgate/k'] }), 'warn', /everybody may read/, /chmod o=/],
  ];
  for (const [facts, state, what, todo] of cases) {
    const wrong = judge(settings, facts).filter((finding) => finding.state !== 'ok');
    t.match(wrong, [{ state, what, todo }], String(what));
    t.equal(wrong.length, 1, 'and nothing else');
  }
});

t.test('a silent port with MD5 is no verdict: a plain connection cannot tell', async (t) => {
  const secured = settingsOf(text.replace('bgp: {}', 'bgp: { md5_file: /k }'));
  const findings = judge(secured, machine({ bgp: new Map([['br1', 'no answer within 3 s']]) }));
  t.match(
    findings.filter(({ state }) => state !== 'ok'),
    [{ state: 'warn', topic: 'router br1' }],
  );
});
