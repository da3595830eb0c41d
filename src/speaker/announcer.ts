import { type Prefix, parsePrefix } from '../core/base/prefix.ts';
import { eachSliced, mapSliced, type Sliced } from '../core/base/slices.ts';
import type { Announcement } from '../core/bgp/announcement.ts';
import type { Negotiated } from '../core/bgp/negotiate.ts';
import {
  makeRoute,
  type OutboundRails,
  type OutRoute,
  type RouteName,
  refuseAnnouncement,
  refusePrefix,
  routeName,
} from '../core/bgp/outbound.ts';
import { Outbox, type OutboxWorld } from './outbox.ts';
import { type AnnouncedRoute, type Counters, waitsForInterval } from './status.ts';

export type Wait = Pick<AnnouncedRoute, 'reason' | 'waitsFor'>;

/** What the announcer asks of the speaker about one announcement. */
export interface AnnouncerWorld extends Omit<OutboxWorld, 'refuse'> {
  /** Why the announcement must wait (another router's session, …); undefined when it need not. */
  readonly waitsFor: (announcement: Announcement) => Wait | undefined;
  /** The router's inside next hop for a prefix, or why there is none. */
  readonly nextHopFor: (
    prefix: Prefix,
  ) => { readonly address: string } | { readonly missing: string };
}

/** One announcement as it stands, with the route that it becomes if nothing holds it back. */
interface Resolved {
  readonly entry: AnnouncedRoute;
  readonly route?: OutRoute;
}

/** Keeps what one router hears equal to what is desired: every `update` resolves the whole desired state again. */
export class Announcer {
  #rails: OutboundRails;
  readonly #world: AnnouncerWorld;
  readonly #counters: Counters;
  readonly #outbox: Outbox;
  #desired: readonly Announcement[] = [];
  readonly #refusals = new Map<RouteName, string>();
  #entries: readonly AnnouncedRoute[] = [];

  constructor(rails: OutboundRails, mraiMs: number, world: AnnouncerWorld, counters: Counters) {
    this.#rails = rails;
    this.#world = world;
    this.#counters = counters;
    const refuse = (route: OutRoute) => refusePrefix(route.prefix, rails);
    this.#outbox = new Outbox(mraiMs, { ...world, refuse }, counters);
  }

  get sentCount(): number {
    return this.#outbox.count;
  }

  get entries(): readonly AnnouncedRoute[] {
    return this.#entries;
  }

  setDesired(desired: readonly Announcement[], prefixesMax = this.#rails.maxPrefixes): void {
    this.#desired = desired;
    this.#rails = { ...this.#rails, maxPrefixes: prefixesMax };
  }

  /** The session may carry announcements from now on. */
  open(agreed: Negotiated): void {
    this.#outbox.open(agreed);
  }

  /** The session is gone, and what was sent on it with it. */
  close(): void {
    this.#outbox.close();
  }

  /** The router asks for everything again (RFC 2918). */
  forget(family: 4 | 6): void {
    this.#outbox.forget(family);
  }

  /** Sends what differs. Gives the time after which more may be sent, when the minimum interval holds some back. */
  *update(): Sliced<number | undefined> {
    const resolved = yield* this.#resolve();
    const routes = new Map<RouteName, OutRoute>();
    yield* eachSliced(resolved, ({ route, entry }) => {
      if (route) routes.set(nameOf(entry.announcement), route);
    });
    const againMs = yield* this.#outbox.update(routes);
    this.#entries = yield* mapSliced(resolved, ({ entry, route }) =>
      route && this.#outbox.hasSent(route) ? { ...entry, state: 'sent', reason: '' } : entry,
    );
    return againMs;
  }

  *#resolve(): Sliced<readonly Resolved[]> {
    let room = this.#rails.maxPrefixes;
    return yield* mapSliced(this.#desired, (announcement): Resolved => {
      const resolved = this.#resolveOne(announcement, room);
      if (resolved.route) room--;
      if (resolved.entry.state !== 'refused') this.#refusals.delete(nameOf(announcement));
      else this.#countRefusal(nameOf(announcement), resolved.entry.reason);
      return resolved;
    });
  }

  #resolveOne(announcement: Announcement, room: number): Resolved {
    const stop = (
      state: 'waiting' | 'refused',
      reason: string,
      nextHop?: string | undefined,
    ): Resolved => ({ entry: { announcement, nextHop, state, reason } });
    const refusal = refuseAnnouncement(announcement, this.#rails);
    const prefix = parsePrefix(announcement.prefix);
    if (refusal || !prefix.ok) return stop('refused', refusal ?? 'bad_prefix');
    const { agreed } = this.#outbox;
    const { family } = prefix.value;
    if (!agreed) return stop('waiting', 'the session is not ready');
    if (!agreed.families.includes(family))
      return stop('waiting', 'the router does not speak this address family');
    if ((announcement.pathId ?? 1) > 1 && !agreed.addPathSend[family])
      return stop('waiting', 'the router takes one path of a prefix only');
    const hop = announcement.nextHop
      ? { address: announcement.nextHop }
      : this.#world.nextHopFor(prefix.value);
    if ('missing' in hop) return stop('waiting', hop.missing);
    const wait = this.#world.waitsFor(announcement);
    if (wait) return { entry: { announcement, nextHop: hop.address, state: 'waiting', ...wait } };
    if (room <= 0) return stop('refused', 'too_many_prefixes', hop.address);
    const route = makeRoute(announcement, hop.address, { localAsn: this.#rails.asn, agreed });
    return { ...stop('waiting', waitsForInterval, hop.address), route };
  }

  /** Counted when it begins, not on every pass. */
  #countRefusal(name: RouteName, reason: string): void {
    if (this.#refusals.get(name) !== reason) this.#counters.add(`refused.${reason}`);
    this.#refusals.set(name, reason);
  }
}

const nameOf = ({ prefix, pathId }: Announcement): RouteName => routeName(prefix, pathId ?? 1);
