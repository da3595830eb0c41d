/**
 * Detours over several routers without loops. The router that owns the link (the owner) sends the destination out
 * itself; the others (followers) send it to the owner. A follower whose owner still went by plain BGP could get the
 * packet back: so the owner is told first, and forgets last.
 */
import type { PrefixText, RouterId } from '../../core/base/units.ts';
import type { Detour } from '../../core/bgp/detour.ts';
import type { Clock } from '../clock.ts';

/** How routers are told, whoever does it. */
export interface DetourTeller {
  tell(router: RouterId, detours: readonly Detour[]): void;
  /** What the router was told, as far as anybody can know: `detourKey` of each. */
  sentTo(router: RouterId): ReadonlySet<string>;
}

/**
 * What a router needs from hearing a route to forwarding by it, ms: tens of ms in the lab's BIRD and FRR, with room for
 * a router that is busy.
 */
export const installMs = 1000;
const lookMs = 200;

type Told = ReadonlyMap<PrefixText, Detour>;

export class DetourOrder {
  readonly #teller: DetourTeller;
  readonly #clock: Pick<Clock, 'now' | 'after'>;
  #wanted: ReadonlyMap<RouterId, Told> = new Map();
  readonly #told = new Map<RouterId, Told>();
  /** Since when a router was seen to have a way out of its own, by `ROUTER PREFIX`. */
  readonly #ownSince = new Map<string, number>();
  /** When it was last seen that a router follows an owner, by `OWNER PREFIX`. */
  readonly #followedAt = new Map<string, number>();
  #cancel: (() => void) | undefined;

  constructor(teller: DetourTeller, clock: Pick<Clock, 'now' | 'after'>) {
    this.#teller = teller;
    this.#clock = clock;
  }

  /** What every router is to do in the end; routers that are left out are told nothing new. */
  set(wanted: ReadonlyMap<RouterId, readonly Detour[]>): void {
    this.#wanted = new Map(
      [...wanted].map(([router, detours]) => [
        router,
        new Map(detours.map((detour) => [detour.prefix, detour])),
      ]),
    );
    this.look();
  }

  /** Goes as far as is safe now; also to be called when a router lost what it was told. */
  look(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const now = this.#clock.now();
    this.#note(now);
    for (const [router, wanted] of this.#wanted)
      this.#tell(router, this.#allowed(router, wanted, now));
    // Owners that lost their last follower just now, and what was told just now, count from here.
    this.#note(now);
    if (this.#isPending()) this.#cancel = this.#clock.after(lookMs, () => this.look());
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Brings up to date who has a way of its own, and who is followed. */
  #note(now: number): void {
    for (const [router, told] of this.#told) {
      const sent = this.#teller.sentTo(router);
      for (const detour of told.values()) {
        const key = `${router} ${detour.prefix}`;
        if (detour.via) this.#followedAt.set(`${detour.via.router} ${detour.prefix}`, now);
        else if (!sent.has(detourKey(detour))) this.#ownSince.delete(key);
        else if (!this.#ownSince.has(key)) this.#ownSince.set(key, now);
      }
    }
    for (const [key, at] of this.#followedAt)
      if (now - at > installMs) this.#followedAt.delete(key);
  }

  #allowed(router: RouterId, wanted: Told, now: number): Detour[] {
    const told: Told = this.#told.get(router) ?? new Map();
    const prefixes = new Set([...wanted.keys(), ...told.keys()]);
    return [...prefixes].flatMap((prefix) => {
      const [next, old] = [wanted.get(prefix), told.get(prefix)];
      // By a link of its own nothing comes back, whatever the others do.
      if (next && !next.via) return [next];
      const isFollowed = old !== undefined && !old.via && this.#isFollowed(router, prefix, now);
      if (isFollowed) return [old];
      if (!next) return [];
      const isKnown = old !== undefined && same(next, old);
      if (this.#isReady(next, isKnown ? 0 : installMs, now)) return [next];
      // Until its owner is ready it stays where it is, if that is still safe.
      return old && !isKnown && this.#isReady(old, 0, now) ? [old] : [];
    });
  }

  /** Whether the owner that a follower relies on has had its own way out for so long. */
  #isReady({ prefix, via }: Detour, forMs: number, now: number): boolean {
    if (!via) return true;
    const since = this.#ownSince.get(`${via.router} ${prefix}`);
    return since !== undefined && now - since >= forMs;
  }

  #isFollowed(router: RouterId, prefix: PrefixText, now: number): boolean {
    const at = this.#followedAt.get(`${router} ${prefix}`);
    return at !== undefined && now - at < installMs;
  }

  #tell(router: RouterId, detours: readonly Detour[]): void {
    const own = new Set(detours.flatMap(({ prefix, via }) => (via ? [] : [prefix])));
    for (const prefix of this.#told.get(router)?.keys() ?? [])
      if (!own.has(prefix)) this.#ownSince.delete(`${router} ${prefix}`);
    this.#told.set(router, new Map(detours.map((detour) => [detour.prefix, detour])));
    this.#teller.tell(router, detours);
  }

  #isPending(): boolean {
    for (const [router, wanted] of this.#wanted) {
      const told: Told = this.#told.get(router) ?? new Map();
      if (wanted.size !== told.size) return true;
      for (const [prefix, detour] of wanted) {
        const has = told.get(prefix);
        if (!has || !same(has, detour)) return true;
      }
    }
    return false;
  }
}

/** What tells one detour of a router from another. */
export const detourKey = ({ prefix, nextHop }: Pick<Detour, 'prefix' | 'nextHop'>): string =>
  `${prefix} ${nextHop}`;

const same = (a: Detour, b: Detour): boolean =>
  a.nextHop === b.nextHop &&
  a.localPref === b.localPref &&
  a.via?.router === b.via?.router &&
  a.via?.nextHop === b.via?.nextHop;
