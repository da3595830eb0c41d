/** Configuration of the content network's BIRD routers. Pure. */
import { head, kernel, session } from '../bird.ts';
import {
  borderEnd,
  destinations,
  largeDestination,
  netAsn,
  netEnd,
  network,
  ourAsn,
  providerEnd,
  providers,
  router,
  upperEnd,
} from './topology.ts';

/** `policy`: what headgate asks of a router. */
export function renderContentBorder(policy: string): string {
  return [
    head(router.address),
    'protocol direct { ipv4; ipv6; }',
    kernel('where source != RTS_DEVICE'),
    `protocol static aggregates { ipv4; route ${network} via "inside"; }`,
    policy,
    ...providers.map(({ name, asn, preference }, i) =>
      session(name, ourAsn, providerEnd(i), asn, () => [
        `import filter { bgp_local_pref = ${preference}; accept; };`,
        `export filter headgate_to_${name};`,
      ]),
    ),
  ].join('\n');
}

export function renderContentProvider(i: number): string {
  const provider = providers[i];
  const asn = provider?.asn ?? 0;
  return [
    head(`10.0.2.${i + 1}`),
    kernel('where source = RTS_BGP'),
    session('customer', asn, borderEnd(i), ourAsn, () => ['import all;', 'export all;']),
    session('foreign', asn, netEnd(i), netAsn, () => ['import all;', 'export all;']),
  ].join('\n');
}

export function renderNet(): string {
  const routes = [...destinations, largeDestination]
    .map((prefix) => `route ${prefix} unreachable;`)
    .join(' ');
  return [
    head('10.0.3.1'),
    `protocol static own { ipv4; ${routes} }`,
    ...providers.map(({ name, asn }, i) =>
      session(name, netAsn, upperEnd(i), asn, () => [
        'import all;',
        'export where source = RTS_STATIC;',
      ]),
    ),
  ].join('\n');
}
