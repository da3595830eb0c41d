import { execFileSync, spawnSync } from 'node:child_process';
import t from 'tap';
import { parsePrefix } from '../../../src/core/base/prefix.ts';
import { asn, linkId, routerId } from '../../../src/core/base/units.ts';
import { renderLinuxPolicy } from '../../../src/router/templates/linux.ts';
import type { RouterPolicy } from '../../../src/router/templates/policy.ts';

const network = parsePrefix('198.51.100.0/23');
if (!network.ok) throw new Error('a prefix');
const policy: RouterPolicy = {
  router: routerId('br1'),
  asn: asn(64512),
  unit: { address: '10.0.0.9', asn: asn(64512) },
  networks: [network.value],
  floor: { ipv4: 24, ipv6: 48 },
  links: [
    {
      number: 1,
      name: linkId('north'),
      asn: asn(65001),
      neighbors: ['192.0.2.1'],
      mark: { dscp: 10 },
    },
    {
      number: 2,
      name: linkId('south'),
      asn: asn(65002),
      neighbors: ['192.0.2.5'],
      mark: { vlan: 101 },
    },
    { number: 3, name: linkId('east'), asn: asn(65003), neighbors: [] },
  ],
  maxPrefixes: 10,
  maxDetours: 10,
  addPath: true,
};

t.test('a DSCP becomes a firewall mark, a rule and a table; only of our own packets', async (t) => {
  const text = renderLinuxPolicy(policy);
  t.match(text, 'ip saddr { 198.51.100.0/23 } ip dscp 10 meta mark set 0x68680001');
  t.match(text, 'ip -4 route replace default via 192.0.2.1 table 26801');
  t.match(text, 'rule add priority 26801 fwmark 0x68680001 lookup 26801');
  t.notMatch(text, 'ip6 saddr', 'no network of ours is IPv6');
});

t.test(
  'a VLAN becomes a firewall mark by a filter of its own, and then goes the same way',
  async (t) => {
    const text = renderLinuxPolicy(policy);
    t.match(text, /^tc filter replace .* handle 0x65 bpf da obj "\$OBJECT" sec tc classid 1:65 /m);
    t.match(text, 'ip -4 route replace default via 192.0.2.5 table 26802');
    t.match(text, 'rule add priority 26802 fwmark 0x68690065 lookup 26802');
    t.notMatch(text, 'ip dscp 101');
  },
);

t.test('what it does not do, it says', async (t) => {
  const text = renderLinuxPolicy(policy);
  t.match(text, /east has no mark/);
  t.match(text, /north names no IPv6 address/);
  t.notMatch(text, /0x6868000[23]/);
  const dscpOnly = renderLinuxPolicy({ ...policy, links: policy.links.slice(0, 1) });
  t.notMatch(dscpOnly, /INSIDE|tc /, 'who marks by DSCP needs no classifier');
});

t.test('without the interface it says what to set, and changes nothing', async (t) => {
  const { status, stderr } = spawnSync('/bin/sh', [], {
    input: renderLinuxPolicy(policy),
    encoding: 'utf8',
    env: { PATH: '/nowhere' },
  });
  t.not(status, 0);
  t.match(stderr, /INSIDE: set it to the interface towards the unit/);
});

t.test('it is a shell script', async (t) => {
  t.doesNotThrow(() => execFileSync('sh', ['-n'], { input: renderLinuxPolicy(policy) }));
});
