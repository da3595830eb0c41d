/** The settings of one of several units in the lab, as `headgate run --config` reads them. Pure. */
import type { Mode } from './settings.ts';
import type { Site, Topology } from './topology.ts';

/** How quickly everything happens there, in milliseconds: production's minutes are seconds. */
export const unitsTimes = {
  cycleMs: 1000,
  dwellMs: 4000,
  leaseMs: 2000,
  silentMs: 3000,
  // Longer than NATS takes to find a leader of its own (4 to 9 s), as in production.
  holdMs: 12_000,
  /** How long routers keep what a unit told them that stands still, and that died. */
  bgpHoldMs: 9000,
  gracefulRestartMs: 10_000,
} as const;

export interface UnitFiles {
  /** Of the unit's own history, socket and log. */
  readonly folder: string;
  /** PEM: whom NATS's certificate must be from. */
  readonly ca: string;
  /** The unit's nkey: a seed. */
  readonly nkey: string;
}

export const natsPort = 4222;

/** Blocks that have a link whatever the traffic. */
export const pinned = ({
  blocks,
  providers,
}: Topology): ReadonlyArray<{ readonly block: string; readonly link: string }> =>
  [7, 9].flatMap((number, i) => {
    const [block, link] = [blocks[number], providers[3 - i]];
    return block && link ? [{ block: block.prefix, link: link.name }] : [];
  });

/** All units share these settings but for the addresses and files of their own machine. */
export function renderUnitSettings(
  topology: Topology,
  site: Site,
  files: UnitFiles,
  mode: Mode,
): string {
  const t = unitsTimes;
  const unitOf = (router: string): string =>
    topology.sites.find((other) => other.router === router)?.unit ?? '';
  const bgp = `{ add_path: true, hold_time: ${t.bgpHoldMs}ms, graceful_restart: ${t.gracefulRestartMs}ms, announce_delay: 500ms, mrai: 100ms }`;
  const servers = topology.sites.map(({ nats }) => `"tls://${nats.address}:${natsPort}"`);
  return [
    `asn: ${topology.asn}`,
    `mode: ${mode}`,
    `networks: [${topology.networks.map((text) => `"${text}"`).join(', ')}]`,
    'blocks: { ipv4: 24, ipv6: 40 }',
    `management: { interface: mgmt, address: ${site.address} }`,
    'wires:',
    ...topology.wires.map(
      (wire) =>
        `  - { name: ${wire.name}, unit: ${wire.unit}, place: link, inside: ${wire.inside}, outside: ${wire.outside}, driver: tc }`,
    ),
    'links:',
    ...topology.providers.map(
      ({ name, asn, capacityBitps, router }) =>
        `  - { name: ${name}, asn: ${asn}, capacity: ${capacityBitps / 1e6}M, attribute: { wire: ${name} }, router: ${router} }`,
    ),
    'routers:',
    ...topology.routers.map(
      ({ name, management }) =>
        `  - { name: ${name}, unit: ${unitOf(name)}, address: ${management}, asn: ${topology.asn}, bgp: ${bgp} }`,
    ),
    'objective: { balance: 1, congestion: 4 }',
    // Something is steered whatever the traffic: one block at another unit than the first, one of IPv6.
    `pins: [${pinned(topology)
      .map(({ block, link }) => `{ block: "${block}", link: ${link} }`)
      .join(', ')}]`,
    `cycle: { interval: ${t.cycleMs}ms, average: ${2 * t.cycleMs}ms }`,
    'time_scale: 100',
    `rails: { dwell: ${t.dwellMs}ms, settle: 3s, hold: 60s, share_per_round: 25%, moves_per_hour: 1000, moves_per_day: 10000 }`,
    'cluster:',
    `  network: lab`,
    `  unit: ${site.unit}`,
    `  units: [${topology.sites.map(({ unit }) => `{ name: ${unit} }`).join(', ')}]`,
    `  servers: [${servers.join(', ')}]`,
    `  nkey: ${files.nkey}`,
    `  tls: { ca: ${files.ca} }`,
    `  replicas: 3`,
    `  lease: ${t.leaseMs}ms`,
    `  silent: ${t.silentMs}ms`,
    `  hold: ${t.holdMs}ms`,
    `control: { socket: ${files.folder}/${site.unit}.sock }`,
    `history: { path: ${files.folder}/${site.unit}.db }`,
    "metrics: { listen: '127.0.0.1:9469' }",
    '',
  ].join('\n');
}
