/** The settings of a unit in the content network. Pure. */
import { community } from '../instruments.ts';
import { network, ourAsn, providerEnd, providers, router, unit } from './topology.ts';

export const threshold = 0.8;

/** How a detour reaches the router: told by BGP, or marked on the packets by a DSCP. */
export type Carrier = 'bgp' | 'marks';
export const dscpOf = (i: number): number => 10 + 2 * i;

export function renderContentSettings(folder: string, carrier: Carrier): string {
  const egress = carrier === 'bgp' ? `, egress_address: ${unit.egress}` : '';
  const marks = (i: number) =>
    carrier === 'bgp'
      ? ''
      : `, neighbor: ${providerEnd(i)}, attribute: { wire: core, dscp: ${dscpOf(i)} }, mark: { dscp: ${dscpOf(i)} }`;
  return [
    `asn: ${ourAsn}`,
    'mode: control',
    `networks: [${network}]`,
    'blocks: { ipv4: 24 }',
    `management: { interface: mgmt, address: ${unit.address}${egress} }`,
    'wires: [{ name: core, place: inside, inside: cin, outside: cout, driver: af_packet }]',
    'links:',
    ...providers.map(
      ({ name, asn, capacityBitps }, i) =>
        `  - { name: ${name}, asn: ${asn}, capacity: ${capacityBitps / 1e6}M, router: ${router.name}, interface: ${name}${marks(i)} }`,
    ),
    'routers:',
    `  - name: ${router.name}`,
    `    address: ${router.address}`,
    '    bgp: { add_path: true, mrai: 0s, hold_time: 6s }',
    `    snmp: { version: '2c', community: ${community}, interval: 1s, timeout: 2s }`,
    `outbound: { threshold: ${threshold * 100}%, target: 75%, release: 70% }`,
    'cycle: { interval: 1s, average: 1s }',
    'time_scale: 100',
    `control: { socket: ${folder}/unit.sock }`,
    `history: { path: ${folder}/history.db }`,
    '',
  ].join('\n');
}
