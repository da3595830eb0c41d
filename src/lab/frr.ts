/** Configuration of the lab's FRR border routers, one file per daemon, rendered from the topology. Pure. */
import type { BorderRouter, Topology } from './topology.ts';

/** The daemons that a border router runs, in the order of their start. */
export const frrDaemons = ['zebra', 'staticd', 'bgpd'] as const;
export type FrrDaemon = (typeof frrDaemons)[number];

const families = [4, 6] as const;

/** `policy` is what headgate asks of a router: the route map `HEADGATE-TO-LINK` of each link, and the unit's session. */
export function renderFrrBorder(
  topology: Topology,
  router: BorderRouter,
  policy: string,
): Readonly<Record<FrrDaemon, string>> {
  const common = ['frr defaults datacenter', `hostname ${router.name}`, 'log file frr.log', ''];
  return {
    zebra: common.join('\n'),
    staticd: [...common, ...staticRoutes(topology), ''].join('\n'),
    bgpd: [...common, ...bgp(topology, router), policy].join('\n'),
  };
}

/** The aggregates and every block's own inside route, as the inside protocol of a real network would have them. */
function staticRoutes(topology: Topology): string[] {
  const prefixes = [...topology.networks, ...topology.blocks.map((block) => block.prefix)];
  return prefixes.map((prefix) =>
    prefix.includes(':')
      ? `ipv6 route ${prefix} ${topology.core[1]}`
      : `ip route ${prefix} ${topology.core[0]}`,
  );
}

function bgp(topology: Topology, router: BorderRouter): string[] {
  const providers = topology.providers.filter((provider) => provider.router === router.name);
  const others = topology.routers.filter((other) => other !== router);
  const neighbors = [
    ...providers.map((p) => ({
      address: p.addresses.provider,
      asn: p.asn,
      lines: ['route-map LAB-FOREIGN in', `route-map HEADGATE-TO-${p.name} out`],
    })),
    ...others.map((other) => ({
      address: other.inside,
      asn: topology.asn,
      lines: ['next-hop-self'],
    })),
  ];
  return [
    ...families.flatMap((family) => [
      ...topology.networks
        .filter((network) => network.includes(':') === (family === 6))
        .map(
          (n) =>
            `${family === 4 ? 'ip' : 'ipv6'} prefix-list LAB-OURS permit ${n} le ${family === 4 ? 32 : 128}`,
        ),
      `route-map LAB-FOREIGN deny ${family}`,
      ` match ${family === 4 ? 'ip' : 'ipv6'} address prefix-list LAB-OURS`,
      'exit',
    ]),
    'route-map LAB-FOREIGN permit 10',
    'exit',
    `router bgp ${topology.asn}`,
    ` bgp router-id ${router.management}`,
    ' no bgp default ipv4-unicast',
    // Else the session that came up first wins a tie, and each lab would begin elsewhere.
    ' bgp bestpath compare-routerid',
    ...neighbors.flatMap(({ address, asn }) => [
      ` neighbor ${address} remote-as ${asn}`,
      // Short timers: a session must be back within seconds of the unit's restart.
      ` neighbor ${address} timers 10 30`,
      ` neighbor ${address} timers connect 2`,
      ` neighbor ${address} advertisement-interval 0`,
    ]),
    ...families.flatMap((family) => [
      ` address-family ipv${family} unicast`,
      '  redistribute static',
      ...neighbors.flatMap(({ address, lines }) => [
        `  neighbor ${address} activate`,
        ...lines.map((line) => `  neighbor ${address} ${line}`),
      ]),
      ' exit-address-family',
    ]),
    'exit',
    '',
  ];
}
