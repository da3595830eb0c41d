/**
 * The lab's network with three units as one, as values. Pure. Names, addresses and blocks as in `topology.ts`.
 *
 *     src1     src2                   two source networks, each at all four providers; north wins the tie between them
 *      │ … │    │ … │
 *   north   south    coast    hill    four providers, AS 65001 … 65004, each shaped to its link's capacity
 *     │       │        │        │
 *   ╔═╧═══════╧═╗  ╔═══╧═══╗ ╔══╧══╗
 *   ║   west    ║  ║  mid  ║ ║ east║  units: a wire on each link
 *   ╚═╤═══════╤═╝  ╚═══╤═══╝ ╚══╤══╝
 *     └─ br1 ─┘       br2      br3    border routers: FRR (or BIRD), BIRD, BIRD
 *         └──────┬─────┴────────┘
 *              core ── hosts          ten blocks
 *
 * Management, in the bridges of `lan`: each site has its router, its unit and a NATS server at one bridge, and the
 * sites meet at another by their uplinks. An uplink that is down parts one site from the two others; traffic and the
 * sessions between the border routers run inside and do not notice.
 */
import type { LabShape } from './shape.ts';
import {
  type BorderRouter,
  blockCable,
  borderRouter,
  type Cable,
  corePort,
  insidePort,
  layOutBlocks,
  linkCable,
  managementPort,
  ourAsn,
  type Port,
  type Provider,
  type Site,
  sourceNetwork,
  type Topology,
  upstreamCable,
} from './topology.ts';

const units = ['west', 'mid', 'east'] as const;
/** Providers and the number of the router that each is linked to. */
const upstreams = [
  ['north', 1],
  ['south', 1],
  ['coast', 2],
  ['hill', 3],
] as const;

export function layOutUnits(shape: LabShape): Topology {
  const sites = units.map(siteOf);
  const routers = sites.map(({ address }, i) =>
    borderRouter(i + 1, i === 0 ? shape.kind : 'bird', address),
  );
  const sources = [1, 2].map((j) => sourceNetwork(j, 'shortest'));
  const providers = upstreams.map(
    ([name, router], i): Provider => ({
      name,
      asn: 65001 + i,
      index: i + 1,
      router: `br${router}`,
      capacityBitps: shape.capacitiesBitps[i] ?? 0,
      addresses: { provider: `192.0.2.${4 * i + 1}`, border: `192.0.2.${4 * i + 2}` },
    }),
  );
  const blocks = layOutBlocks();
  const wires = providers.map(({ name, router }) => ({
    name,
    unit: sites.find((site) => site.router === router)?.unit ?? '',
    inside: `${name}in`,
    outside: `${name}out`,
  }));
  return {
    shape,
    asn: ourAsn,
    networks: ['198.18.0.0/21', '2001:db8::/39'],
    nodes: [
      ...[...sources, ...providers, ...routers].map(({ name }) => name),
      ...sites.flatMap(({ unit, nats }) => [unit, nats.node]),
      'lan',
      'core',
      'hosts',
    ],
    cables: [
      ...sources.flatMap((source, j) => providers.map((p, i) => upstreamCable(source, j, p, i))),
      ...providers.flatMap((provider, i) => {
        const wire = wires[i];
        return linkCable(provider, i, wire && { node: wire.unit, ...wire });
      }),
      ...routers.map((router, k): Cable => ({ ends: [insidePort(router, k), lan(`i${k + 1}`)] })),
      { ends: [lan('iup'), corePort] },
      ...sites.flatMap((site, k) => siteCables(site, routers[k], k + 1)),
      ...blocks.map(blockCable),
    ],
    bridges: [
      { node: 'lan', name: 'inside', ports: ['i1', 'i2', 'i3', 'iup'] },
      ...sites.map(({ uplink }, k) => ({
        node: 'lan',
        name: `site${k + 1}`,
        ports: [`m${k + 1}`, `u${k + 1}`, `n${k + 1}`, uplink],
      })),
      { node: 'lan', name: 'backbone', ports: sites.map((_, k) => `x${k + 1}`) },
    ],
    sources,
    providers,
    routers,
    blocks,
    wires,
    core: ['10.0.0.10', 'fd00:0:0:1::10'],
    unit: sites[0]?.address ?? '',
    sites,
  };
}

function siteOf(unit: string, i: number): Site {
  const k = i + 1;
  return {
    unit,
    address: `10.0.9.${10 + k}`,
    router: `br${k}`,
    nats: { node: `nats${k}`, address: `10.0.9.${20 + k}` },
    uplink: `s${k}`,
  };
}

const lan = (name: string): Port => ({ node: 'lan', name, addresses: [] });

function siteCables(site: Site, router: BorderRouter | undefined, k: number): Cable[] {
  const management = (node: string, address: string): Port => ({
    node,
    name: 'mgmt',
    addresses: [`${address}/24`],
  });
  return [
    ...(router ? [{ ends: [managementPort(router), lan(`m${k}`)] } as const] : []),
    { ends: [management(site.unit, site.address), lan(`u${k}`)] },
    { ends: [management(site.nats.node, site.nats.address), lan(`n${k}`)] },
    { ends: [lan(site.uplink), lan(`x${k}`)] },
  ];
}
