import t from 'tap';
import { loadSettings } from '../../../../src/core/settings/index.ts';

const text = (driver: string, more: { bgp?: string; links?: string; rest?: string } = {}) => `
asn: 64512
networks: [198.51.100.0/24]
management: { address: 10.0.0.9 }
wires: [{ name: core, place: inside, inside: eth1, outside: eth2 }]
links: [{ name: north, asn: 65001, capacity: 1G, router: br1${more.links ?? ''} }]
routers: [{ name: br1, address: 10.0.0.1, ${more.bgp ?? 'bgp: {}'}${more.bgp === '' ? '' : ','} driver: { ${driver} } }]
${more.rest ?? 'outbound: {}'}
`;
const problemOf = (settings: string): string => {
  const loaded = loadSettings(settings, 'headgate.yaml');
  return loaded.ok ? '' : loaded.error.map(({ message }) => message).join('; ');
};

t.test('a driver that can do what it is to do is taken', async (t) => {
  t.equal(problemOf(text('kind: bird, file: /etc/bird/bird.conf, outbound: destinations')), '');
  t.equal(problemOf(text('kind: frr, outbound: destinations')), '');
  const neighbor = { links: ', neighbor: 192.0.2.1' };
  t.equal(problemOf(text('kind: linux, outbound: sessions', neighbor)), '');
  t.equal(
    problemOf(text('kind: frr, blocks: true, next_hop: { ipv4: 10.0.1.1 }', { bgp: '' })),
    '',
  );
});

t.test('what it could not do is said at its place', async (t) => {
  const cases: ReadonlyArray<readonly [string, RegExp]> = [
    [text('kind: bird, outbound: destinations'), /expected file/],
    [text('kind: linux, outbound: destinations'), /of kind linux takes outbound: sessions/],
    [text('kind: frr, blocks: true, next_hop: { ipv4: 10.0.1.1 }'), /its session announces/],
    [text('kind: frr, blocks: true', { bgp: '' }), /expected next_hop\.ipv4/],
    [text('kind: linux, outbound: sessions'), /neighbor of each link; north has none/],
    [text('kind: frr, outbound: destinations', { bgp: '' }), /add bgp: \{ add_path: true \}/],
    [text('kind: frr, outbound: destinations', { rest: '' }), /add outbound: \{\}/],
    [
      text('kind: frr, outbound: destinations', { bgp: 'bgp: { egress_address: 10.0.0.8 }' }),
      /leave bgp\.egress_address away/,
    ],
  ];
  for (const [settings, message] of cases) t.match(problemOf(settings), message);
});
