/** The settings of a unit in the content network. Pure. */
import { community } from './lab.ts';
import { network, ourAsn, providers, router, unit } from './topology.ts';

export const threshold = 0.8;

export function renderContentSettings(
  folder: string,
  mode: 'advise' | 'control',
  more = '',
): string {
  return [
    `asn: ${ourAsn}`,
    `mode: ${mode}`,
    `networks: [${network}]`,
    'blocks: { ipv4: 24 }',
    `management: { interface: mgmt, address: ${unit.address}, egress_address: ${unit.egress} }`,
    'wires: [{ name: core, place: inside, inside: cin, outside: cout, driver: af_packet }]',
    'links:',
    ...providers.map(
      ({ name, asn, capacityBitps }) =>
        `  - { name: ${name}, asn: ${asn}, capacity: ${capacityBitps / 1e6}M, router: ${router.name}, interface: ${name} }`,
    ),
    'routers:',
    `  - name: ${router.name}`,
    `    address: ${router.address}`,
    '    bgp: { add_path: true, mrai: 0s, hold_time: 6s }',
    `    snmp: { version: '2c', community: ${community}, interval: 1s, timeout: 2s }`,
    `outbound: { threshold: ${threshold * 100}%, target: 75%, release: 60% }`,
    'cycle: { interval: 1s, average: 1s }',
    'time_scale: 100',
    `control: { socket: ${folder}/unit.sock }`,
    `history: { path: ${folder}/history.db }`,
    more,
  ].join('\n');
}
