/**
 * The BGP speaker: holds a session with every border router, keeps what they hear equal to one desired
 * state, and tells what they say. The decisions are in core/bgp; here are sockets, timers and counters.
 */
import type { Duplex } from 'node:stream';
import type { Prefix } from '../core/base/prefix.ts';
import type { Asn, PrefixText, RouterId } from '../core/base/units.ts';
import type { Announcement, Desired } from '../core/bgp/announcement.ts';

export type { Announcement, Desired } from '../core/bgp/announcement.ts';

/** One border router that we peer with. */
export interface RouterPeering {
  readonly name: RouterId;
  /** Address of the router's BGP speaker, IPv4 or IPv6. */
  readonly address: string;
  /** TCP port, 179 unless set. */
  readonly port?: number;
  /** Our end; the system's choice unless set. */
  readonly localAddress?: string;
  /** Equal to ours: iBGP. */
  readonly asn: Asn;
  /** TCP MD5 signature key (RFC 2385). */
  readonly md5?: string;
  /** GTSM (RFC 5082): the router is at most this many hops away, 1 for a shared segment. */
  readonly ttlSecurityHops?: number;
  /** Wait for the router to connect. */
  readonly passive?: boolean;
  /** Seconds, 0 or 3 to 65535 (RFC 4271 section 4.2); 90 unless set. */
  readonly holdTimeS?: number;
  /** Receive and send several paths per prefix (RFC 7911); true unless set. */
  readonly addPath?: boolean;
  /** Seconds that the router keeps our routes when our process dies (RFC 4724); 120 unless set, 0 turns it off. */
  readonly gracefulRestartS?: number;
  /** Our role towards the neighbour (RFC 9234), for eBGP. */
  readonly role?: 'provider' | 'rs' | 'rs_client' | 'customer' | 'peer';
  /** Next hops for blocks of a router that does not tell its own. */
  readonly nextHop?: { readonly ipv4?: string; readonly ipv6?: string };
  /** Milliseconds after which we announce although the router sent no End-of-RIB; 10,000 unless set. */
  readonly announceDelayMs?: number;
  /** Least time between two announcements of the same prefix (RFC 4271 section 9.2.1.1); 5,000 iBGP, 30,000 eBGP. */
  readonly mraiMs?: number;
  /** The session is reset when the router sends more; 2,500,000 unless set. */
  readonly maxPrefixesReceived?: number;
}

export interface SpeakerOptions {
  readonly routers: readonly RouterPeering[];
  readonly localAsn: Asn;
  /** BGP identifier, dotted decimal. */
  readonly routerId: string;
  /** Our own address space: nothing outside it ever leaves, whatever is desired. */
  readonly networks: readonly Prefix[];
  /** The longest prefixes that may leave; 24 and 48 unless set otherwise in so many words. */
  readonly floor?: { readonly ipv4: number; readonly ipv6: number };
  /** The most prefixes that may be announced to one router; 1,000 unless set. */
  readonly maxPrefixesAnnounced?: number;
  /** Where routers may connect to us; we only connect unless set. */
  readonly listen?: { readonly address: string; readonly port: number };
  readonly clock: Clock;
  readonly log: SpeakerLog;
  /** Makes connected sockets; a plain TCP connection unless given. Needed for `md5` and `ttlSecurityHops`. */
  readonly openSocket?: OpenSocket;
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
/** Resolves when connected; rejects with a `HeadgateError`-like error. */
export type OpenSocket = (request: SocketRequest) => Promise<Duplex>;

export type SessionPhase =
  | 'idle'
  | 'connect'
  | 'active'
  | 'open_sent'
  | 'open_confirm'
  | 'established';

/** What `headgate bgp` and the metrics show of one session. Plain JSON. */
export interface SessionStatus {
  readonly router: RouterId;
  readonly address: string;
  readonly asn: Asn;
  readonly phase: SessionPhase;
  /** Milliseconds in this phase. */
  readonly phaseMs: number;
  /** Names of what both sides agreed on. */
  readonly capabilities: readonly string[];
  /** True once we may announce: the first End-of-RIB, or the delay, has passed. */
  readonly isSettled: boolean;
  readonly pathsReceived: number;
  readonly prefixesAnnounced: number;
  /** By name: messages_in.update, messages_out.keepalive, treat_as_withdraw, refused.not_ours, … */
  readonly counters: Readonly<Record<string, number>>;
  /** The last error with its RFC name, and when (milliseconds of the clock). */
  readonly lastError?: { readonly text: string; readonly atMs: number };
}

/** One path that a router told us. */
export interface ReceivedRoute {
  readonly prefix: PrefixText;
  readonly router: RouterId;
  readonly pathId: number;
  readonly nextHop: string;
  readonly asPath: string;
  readonly origin: 'igp' | 'egp' | 'incomplete';
  readonly localPref?: number;
  readonly med?: number;
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
}

/** What a router really hears now, and why something desired is not there. */
export interface AnnouncedRoute {
  readonly announcement: Announcement;
  readonly nextHop: string | undefined;
  readonly state: 'sent' | 'waiting' | 'refused';
  /** Empty when sent. */
  readonly reason: string;
}

export type SpeakerChange =
  | {
      readonly kind: 'session';
      readonly router: RouterId;
      readonly phase: SessionPhase;
      readonly reason: string;
    }
  | {
      readonly kind: 'route';
      readonly router: RouterId;
      readonly prefix: PrefixText;
      readonly action: 'announced' | 'withdrawn';
    }
  | {
      readonly kind: 'sent';
      readonly router: RouterId;
      readonly prefix: PrefixText;
      readonly action: 'announced' | 'withdrawn';
    };

export interface Speaker {
  start(): Promise<void>;
  /** Says goodbye to every router (Cease, Administrative Shutdown) and closes; twice is harmless. */
  stop(reason?: string): Promise<void>;
  /** Replaces the whole desired outbound state; what differs from what was sent is sent. Refused after `withdrawAll` until `resume`. */
  setDesired(desired: Desired): void;
  /** Takes every announcement back, and announces nothing until `resume`. */
  withdrawAll(): void;
  resume(): void;
  sessions(): readonly SessionStatus[];
  /** The paths of one router, of all prefixes or those equal to or covering `at` (prefix or address). */
  routesFrom(router: RouterId, at?: string): readonly ReceivedRoute[];
  announced(router: RouterId): readonly AnnouncedRoute[];
  /** Tells of changes until the returned function is called. */
  onChange(listener: (change: SpeakerChange) => void): () => void;
}

export declare function createSpeaker(options: SpeakerOptions): Speaker;
