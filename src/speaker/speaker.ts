import type { RouterId } from '../core/base/units.ts';
import type { Desired } from '../core/bgp/announcement.ts';
import type { Detour } from '../core/bgp/detour.ts';
import type { AdjRibIn } from '../core/bgp/rib/adj-rib-in.ts';
import type { ChangeStretch } from './change-log.ts';
import type {
  AnnouncedRoute,
  InjectedDetour,
  RankedRoute,
  ReceivedRoute,
  SessionStatus,
  SpeakerChange,
} from './status.ts';

/** What a speaker offers to whoever made it. */
export interface Speaker {
  /** Opens the sessions. Throws HeadgateError `listen_failed`. */
  start(): Promise<void>;
  /** Says goodbye to every router (Cease, Administrative Shutdown) and closes; twice is harmless. */
  stop(reason?: string): Promise<void>;
  /**
   * Replaces the whole desired outbound state; what differs from what was sent is sent. `prefixesMax`: from now on no
   * router is told more of them [as before, `maxPrefixesAnnounced` at first].
   */
  setDesired(desired: Desired, prefixesMax?: number): void;
  /**
   * Replaces the detours of one router, which must have an `egressAddress`. Each is told only while the router tells
   * the path that it uses, and all end with the egress session, the router's own session or `withdrawAll`.
   */
  setDetours(router: RouterId, detours: readonly Detour[]): void;
  /** The detours of one router, in the order given, with what became of each. */
  detours(router: RouterId): readonly InjectedDetour[];
  /** Takes every announcement and detour back, and announces nothing until `resume`. */
  withdrawAll(): void;
  resume(): void;
  sessions(): readonly SessionStatus[];
  /**
   * The paths of one router, of all prefixes or those equal to or covering `at` (prefix or address), the longest first;
   * `limit` [no end] keeps a full table from holding the event loop.
   */
  routesFrom(router: RouterId, at?: string, limit?: number): readonly ReceivedRoute[];
  /** The paths of all routers to a prefix or address, the longest first, of each the best first with why others lost. */
  routesTo(at: string): readonly RankedRoute[];
  /** The paths of all routers to prefixes within our networks: who else announces something of ours. */
  ownRoutes(): readonly ReceivedRoute[];
  announced(router: RouterId): readonly AnnouncedRoute[];
  /** Asks the router to tell all its routes again (RFC 2918); false when it cannot. */
  requestRefresh(router: RouterId): boolean;
  /** The latest changes, from number `since` on (0: all that is kept): ask again with `next`. */
  changes(since: number): ChangeStretch;
  /** Tells of changes until the returned function is called. */
  onChange(listener: (change: SpeakerChange) => void): () => void;
  /** The number under which `rib` has what a router told. */
  ribPeerOf(router: RouterId): number;
  /** What all routers told: read only. */
  readonly rib: AdjRibIn;
}
