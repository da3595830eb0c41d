import type { SessionConfig } from '../core/bgp/negotiate.ts';
import type { OutboundRails } from '../core/bgp/outbound.ts';
import type { RouterPeering, SpeakerOptions } from './peering.ts';

/** What we bring into a session with a router, with the defaults that `RouterPeering` names. */
export function sessionConfigOf(
  { localAsn, routerId }: SpeakerOptions,
  peering: RouterPeering,
): SessionConfig {
  return {
    localAsn,
    peerAsn: peering.asn,
    routerId,
    holdTimeS: peering.holdTimeS ?? 90,
    isPassive: peering.passive ?? false,
    families: [4, 6],
    addPath: peering.addPath ?? true,
    gracefulRestartS: peering.gracefulRestartS ?? 120,
    staleMaxS: 300,
    ...(peering.role ? { role: peering.role } : {}),
  };
}

export function outboundRailsOf(options: SpeakerOptions): OutboundRails {
  const { localAsn, networks, floor, maxPrefixesAnnounced } = options;
  return {
    asn: localAsn,
    networks,
    floor: floor ?? { ipv4: 24, ipv6: 48 },
    maxPrefixes: maxPrefixesAnnounced ?? 1_000,
  };
}
