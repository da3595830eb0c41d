/** A session as `headgate bgp` and the metrics show it. */
import type { Announcer } from './announcer.ts';
import type { EgressSession } from './egress.ts';
import type { Peer } from './peer.ts';
import type { RouterPeering } from './peering.ts';
import { lastErrorOf, type SessionStatus } from './status.ts';

interface Described {
  readonly peering: RouterPeering;
  readonly peer: Peer;
  readonly announcer: Announcer;
  readonly egress: EgressSession | undefined;
  readonly isSettled: boolean;
  readonly freshSinceMs: number | undefined;
}

export function describeSession(
  { peering, peer, announcer, egress, isSettled, freshSinceMs }: Described,
  pathsReceived: number,
  now: number,
): SessionStatus {
  const freshSince = peer.isAwaitedBack ? now : freshSinceMs;
  return {
    router: peer.name,
    address: peering.address,
    asn: peering.asn,
    phase: peer.phase,
    phaseMs: Math.round(now - peer.phaseSinceMs),
    capabilities: peer.capabilities,
    isSettled,
    ...(freshSince === undefined ? {} : { freshMs: Math.round(now - freshSince) }),
    pathsReceived,
    prefixesAnnounced: announcer.sentCount,
    ...(egress ? { egress: egress.status(now) } : {}),
    counters: peer.counters.toJson(),
    ...lastErrorOf(peer, now),
  };
}
