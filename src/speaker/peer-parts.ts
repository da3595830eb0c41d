import type { Negotiated, SessionConfig } from '../core/bgp/negotiate.ts';
import type { AdjRibIn } from '../core/bgp/rib/adj-rib-in.ts';
import type { RouteListener } from '../core/bgp/rib/intake.ts';
import type { SessionPhase } from '../core/bgp/session.ts';
import type { UnicastFamily } from '../core/wire/bgp/codes.ts';
import type { Clock, OpenSocket, RouterPeering, SpeakerLog } from './peering.ts';
import type { Turns } from './turns.ts';

/** What a session reports to the speaker. */
export interface PeerEvents {
  readonly phaseChanged: (phase: SessionPhase, reason: string) => void;
  readonly established: (agreed: Negotiated) => void;
  readonly down: (reason: string) => void;
  readonly endOfRib: (family: UnicastFamily) => void;
  readonly refreshWanted: (family: UnicastFamily) => void;
  /** A whole message as received, before it is decoded: for a dump. */
  readonly received: (message: Uint8Array) => void;
  readonly routeChanged: RouteListener;
}

export interface PeerParts {
  readonly peering: RouterPeering;
  readonly config: SessionConfig;
  readonly rib: AdjRibIn;
  readonly clock: Clock;
  readonly log: SpeakerLog;
  readonly openSocket: OpenSocket;
  readonly turns: Turns;
  readonly random: () => number;
  readonly acceptAsSets: boolean;
  readonly events: PeerEvents;
  readonly isRestarting: () => boolean;
  /** What the router tells is counted and not kept: a session on which we only announce [false]. */
  readonly ignoresRoutes?: boolean;
}
