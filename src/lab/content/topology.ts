/**
 * A content network: much goes out, and the provider that BGP prefers is too small for it at the peak.
 *
 *                     net (AS 65200): 200 prefixes, all heard from each provider
 *                 │            │            │
 *            north 65001   south 65002   east 65003        providers; the shapers stand at the border router
 *                 │            │            │
 *                 └─────── br1 (AS 64512) ──┘── mgmt ──┐   local preference: north 200, south 150, east 120
 *                            │ inside                  │
 *                           cout                      mgmt   unit: one wire, and iBGP with br1
 *                           cin
 *                            │
 *                          hosts
 *
 * IPv4 alone: what is tried here is the decision and its way to the router, which know no family.
 */
import type { Cable, Port } from '../topology.ts';

export interface ContentProvider {
  readonly name: string;
  readonly asn: number;
  readonly capacityBitps: number;
  readonly preference: number;
}

/** What runs on the border router. */
export type RouterKind = 'bird' | 'frr';

export const ourAsn = 64512;
export const netAsn = 65200;
export const network = '198.18.0.0/24';
export const unit = { address: '10.0.9.10', egress: '10.0.9.11' } as const;
export const router = { name: 'br1', address: '10.0.9.1', inside: '198.18.0.1' } as const;
export const host = '198.18.0.10';

export const providers: readonly ContentProvider[] = [
  { name: 'north', asn: 65001, capacityBitps: 10_000_000, preference: 200 },
  { name: 'south', asn: 65002, capacityBitps: 16_000_000, preference: 150 },
  { name: 'east', asn: 65003, capacityBitps: 16_000_000, preference: 120 },
];

export const destinationCount = 200;
export const destinations: readonly string[] = Array.from(
  { length: destinationCount },
  (_, n) => `10.200.${n}.0/24`,
);
export const destinationHosts: readonly string[] = destinations.map((prefix) =>
  prefix.replace('.0/24', '.1'),
);

/** One that is heard from each provider too: with a host in each of its quarters it can be too large for any of them. */
export const largeDestination = '10.201.0.0/22';
export const largeHosts: readonly string[] = [0, 1, 2, 3].map((n) => `10.201.${n}.1`);

export const nodes = ['hosts', 'unit', 'br1', 'north', 'south', 'east', 'net'] as const;
export type ContentNode = (typeof nodes)[number];

/** The unit's address that a probe of a provider's link leaves with. */
export const probeSource = (i: number): string => `198.18.0.${101 + i}`;
export const borderEnd = (i: number): string => `192.0.2.${4 * i + 2}`;
export const providerEnd = (i: number): string => `192.0.2.${4 * i + 1}`;
export const upperEnd = (i: number): string => `10.1.${i}.1`;
export const netEnd = (i: number): string => `10.1.${i}.2`;

const port = (node: ContentNode, name: string, ...addresses: readonly string[]): Port => ({
  node,
  name,
  addresses,
});

export const cables: readonly Cable[] = [
  { ends: [port('hosts', 'up', `${host}/24`), port('unit', 'cin')] },
  { ends: [port('unit', 'cout'), port('br1', 'inside', `${router.inside}/24`)] },
  {
    ends: [
      port('unit', 'mgmt', `${unit.address}/24`, `${unit.egress}/24`),
      port('br1', 'mgmt', `${router.address}/24`),
    ],
  },
  ...providers.flatMap(({ name }, i): Cable[] => [
    {
      ends: [
        port('br1', name, `${borderEnd(i)}/30`),
        // A cast: the names of the providers are among the nodes.
        port(name as ContentNode, 'customer', `${providerEnd(i)}/30`),
      ],
    },
    {
      ends: [
        port(name as ContentNode, 'net', `${upperEnd(i)}/30`),
        port('net', name, `${netEnd(i)}/30`),
      ],
    },
  ]),
];

/** By destination, shares of the demand: no two neighbours alike, the heaviest 17 times the lightest. */
export function demand(totalBitps: number): readonly number[] {
  const weights = destinations.map((_, n) => (n % 17) + 1);
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => (totalBitps * weight) / sum);
}
