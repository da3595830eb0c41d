import type { Negotiated } from '../core/bgp/negotiate.ts';
import type { SessionPhase } from '../core/bgp/session.ts';
import type { RouterPeering, SpeakerOptions } from './peering.ts';

/** RFC 6396 section 4.4.1. */
const stateNumbers: Readonly<Record<SessionPhase, number>> = {
  idle: 1,
  connect: 2,
  active: 3,
  open_sent: 4,
  open_confirm: 5,
  established: 6,
};

/** What one session tells the dump, if there is one. */
export function dumpOf(
  { dump, localAsn }: Pick<SpeakerOptions, 'dump' | 'localAsn'>,
  { address, asn, localAddress }: RouterPeering,
): {
  readonly message: (bytes: Uint8Array, agreed: Negotiated | undefined) => void;
  readonly state: (phase: SessionPhase) => void;
} {
  if (!dump) return { message: () => {}, state: () => {} };
  const unknown = address.includes(':') ? '::' : '0.0.0.0';
  const ends = {
    peerAsn: asn,
    localAsn,
    peerAddress: address,
    localAddress: localAddress ?? unknown,
  };
  let from = stateNumbers.idle;
  return {
    message: (bytes, agreed) => {
      const hasPathIds = agreed?.addPathReceive[4] === true || agreed?.addPathReceive[6] === true;
      dump.message({ ends, bytes, hasPathIds });
    },
    state: (phase) => {
      const to = stateNumbers[phase];
      dump.state({ ends, from, to });
      from = to;
    },
  };
}
