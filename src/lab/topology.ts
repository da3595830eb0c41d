/**
 * The lab's network, as values: who exists, how they are cabled, what they are called. Pure.
 *
 *     src1      src2      src3      src4          four source networks: an AS each, router and sending host in one
 *      │ │       │ │       │ │       │ │          src3 hears of us from south one AS longer: moves at two prepends
 *      └─┼──┬────┼─┼──┬────┼─┼──┬────┘ │          src4 prefers north by local preference: prepends never move it
 *        └──┼─┬──┘ └──┼─┬──┘ └──┼─┬────┘
 *         north (AS 65001)    south (AS 65002)    two providers; a TBF on `customer` is the link's capacity
 *           │ customer          │ customer
 *
 * place `link`, one border router:                place `inside`, two border routers told apart by MAC:
 *
 *       north     south                                 north     south
 *         │         │                                     │         │
 *     ┌─ nout ─── sout ─┐  unit: two wires               br1       br2──┐ mgmt
 *     │  nin       sin  │                                 └── lan ──┘   ├───── unit
 *     └───┼─────────┼─ mgmt ┐                                  │        │
 *       north     south     │ iBGP                       ┌── cout ── mgmt ┐
 *         └── br1 ── mgmt ──┘                            │   cin          │  unit: one wire
 *              │ inside                                  └────┼───────────┘
 *              │                                              │
 *            core (AS 64512's inside router, the next hop of every block)
 *         b0 │ … │ b9
 *            hosts (one interface per block)
 *
 * With one router at place `inside` the bridge `lan` is left out: br1 is cabled to the wire and to the management.
 *
 * place `beside`: as `inside`, with a plain cable where the wire is; each border router runs an SNMP agent and exports
 * the flows of its link to the unit. Two routers, since the exporters of one would share an address.
 */
import type { LabShape, Place } from './shape.ts';

/** One end of a cable: a port of a node, with its addresses in CIDR notation. */
export interface Port {
  readonly node: string;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly mac?: string;
}

export interface Cable {
  readonly ends: readonly [Port, Port];
}

export interface SourceNetwork {
  readonly name: string;
  readonly asn: number;
  readonly prefixes: readonly [string, string];
  /** The sending host's addresses, IPv4 and IPv6. */
  readonly hosts: readonly [string, string];
  /** How it chooses between the providers when it is left alone. */
  readonly leaning: 'shortest' | 'south_longer' | 'north_preferred';
}

export interface Provider {
  readonly name: string;
  readonly asn: number;
  /** The link's number in steering communities. */
  readonly index: number;
  readonly router: string;
  readonly capacityBitps: number;
  /** Provider's and border router's end of the link. */
  readonly addresses: { readonly provider: string; readonly border: string };
}

export interface BorderRouter {
  readonly name: string;
  /** On the management network, where the unit's iBGP session ends. */
  readonly management: string;
  readonly inside: string;
  readonly insideMac: string;
  /** What runs on it. */
  readonly kind: LabShape['kind'];
  /** Where the unit is that it has a session with. */
  readonly unit: string;
}

export interface LabBlock {
  readonly prefix: string;
  readonly host: string;
  /** The port of `core` that leads to it: its counters are the block's. */
  readonly port: string;
}

export interface LabWire {
  readonly name: string;
  /** The node that it is in. */
  readonly unit: string;
  readonly inside: string;
  readonly outside: string;
}

export interface Topology {
  readonly shape: LabShape;
  readonly asn: number;
  readonly networks: readonly string[];
  readonly nodes: readonly string[];
  readonly cables: readonly Cable[];
  readonly bridges: ReadonlyArray<{
    readonly node: string;
    readonly name: string;
    readonly ports: readonly string[];
  }>;
  readonly sources: readonly SourceNetwork[];
  readonly providers: readonly Provider[];
  readonly routers: readonly BorderRouter[];
  readonly blocks: readonly LabBlock[];
  readonly wires: readonly LabWire[];
  /** The inside next hop of every block, IPv4 and IPv6. */
  readonly core: readonly [string, string];
  /** Of the unit, or of the first of several. */
  readonly unit: string;
  /** Several units: each with its own; none where there is but one. */
  readonly sites: readonly Site[];
}

/** Where one of several units stands: beside its border router, with a NATS server. All three share a management network. */
export interface Site {
  readonly unit: string;
  readonly address: string;
  readonly router: string;
  readonly nats: { readonly node: string; readonly address: string };
  /** The port of `lan` that leads to the other sites' management: down, the site is cut off. */
  readonly uplink: string;
}

export const ourAsn = 64512;
const ipv4Blocks = 8;
const ipv6Blocks = 2;
const unitAddress = '10.0.9.10';

export function layOut(shape: LabShape): Topology {
  const routers = Array.from({ length: shape.routers }, (_, i) =>
    borderRouter(i + 1, shape.kind, unitAddress),
  );
  const sources = (['shortest', 'shortest', 'south_longer', 'north_preferred'] as const).map(
    (leaning, i) => sourceNetwork(i + 1, leaning),
  );
  const providers = (['north', 'south'] as const).map((name, i) => ({
    name,
    asn: 65001 + i,
    index: i + 1,
    router: routers[i]?.name ?? 'br1',
    capacityBitps: shape.capacitiesBitps[i] ?? 0,
    addresses: { provider: `192.0.2.${4 * i + 1}`, border: `192.0.2.${4 * i + 2}` },
  }));
  const blocks = layOutBlocks();
  const hasLan = shape.routers === 2;
  return {
    shape,
    asn: ourAsn,
    networks: ['198.18.0.0/21', '2001:db8::/39'],
    nodes: [
      ...sources.map((s) => s.name),
      ...providers.map((p) => p.name),
      ...routers.map((r) => r.name),
      ...(hasLan ? ['lan'] : []),
      'unit',
      'core',
      'hosts',
    ],
    cables: [
      ...sources.flatMap((source, j) => providers.map((p, i) => upstreamCable(source, j, p, i))),
      ...providers.flatMap((provider, i) => linkCables(shape.place, provider, i)),
      ...insideCables(shape, routers),
      ...blocks.map(blockCable),
    ],
    bridges: hasLan
      ? [
          { node: 'lan', name: 'inside', ports: ['i1', 'i2', 'iup'] },
          { node: 'lan', name: 'mgmt', ports: ['m1', 'm2', 'mup'] },
        ]
      : [],
    sources,
    providers,
    routers,
    blocks,
    wires: layOutWires(shape.place, providers),
    core: ['10.0.0.10', 'fd00:0:0:1::10'],
    unit: unitAddress,
    sites: [],
  };
}

function layOutWires(place: Place, providers: readonly Provider[]): LabWire[] {
  if (place === 'beside') return [];
  if (place === 'inside') return [{ name: 'core', unit: 'unit', inside: 'cin', outside: 'cout' }];
  return providers.map(({ name }) => ({
    name,
    unit: 'unit',
    inside: `${name.charAt(0)}in`,
    outside: `${name.charAt(0)}out`,
  }));
}

export function sourceNetwork(j: number, leaning: SourceNetwork['leaning']): SourceNetwork {
  return {
    name: `src${j}`,
    asn: 65100 + j,
    prefixes: [`10.${100 + j}.0.0/24`, `2001:db8:f00${j}::/48`],
    hosts: [`10.${100 + j}.0.1`, `2001:db8:f00${j}::1`],
    leaning,
  };
}

export function borderRouter(k: number, kind: LabShape['kind'], unit: string): BorderRouter {
  return {
    name: `br${k}`,
    management: `10.0.9.${k}`,
    inside: `10.0.0.${k}`,
    insideMac: `02:00:00:00:0${k}:01`,
    kind,
    unit,
  };
}

export function layOutBlocks(): LabBlock[] {
  const four = Array.from({ length: ipv4Blocks }, (_, n) => ({
    prefix: `198.18.${n}.0/24`,
    host: `198.18.${n}.10`,
    port: `b${n}`,
  }));
  const six = Array.from({ length: ipv6Blocks }, (_, n) => {
    const net = n === 0 ? '2001:db8:' : `2001:db8:${n}00:`;
    return { prefix: `${net}:/40`, host: `${net}:10`, port: `b${ipv4Blocks + n}` };
  });
  return [...four, ...six];
}

export function upstreamCable(
  source: SourceNetwork,
  j: number,
  provider: Provider,
  i: number,
): Cable {
  const [net4, net6] = [`10.1${i + 1}.${j + 1}`, `fd00:0:1${i + 1}:${j + 1}:`];
  return {
    ends: [
      { node: source.name, name: provider.name, addresses: [`${net4}.2/30`, `${net6}:2/64`] },
      { node: provider.name, name: source.name, addresses: [`${net4}.1/30`, `${net6}:1/64`] },
    ],
  };
}

/** The circuit to a provider, cut in two by the unit's wire where the wire sits on it. */
function linkCables(place: Place, provider: Provider, i: number): Cable[] {
  const wire = provider.name.charAt(0);
  const through =
    place === 'link' ? { node: 'unit', outside: `${wire}out`, inside: `${wire}in` } : undefined;
  return linkCable(provider, i, through);
}

/** `through`: the ports of the unit's wire on it. */
export function linkCable(
  provider: Provider,
  i: number,
  through: { readonly node: string; readonly outside: string; readonly inside: string } | undefined,
): Cable[] {
  const net6 = `fd00:0:2:${i + 1}:`;
  const far: Port = {
    node: provider.name,
    name: 'customer',
    addresses: [`${provider.addresses.provider}/30`, `${net6}:1/64`],
  };
  const near: Port = {
    node: provider.router,
    name: provider.name,
    addresses: [`${provider.addresses.border}/30`, `${net6}:2/64`],
  };
  if (!through) return [{ ends: [far, near] }];
  const { node, outside, inside } = through;
  return [
    { ends: [far, { node, name: outside, addresses: [] }] },
    { ends: [{ node, name: inside, addresses: [] }, near] },
  ];
}

export const corePort: Port = {
  node: 'core',
  name: 'border',
  addresses: ['10.0.0.10/24', 'fd00:0:0:1::10/64'],
  mac: '02:00:00:00:00:0a',
};

export const insidePort = (router: BorderRouter, k: number): Port => ({
  node: router.name,
  name: 'inside',
  addresses: [`${router.inside}/24`, `fd00:0:0:1::${k + 1}/64`],
  mac: router.insideMac,
});

export const managementPort = (router: BorderRouter): Port => ({
  node: router.name,
  name: 'mgmt',
  addresses: [`${router.management}/24`],
});

function insideCables(shape: LabShape, routers: readonly BorderRouter[]): Cable[] {
  const core = corePort;
  const unit: Port = { node: 'unit', name: 'mgmt', addresses: [`${unitAddress}/24`] };
  const wireOutside: Port = { node: 'unit', name: 'cout', addresses: [] };
  const wireInside: Port = { node: 'unit', name: 'cin', addresses: [] };
  const [inside, management] = [insidePort, managementPort];
  const isInside = shape.place === 'inside';
  const throughWire: Cable[] = isInside ? [{ ends: [wireInside, core] }] : [];
  if (shape.routers === 1) {
    return routers.flatMap((router, k) => [
      { ends: [inside(router, k), isInside ? wireOutside : core] } as const,
      { ends: [management(router), unit] } as const,
      ...throughWire,
    ]);
  }
  const lan = (name: string): Port => ({ node: 'lan', name, addresses: [] });
  return [
    ...routers.flatMap((router, k): Cable[] => [
      { ends: [inside(router, k), lan(`i${k + 1}`)] },
      { ends: [management(router), lan(`m${k + 1}`)] },
    ]),
    { ends: [lan('iup'), isInside ? wireOutside : core] },
    { ends: [lan('mup'), unit] },
    ...throughWire,
  ];
}

export function blockCable(block: LabBlock): Cable {
  const [gateway, length] = [block.host.replace(/10$/, '1'), block.prefix.split('/')[1]];
  return {
    ends: [
      { node: 'core', name: block.port, addresses: [`${gateway}/${length}`] },
      { node: 'hosts', name: block.port, addresses: [`${block.host}/${length}`] },
    ],
  };
}
