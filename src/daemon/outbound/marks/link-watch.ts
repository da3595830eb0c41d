/** Links by which nothing leaves now, told as soon as it is known: sessions are marked anew within a second of it. */
import type { LinkId, RouterId } from '../../../core/base/units.ts';
import type { Settings } from '../../../core/settings/index.ts';
import type { BmpStation, Speaker } from '../../../speaker/index.ts';
import { type Clock, every } from '../../clock.ts';
import type { Sources } from '../../measure/sources.ts';
import type { RouteClasses, RouteTable } from './route-classes.ts';

export type DownReason = 'no session with the provider' | 'interface down' | 'routes withdrawn';

export interface WatchWorld {
  readonly speaker: Pick<Speaker, 'sessions' | 'onChange'>;
  readonly station: Pick<BmpStation, 'isNeighborUp'> | undefined;
  readonly sources: Pick<Sources, 'isUp'> | undefined;
}

/** What routers said last is looked at so often, ms; what they withdraw, so long after the first withdrawal. */
const lookMs = 100;
/** A link is down when less than this is left of what it was told for. */
const leftLeast = 0.5;

export class LinkWatch {
  readonly #router: RouterId;
  readonly #world: WatchWorld;
  readonly #classes: Pick<RouteClasses, 'shareLeft'>;
  readonly #onChange: (down: ReadonlyMap<LinkId, DownReason>) => void;
  readonly #cancels: (() => void)[] = [];
  #settings: Settings;
  #table: RouteTable | undefined;
  #wasTold = false;
  /** Routes changed since they were last looked at. */
  #isRouteDue = false;
  #byRoutes: ReadonlySet<LinkId> = new Set();
  #down: ReadonlyMap<LinkId, DownReason> = new Map();

  constructor(
    settings: Settings,
    router: RouterId,
    world: WatchWorld,
    classes: Pick<RouteClasses, 'shareLeft'>,
    clock: Clock,
    onChange: (down: ReadonlyMap<LinkId, DownReason>) => void,
  ) {
    this.#settings = settings;
    this.#router = router;
    this.#world = world;
    this.#classes = classes;
    this.#onChange = onChange;
    this.#cancels.push(
      world.speaker.onChange((change) => {
        if (change.kind === 'received' && change.router === router) this.#isRouteDue = true;
      }),
      every(clock, lookMs, () => this.look()),
    );
  }

  get down(): ReadonlyMap<LinkId, DownReason> {
    return this.#down;
  }

  adopt(settings: Settings): void {
    this.#settings = settings;
  }

  /** What the router told at the last look at all of it. */
  told(table: RouteTable): void {
    this.#table = table;
    this.#wasTold ||= table.isTold;
    this.#isRouteDue = true;
    this.look();
  }

  look(): void {
    // What a router said before its session was lost stands until it says otherwise.
    if (this.#isRouteDue && this.#isEstablished()) {
      this.#isRouteDue = false;
      this.#byRoutes = new Set(this.#links().filter((link) => this.#isUntold(link)));
    }
    const next = new Map(
      this.#settings.links.flatMap(({ name, router, asn }) => {
        if (router !== this.#router) return [];
        const why = this.#reason(name, asn);
        return why === undefined ? [] : [[name, why] as const];
      }),
    );
    const isSame =
      next.size === this.#down.size && [...next.keys()].every((l) => this.#down.has(l));
    this.#down = next;
    if (!isSame) this.#onChange(next);
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel();
  }

  #reason(link: LinkId, asn: Settings['asn']): DownReason | undefined {
    if (this.#world.station?.isNeighborUp(this.#router, asn) === false)
      return 'no session with the provider';
    if (this.#world.sources?.isUp(link) === false) return 'interface down';
    return this.#byRoutes.has(link) ? 'routes withdrawn' : undefined;
  }

  #isUntold(link: LinkId): boolean {
    const table = this.#table;
    if (!table || !this.#wasTold) return false;
    const samples = table.samples.get(link) ?? [];
    return (
      samples.length === 0 || this.#classes.shareLeft(this.#settings, link, samples) < leftLeast
    );
  }

  #links(): readonly LinkId[] {
    return this.#settings.links.flatMap(({ name, router }) =>
      router === this.#router ? [name] : [],
    );
  }

  #isEstablished(): boolean {
    const session = this.#world.speaker.sessions().find(({ router }) => router === this.#router);
    return session?.phase === 'established';
  }
}
