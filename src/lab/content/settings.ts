/** The settings of a unit in the content network. Pure. */
import { community } from '../instruments.ts';
import {
  destinationHosts,
  network,
  ourAsn,
  probeSource,
  providerEnd,
  providers,
  type RouterKind,
  router,
  unit,
} from './topology.ts';

export const threshold = 0.8;

/**
 * How a detour reaches the router: told by BGP (`timed`: with probes; `exports`: without a wire; `bmp`: without
 * add-path), marked on the packets by a DSCP, or configured: by destination, or by single session.
 */
export type Carrier = 'bgp' | 'timed' | 'exports' | 'bmp' | 'marks' | 'destinations' | 'sessions';
export const isSpoken = (carrier: Carrier): boolean =>
  ['bgp', 'timed', 'exports', 'bmp'].includes(carrier);
export const bmpPort = 11_019;
export const dscpOf = (i: number): number => 10 + 2 * i;

const performance =
  'performance: { gain: 5ms, samples: 4, share_per_round: 0.3%, control_share: 10%, settle: 5s }';
/** What is probed of the foreign network: one is of the control share, the others do not fit one round. */
const probed = destinationHosts.slice(0, 5).map((address) => `{ address: ${address} }`);

/** `shell`: runs a command on the router. */
export function renderContentSettings(
  folder: string,
  carrier: Carrier,
  shell: readonly string[],
  kind: RouterKind = 'bird',
): string {
  const egress = isSpoken(carrier) ? `, egress_address: ${unit.egress}` : '';
  const ofLink = (i: number) =>
    ({
      bgp: '',
      destinations: '',
      exports: '',
      bmp: '',
      timed: `, mark: { dscp: ${dscpOf(i)} }, source: ${probeSource(i)}`,
      sessions: `, neighbor: ${providerEnd(i)}`,
      marks: `, neighbor: ${providerEnd(i)}, attribute: { wire: core, dscp: ${dscpOf(i)} }, mark: { dscp: ${dscpOf(i)} }`,
    })[carrier];
  const driver = {
    bgp: [],
    timed: [],
    exports: [],
    bmp: [],
    marks: [],
    destinations: [
      kind === 'frr'
        ? `kind: frr, vtysh: [vtysh, --vty_socket, ${folder}/${router.name}, --config_dir, ${folder}/${router.name}]`
        : `kind: bird, file: ${folder}/${router.name}.conf, socket: ${folder}/${router.name}.ctl`,
    ],
    sessions: ['kind: linux'],
  }[carrier].map(
    (kind) =>
      `    driver: { ${kind}, shell: [${shell.join(', ')}], folder: ${folder}/timers, outbound: ${carrier} }`,
  );
  return [
    `asn: ${ourAsn}`,
    'mode: control',
    `networks: [${network}]`,
    'blocks: { ipv4: 24 }',
    `management: { interface: mgmt, address: ${unit.address}${egress} }`,
    carrier === 'exports'
      ? `flows: { listen: ["${unit.address}:2055"], exporters: [{ address: ${router.address}, router: ${router.name} }] }`
      : 'wires: [{ name: core, place: inside, inside: cin, outside: cout, driver: af_packet }]',
    'links:',
    ...providers.map(
      ({ name, asn, capacityBitps }, i) =>
        `  - { name: ${name}, asn: ${asn}, capacity: ${capacityBitps / 1e6}M, router: ${router.name}, interface: ${name}${ofLink(i)} }`,
    ),
    'routers:',
    `  - name: ${router.name}`,
    `    address: ${router.address}`,
    `    bgp: { add_path: ${carrier !== 'bmp'}, mrai: 0s, hold_time: 6s }`,
    ...driver,
    `    snmp: { version: '2c', community: ${community}, interval: 1s, timeout: 2s }`,
    `outbound: { threshold: ${threshold * 100}%, target: 75%, release: 70%, split: 20%${carrier === 'timed' ? `, ${performance}` : ''} }`,
    ...(carrier === 'timed'
      ? [
          `probe: { targets: [${probed.join(', ')}], found: 0, interval: 500ms, budget: { per_network: 20 } }`,
        ]
      : []),
    ...(carrier === 'bmp' ? [`bmp: { listen: "${unit.address}:${bmpPort}" }`] : []),
    'cycle: { interval: 1s, average: 1s }',
    'time_scale: 100',
    // Weights that the test compares with must not change meanwhile.
    ...(carrier === 'marks' ? ['rails: { settle: 1h }'] : []),
    `control: { socket: ${folder}/unit.sock }`,
    `history: { path: ${folder}/history.db }`,
    '',
  ].join('\n');
}
