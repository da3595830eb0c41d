import { loadSettings, type Settings } from '../../src/core/settings/index.ts';

/** Settings from text that is known to be right; the first mistake fails the test. */
export function settingsOf(text: string): Settings {
  const loaded = loadSettings(text, 'test.yaml');
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  return loaded.value;
}

/** Two links of 100 Mbit/s at one router, each with a wire of its own, and two blocks. */
export const twoLinks = `
asn: 64512
mode: control
networks: [198.51.100.0/23]
blocks: { ipv4: 24 }
management: { router_id: 10.0.0.9 }
wires:
  - { name: n, place: link, inside: eth1, outside: eth2 }
  - { name: s, place: link, inside: eth3, outside: eth4 }
links:
  - { name: north, asn: 65001, capacity: 100M, attribute: { wire: n }, router: br1 }
  - { name: south, asn: 65002, capacity: 100M, attribute: { wire: s }, router: br1 }
routers: [{ name: br1, address: 10.0.0.1, bgp: {} }]
`;

/** Three units, each with a router of its own; west has two of the four links. */
export const threeUnits = `
asn: 64512
mode: control
networks: [198.51.100.0/22]
blocks: { ipv4: 24 }
management: { router_id: 10.0.0.9 }
wires: [{ name: w, unit: west, place: inside, inside: eth1, outside: eth2 }]
links:
  - { name: l1, asn: 65001, capacity: 100M, attribute: { wire: w, mac: "02:00:00:00:00:01" }, router: br1 }
  - { name: l2, asn: 65002, capacity: 100M, attribute: { wire: w, mac: "02:00:00:00:00:02" }, router: br1 }
  - { name: l3, asn: 65003, capacity: 100M, router: br2 }
  - { name: l4, asn: 65004, capacity: 100M, router: br3 }
routers:
  - { name: br1, unit: west, address: 10.0.0.1, bgp: {} }
  - { name: br2, unit: mid, address: 10.0.0.2, bgp: {} }
  - { name: br3, unit: east, address: 10.0.0.3, bgp: {} }
cluster: { network: lab, unit: west, units: [{ name: west }, { name: mid }, { name: east }], servers: ["nats://127.0.0.1:4222"] }
`;

/** A Linux router without marks, on which the heaviest sessions are routed one by one. */
export const sessionsByRules = `
asn: 64512
mode: control
networks: [198.51.100.0/24]
management: { address: 10.0.0.9 }
wires: [{ name: core, place: inside, inside: eth1, outside: eth2 }]
links:
  - { name: north, asn: 65001, capacity: 100M, router: br1, neighbor: 192.0.2.1 }
  - { name: south, asn: 65002, capacity: 100M, router: br1, neighbor: 192.0.2.5 }
routers:
  - { name: br1, address: 10.0.0.1, bgp: {}, driver: { kind: linux, outbound: sessions, sessions: 4 } }
outbound: { threshold: 90%, target: 80%, release: 70% }
`;
