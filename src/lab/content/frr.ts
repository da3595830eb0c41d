/** Configuration of the content network's border router where it is FRR. Pure. */
import type { FrrDaemon } from '../frr.ts';
import { network, ourAsn, providerEnd, providers, router } from './topology.ts';

/** `policy`: what headgate asks of a router. */
export function renderContentFrr(policy: string): Readonly<Record<FrrDaemon, string>> {
  const common = ['frr defaults datacenter', `hostname ${router.name}`, 'log file frr.log', ''];
  const neighbors = providers.map((provider, i) => ({ ...provider, address: providerEnd(i) }));
  const bgp = [
    ...neighbors.flatMap(({ name, preference }) => [
      `route-map LAB-FROM-${name} permit 10`,
      ` set local-preference ${preference}`,
      'exit',
    ]),
    `router bgp ${ourAsn}`,
    ` bgp router-id ${router.address}`,
    ' no bgp default ipv4-unicast',
    ...neighbors.flatMap(({ address, asn }) => [
      ` neighbor ${address} remote-as ${asn}`,
      ` neighbor ${address} timers 10 30`,
      ` neighbor ${address} timers connect 2`,
      ` neighbor ${address} advertisement-interval 0`,
    ]),
    ' address-family ipv4 unicast',
    `  network ${network}`,
    ...neighbors.flatMap(({ name, address }) => [
      `  neighbor ${address} activate`,
      `  neighbor ${address} route-map LAB-FROM-${name} in`,
      `  neighbor ${address} route-map HEADGATE-TO-${name} out`,
    ]),
    ' exit-address-family',
    'exit',
    '',
  ];
  return {
    zebra: common.join('\n'),
    staticd: common.join('\n'),
    bgpd: [...common, ...bgp, policy].join('\n'),
  };
}
