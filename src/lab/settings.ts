/** The settings of a unit in the lab, as `headgate run --config` reads them. Pure. */
import { community, flowPort } from './instruments.ts';
import type { Provider, Topology } from './topology.ts';

export type Mode = 'observe' | 'advise' | 'control';

/** Production's minutes become what a person in front of a lab waits for: 30 minutes of dwell are 18 seconds. */
export const timeScale = 100;
export const dwellMs = 18_000;

export function renderSettings(topology: Topology, folder: string, mode: Mode): string {
  return [
    `asn: ${topology.asn}`,
    `mode: ${mode}`,
    `networks: [${topology.networks.map(quote).join(', ')}]`,
    'blocks: { ipv4: 24, ipv6: 40 }',
    `management: { interface: mgmt, address: ${topology.unit} }`,
    ...(topology.wires.length > 0 ? ['wires:'] : []),
    ...topology.wires.map(
      (wire) =>
        `  - { name: ${wire.name}, place: ${topology.shape.place}, inside: ${wire.inside}, outside: ${wire.outside}, driver: af_packet }`,
    ),
    'links:',
    ...topology.providers.flatMap((provider) => [
      `  - name: ${provider.name}`,
      `    asn: ${provider.asn}`,
      `    capacity: ${provider.capacityBitps / 1e6}M`,
      `    ${attribution(topology, provider)}`,
      `    router: ${provider.router}`,
    ]),
    'routers:',
    ...topology.routers.map(
      (router) =>
        `  - { name: ${router.name}, address: ${router.management}, asn: ${topology.asn}, bgp: { add_path: true }${counters(topology)} }`,
    ),
    ...exports(topology),
    ...steering(topology),
    'objective: { balance: 1, congestion: 4 }',
    // A change shows within seconds here, but TCP needs some to fill a link and the average to follow.
    // Exports and counters come in by the second, which a longer average evens out.
    `cycle: { interval: 1s, average: ${isBeside(topology) ? 6 : 3}s }`,
    `time_scale: ${timeScale}`,
    `rails: { dwell: ${dwellMs / 1000}s, settle: ${isBeside(topology) ? 10 : 6}s, share_per_round: 25% }`,
    `control: { socket: ${folder}/unit.sock }`,
    `history: { path: ${folder}/history.db }`,
    `metrics: { listen: '${topology.unit}:9469' }`,
    '',
  ].join('\n');
}

function attribution(topology: Topology, provider: Provider): string {
  if (isBeside(topology)) return `interface: ${provider.name}`;
  if (topology.shape.place === 'link') return `attribute: { wire: ${provider.name} }`;
  const router = topology.routers.find((r) => r.name === provider.router);
  return `attribute: { wire: core, mac: ${quote(router?.insideMac ?? '')} }`;
}

function counters(topology: Topology): string {
  if (!isBeside(topology)) return '';
  return `, snmp: { version: '2c', community: ${community}, interval: 1s, timeout: 2s }`;
}

/** The kernel counts 14 bytes of Ethernet to a packet, as the meter does. */
function exports(topology: Topology): string[] {
  if (!isBeside(topology)) return [];
  return [
    'flows:',
    `  listen: ['${topology.unit}:${flowPort}']`,
    '  exporters:',
    ...topology.routers.map(
      ({ name, management }) =>
        `    - { address: ${management}, router: ${name}, layer2_overhead: 14 }`,
    ),
  ];
}

/** The rungs that are not the default ones; the providers act upon `ASN:10N` (`bird.ts`). */
function steering({ shape, providers }: Topology): string[] {
  if (shape.ladder === 'more_specifics') return ['steering: { ladder: [more_specifics] }'];
  if (shape.ladder !== 'provider_communities') return [];
  const times = [1, 2, 3];
  return [
    `steering: { ladder: [${times.map((n) => `{ provider: prepend_${n} }`).join(', ')}] }`,
    'provider_communities:',
    ...providers.map(({ asn }) => {
      const actions = times.map((n) => `prepend_${n}: ["${asn}:10${n}"]`).join(', ');
      return `  - { asn: ${asn}, actions: { ${actions} } }`;
    }),
  ];
}

const isBeside = (topology: Topology): boolean => topology.shape.place === 'beside';

const quote = (text: string): string => `"${text}"`;
