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
