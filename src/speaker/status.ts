import type { Asn, PrefixText, RouterId } from '../core/base/units.ts';
import type { Announcement } from '../core/bgp/announcement.ts';
import type { Step } from '../core/bgp/best-path.ts';
import type { Detour } from '../core/bgp/detour.ts';
import type { SessionPhase } from '../core/bgp/session.ts';

/** What `headgate bgp` and the metrics show of one session. Plain JSON. */
export interface SessionStatus {
  readonly router: RouterId;
  readonly address: string;
  readonly asn: Asn;
  readonly phase: SessionPhase;
  /** Milliseconds in this phase. */
  readonly phaseMs: number;
  /** Names of what both sides agreed on; empty while not established. */
  readonly capabilities: readonly string[];
  /** True once we may announce: the first End-of-RIB, or the delay, has passed. */
  readonly isSettled: boolean;
  /**
   * Milliseconds that the router has had to take up what it is told: since the session came up or, before its first, since
   * we began; 0 while it is awaited back and has kept our routes (RFC 4724). Absent once the session is lost.
   */
  readonly freshMs?: number;
  readonly pathsReceived: number;
  readonly prefixesAnnounced: number;
  /** The separate session for detours, where the router has one. */
  readonly egress?: {
    readonly phase: SessionPhase;
    readonly detours: number;
    readonly counters: Readonly<Record<string, number>>;
    readonly lastError?: { readonly text: string; readonly agoMs: number };
  };
  /** By name: `in.update`, `out.keepalive`, `reaction.treat_as_withdraw`, `error.origin_value`, `refused.not_ours`, … */
  readonly counters: Readonly<Record<string, number>>;
  /** The last error with its RFC name, and how long ago. */
  readonly lastError?: { readonly text: string; readonly agoMs: number };
}

/** One path that a router told us. Plain JSON. */
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
  /** Kept from before the session was lost. */
  readonly isStale: boolean;
}

/** A path among all paths to its prefix. */
export interface RankedRoute extends ReceivedRoute {
  /** 1 for the best. */
  readonly rank: number;
  /** The comparison that it lost (RFC 4271 section 9.1.2.2, in `core/bgp/best-path.ts`); absent for the best. */
  readonly lostAt?: Step;
}

/** The reason of a route that will be sent as soon as RFC 4271's interval allows; the router may carry it as it was. */
export const waitsForInterval = 'the minimum interval between announcements';

/** What a router is to hear, whether it hears it, and why not. */
export interface AnnouncedRoute {
  readonly announcement: Announcement;
  readonly nextHop: string | undefined;
  /** `waiting`: for a session, a next hop, another router or the minimum interval; `refused`: by a rail. */
  readonly state: 'sent' | 'waiting' | 'refused';
  /** Empty when sent. */
  readonly reason: string;
  /** The router whose missing session holds it back. */
  readonly waitsFor?: RouterId;
}

/** A foreign destination that a router is to reach by a path of our choice, whether it hears so, and why not. */
export interface InjectedDetour {
  readonly detour: Detour;
  readonly state: 'sent' | 'waiting' | 'refused';
  /** Empty when sent. */
  readonly reason: string;
}

export type SpeakerChange =
  | {
      readonly kind: 'session' | 'egress_session';
      readonly router: RouterId;
      readonly phase: SessionPhase;
      readonly reason: string;
    }
  /** A router told us of a route, or took it back. */
  | {
      readonly kind: 'received';
      readonly router: RouterId;
      readonly prefix: PrefixText;
      readonly action: 'announced' | 'withdrawn';
    }
  /** We told a router of a block or of a detour, or took it back. */
  | {
      readonly kind: 'sent' | 'detour';
      readonly router: RouterId;
      readonly prefix: PrefixText;
      readonly action: 'announced' | 'withdrawn';
    };

export interface LastError {
  readonly text: string;
  readonly atMs: number;
}

/** For a status: the last error of a session and its age. */
export const lastErrorOf = (
  { lastError }: { readonly lastError: LastError | undefined },
  nowMs: number,
): { readonly lastError?: { readonly text: string; readonly agoMs: number } } =>
  lastError
    ? { lastError: { text: lastError.text, agoMs: Math.round(nowMs - lastError.atMs) } }
    : {};

/** Counts by name. */
export class Counters {
  readonly #counts = new Map<string, number>();

  add(name: string, count = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
  }

  toJson(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
