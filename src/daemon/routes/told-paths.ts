/** The ways out that routers tell: by their sessions, or by BMP where a session tells no more than the best of them. */
import type { Family, Prefix } from '../../core/base/prefix.ts';
import type { LinkId, PrefixText, RouterId } from '../../core/base/units.ts';
import type {
  BmpStation,
  MonitoredTable,
  ReceivedRoute,
  SessionStatus,
  Speaker,
} from '../../speaker/index.ts';
import { type WaysOut, waysOut } from './egress-routes.ts';
import type { Learned } from './learned-routes.ts';

export type Station = Pick<BmpStation, 'tellsKept' | 'keptRoutes' | 'tables' | 'onChange'>;

export class ToldPaths implements Learned {
  readonly #speaker: Pick<Speaker, 'rib' | 'sessions' | 'routesFrom'>;
  readonly #station: Station | undefined;
  readonly #waitingSince = new Map<string, number>();

  constructor(
    speaker: Pick<Speaker, 'rib' | 'sessions' | 'routesFrom'>,
    station: Station | undefined,
  ) {
    this.#speaker = speaker;
    this.#station = station;
  }

  /** Tells whenever what a router keeps may have changed, as it says by BMP. */
  onKept(listener: () => void): void {
    this.#station?.onChange(listener);
  }

  /** How all paths of a router are known; undefined while only its best ones are. */
  allBy(router: RouterId): 'add_path' | 'bmp' | undefined {
    const session = this.#speaker.sessions().find((entry) => entry.router === router);
    if (session?.capabilities.includes('add_path_receive')) return 'add_path';
    return this.#station?.tellsKept(router) ? 'bmp' : undefined;
  }

  /** Whether the router has told its whole table, and has not been lost since. */
  isKnown(router: RouterId): boolean {
    const session = this.#speaker.sessions().find((entry) => entry.router === router);
    const tellsAll = this.#station === undefined || this.allBy(router) !== undefined;
    return session?.isSettled === true && tellsAll;
  }

  /**
   * Whether what routers have is not known now, but was or will be within `holdMs`: a session that is not there, or has
   * not told its whole table yet. `at`: ms on any one clock.
   */
  isWaiting(routers: readonly RouterId[], at: number, holdMs: number): boolean {
    const key = routers.join();
    if (routers.every((router) => this.isKnown(router))) {
      this.#waitingSince.delete(key);
      return false;
    }
    const since = this.#waitingSince.get(key) ?? at;
    this.#waitingSince.set(key, since);
    return at - since <= holdMs;
  }

  /** Of the session that tells the paths; undefined where there is none. */
  phaseOf(router: RouterId): SessionStatus['phase'] | undefined {
    return this.#speaker.sessions().find((entry) => entry.router === router)?.phase;
  }

  /**
   * The ways of some routers to exactly this prefix. `from`: the link that it is taken off, if it is detoured. BMP alone
   * does not say which path is the best (FRR leaves local preferences out): the session does, unless that is a detour
   * of ours, and then plain BGP is taken to prefer what it did before.
   */
  waysOut(
    settings: Parameters<typeof waysOut>[0],
    routers: readonly RouterId[],
    prefix: PrefixText,
    from?: LinkId,
  ): WaysOut {
    const isOf = (route: ReceivedRoute) => route.prefix === prefix;
    const told = routers.flatMap((router) => this.#from(router, prefix).filter(isOf));
    if (!routers.some((router) => this.#station?.tellsKept(router))) return waysOut(settings, told);
    const best = routers.flatMap((router) => this.#speaker.routesFrom(router, prefix).filter(isOf));
    return waysOut(settings, told, waysOut(settings, best).routes[0]?.link ?? from);
  }

  /** Every prefix once. */
  *entries(family: Family): Generator<{ readonly prefix: Prefix }> {
    const [first, ...more] = this.#tables();
    yield* first.entries(family);
    const before = [first];
    for (const table of more) {
      for (const entry of table.entries(family))
        if (before.every((known) => known.paths(entry.prefix).length === 0)) yield entry;
      before.push(table);
    }
  }

  /** The prefixes with routes that cover `prefix`, the longest first; one may be there twice. */
  covering(prefix: Prefix): readonly Prefix[] {
    return this.#tables()
      .flatMap((table) => table.covering(prefix))
      .sort((a, b) => b.length - a.length);
  }

  longestLength(family: Family, bytes: Uint8Array, at: number): number {
    let longest = this.#speaker.rib.longestLength(family, bytes, at);
    for (const table of this.#station?.tables().values() ?? [])
      longest = Math.max(longest, table.longestLength(family, bytes, at));
    return longest;
  }

  #from(router: RouterId, prefix: PrefixText): readonly ReceivedRoute[] {
    const station = this.#station;
    return station?.tellsKept(router) && this.allBy(router) === 'bmp'
      ? station.keptRoutes(router, prefix)
      : this.#speaker.routesFrom(router, prefix);
  }

  /** What the sessions told, and of routers known by BMP alone what they told by that. */
  #tables(): readonly [MonitoredTable, ...MonitoredTable[]] {
    const monitored = [...(this.#station?.tables() ?? [])].flatMap(([router, table]) =>
      this.allBy(router) === 'bmp' ? [table] : [],
    );
    return [this.#speaker.rib, ...monitored];
  }
}
