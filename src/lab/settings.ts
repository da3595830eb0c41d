/** The settings of a unit in the lab, as `headgate run --config` reads them. Pure. */
import type { Provider, Topology } from './topology.ts';

export type Mode = 'observe' | 'advise' | 'control';

/** What a person in front of a lab waits for, in place of production's minutes. */
export const labTimers = { cycleS: 1, averageS: 2, settleS: 4, dwellS: 20 } as const;

export function renderSettings(topology: Topology, folder: string, mode: Mode): string {
  return [
    `asn: ${topology.asn}`,
    `mode: ${mode}`,
    `networks: [${topology.networks.map(quote).join(', ')}]`,
    'blocks: { ipv4: 24, ipv6: 40 }',
    'management: { interface: mgmt }',
    'wires:',
    ...topology.wires.map(
      (wire) =>
        `  - { name: ${wire.name}, place: ${topology.shape.place}, inside: ${wire.inside}, outside: ${wire.outside}, driver: af_packet }`,
    ),
    'links:',
    ...topology.providers.flatMap((provider) => [
      `  - name: ${provider.name}`,
      `    asn: ${provider.asn}`,
      `    capacity: ${provider.capacityBitps / 1e6}M`,
      `    attribute: ${attribution(topology, provider)}`,
      `    router: ${provider.router}`,
    ]),
    'routers:',
    ...topology.routers.map(
      (router) =>
        `  - { name: ${router.name}, address: ${router.management}, asn: ${topology.asn}, bgp: { add_path: true } }`,
    ),
    'objective: { balance: 1, congestion: 4 }',
    `rails: { dwell: ${labTimers.dwellS}s, moves_per_hour: 1000, share_per_round: 40% }`,
    `control: { socket: ${folder}/unit.sock }`,
    '',
  ].join('\n');
}

function attribution(topology: Topology, provider: Provider): string {
  if (topology.shape.place === 'link') return `{ wire: ${provider.name} }`;
  const router = topology.routers.find((r) => r.name === provider.router);
  return `{ wire: core, mac: ${quote(router?.insideMac ?? '')} }`;
}

const quote = (text: string): string => `"${text}"`;
