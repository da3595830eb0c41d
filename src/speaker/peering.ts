import type { Duplex } from 'node:stream';
import type { Prefix } from '../core/base/prefix.ts';
import type { Asn, RouterId } from '../core/base/units.ts';
import type { PathAttributes } from '../core/wire/bgp/attributes.ts';
import type { MrtEnds } from '../core/wire/mrt/decode.ts';

/** One border router that we peer with. Defaults in brackets. */
export interface RouterPeering {
  readonly name: RouterId;
  /** Address of the router's BGP speaker, IPv4 or IPv6. */
  readonly address: string;
  /** TCP port [179]. */
  readonly port?: number;
  /** Our end [the system's choice]. */
  readonly localAddress?: string;
  /** Equal to ours: iBGP. */
  readonly asn: Asn;
  /** TCP MD5 signature key (RFC 2385). */
  readonly md5?: string;
  /** GTSM (RFC 5082): the router is at most this many hops away, 1 for a shared segment. */
  readonly ttlSecurityHops?: number;
  /** Wait for the router to connect [false]. */
  readonly passive?: boolean;
  /** Seconds, 0 or 3 to 65535 (RFC 4271 section 4.2) [90]. */
  readonly holdTimeS?: number;
  /** Receive and send several paths per prefix (RFC 7911) [true]. */
  readonly addPath?: boolean;
  /** Seconds that the router keeps our routes when our process dies (RFC 4724), 0 turns it off [120]. */
  readonly gracefulRestartS?: number;
  /**
   * Our end of a second session, for detours alone: another address than `localAddress`, since routers tell
   * sessions apart by it [no detours]. iBGP only.
   */
  readonly egressAddress?: string;
  /** Our role towards the neighbour (RFC 9234), for eBGP. */
  readonly role?: 'provider' | 'rs' | 'rs_client' | 'customer' | 'peer';
  /** Next hops for blocks of a router that does not tell its own. */
  readonly nextHop?: { readonly ipv4?: string; readonly ipv6?: string };
  /** Milliseconds after which we announce although the router sent no End-of-RIB [10,000]. */
  readonly announceDelayMs?: number;
  /** Least time between two announcements of the same prefix (RFC 4271 section 9.2.1.1) [5,000 iBGP, 30,000 eBGP]. */
  readonly mraiMs?: number;
  /** The session is reset when the router sends more paths [2,500,000]. */
  readonly maxPrefixesReceived?: number;
}

export interface SpeakerOptions {
  readonly routers: readonly RouterPeering[];
  readonly localAsn: Asn;
  /** BGP identifier, dotted decimal. */
  readonly routerId: string;
  /** Our own address space: nothing outside it ever leaves, whatever is desired. */
  readonly networks: readonly Prefix[];
  /** The longest prefixes that may leave [24 and 48]. */
  readonly floor?: { readonly ipv4: number; readonly ipv6: number };
  /** The most prefixes that may be announced to one router [1,000]. */
  readonly maxPrefixesAnnounced?: number;
  /** The most detours that may be told to one router [10,000]. */
  readonly maxDetours?: number;
  /** Where routers may connect to us [nowhere]. */
  readonly listen?: { readonly address: string; readonly port: number };
  /** Routes with AS_SET are kept instead of treated as withdrawn (RFC 9774) [false]. */
  readonly acceptAsSets?: boolean;
  readonly clock?: Clock;
  /** In [0, 1): spreads timers [Math.random]. */
  readonly random?: () => number;
  readonly log: SpeakerLog;
  /** What routers tell by BMP: there detours need no add-path. */
  readonly monitor?: PathMonitor;
  /** Told of everything that the routers send, and of the sessions' states: for a dump. */
  readonly dump?: { message(heard: HeardMessage): void; state(heard: HeardState): void };
  /** Makes connected sockets [plain TCP]. Needed for `md5` and `ttlSecurityHops`. */
  readonly openSocket?: OpenSocket;
  /** Opens the listening socket [plain TCP]: for `md5` and `ttlSecurityHops` of passive sessions. */
  readonly openListener?: OpenListener;
}

/** A path that a router took from a neighbour of another network and kept. */
export interface KeptPath {
  readonly nextHop: string;
  readonly attributes: PathAttributes;
}

/** Stands in for add-path: all that a router kept, whichever of its paths is the best. */
export interface PathMonitor {
  tellsKept(router: RouterId): boolean;
  kept(router: RouterId, prefix: Prefix): readonly KeptPath[];
  onChange(listener: (router: RouterId) => void): void;
}

/** A whole message as a router sent it; `bytes` holds for the time of the call. */
export interface HeardMessage {
  readonly ends: MrtEnds;
  readonly bytes: Uint8Array;
  /** Its prefixes have path identifiers (RFC 7911). */
  readonly hasPathIds: boolean;
}

/** A change of a session's state, by the numbers of RFC 6396 section 4.4.1 (Idle is 1). */
export interface HeardState {
  readonly ends: MrtEnds;
  readonly from: number;
  readonly to: number;
}

/** Time as a parameter, so that tests turn the hands. */
export interface Clock {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Calls once after a delay; gives the way to cancel. */
  readonly after: (delayMs: number, call: () => void) => () => void;
}

/** The part of a pino logger that is used here. */
export interface SpeakerLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface SocketRequest {
  readonly address: string;
  readonly port: number;
  readonly localAddress?: string;
  readonly md5?: string;
  readonly ttlSecurityHops?: number;
  readonly timeoutMs: number;
}

/** Resolves when connected; rejects with an Error whose message says why not. */
export type OpenSocket = (request: SocketRequest) => Promise<Duplex>;

export interface ListenRequest {
  readonly address: string;
  readonly port: number;
  /** Who may connect, with what each one's connection needs. */
  readonly peers: ReadonlyArray<{
    readonly address: string;
    readonly md5?: string;
    readonly ttlSecurityHops?: number;
  }>;
  readonly accept: (
    socket: Duplex,
    remoteAddress: string,
    localAddress: string | undefined,
  ) => void;
}

export type OpenListener = (request: ListenRequest) => Promise<{ close(): Promise<void> }>;
