import { formatPrefix, type Prefix, parsePrefix } from '../core/base/prefix.ts';
import type { PrefixText } from '../core/base/units.ts';
import type { Announcement } from '../core/bgp/announcement.ts';
import type { Negotiated } from '../core/bgp/negotiate.ts';
import {
  compareOutbound,
  encodeAnnouncements,
  encodeWithdrawals,
  makeRoute,
  type OutboundRails,
  type OutRoute,
  refuseAnnouncement,
} from '../core/bgp/outbound.ts';
import { type AnnouncedRoute, type Counters, waitsForInterval } from './status.ts';

/** What the announcer asks of the speaker about one announcement. */
export interface AnnouncerWorld {
  readonly now: () => number;
  /** Why the announcement must wait (another router's session, …); undefined when it need not. */
  readonly waitsFor: (announcement: Announcement) => string | undefined;
  /** The router's inside next hop for a prefix, or why there is none. */
  readonly nextHopFor: (
    prefix: Prefix,
  ) => { readonly address: string } | { readonly missing: string };
  readonly send: (message: Uint8Array) => void;
  readonly told: (prefix: PrefixText, action: 'announced' | 'withdrawn') => void;
}

/** What one pass over the desired state found. */
interface Resolved {
  readonly routes: ReadonlyMap<PrefixText, OutRoute>;
  readonly entries: readonly AnnouncedRoute[];
}

/**
 * Keeps what one router hears equal to what is desired: on every `update` the whole desired state is
 * resolved again, compared with what was sent, and only the difference goes out.
 */
export class Announcer {
  readonly #rails: OutboundRails;
  readonly #mraiMs: number;
  readonly #world: AnnouncerWorld;
  readonly #counters: Counters;
  #desired: readonly Announcement[] = [];
  #agreed: Negotiated | undefined;
  /** Attribute key by prefix, as the router last heard it on this session. */
  readonly #sent = new Map<PrefixText, string>();
  readonly #sentAt = new Map<PrefixText, number>();
  readonly #refusals = new Map<PrefixText, string>();
  #entries: readonly AnnouncedRoute[] = [];

  constructor(rails: OutboundRails, mraiMs: number, world: AnnouncerWorld, counters: Counters) {
    this.#rails = rails;
    this.#mraiMs = mraiMs;
    this.#world = world;
    this.#counters = counters;
  }

  get sentCount(): number {
    return this.#sent.size;
  }

  get entries(): readonly AnnouncedRoute[] {
    return this.#entries;
  }

  setDesired(desired: readonly Announcement[]): void {
    this.#desired = desired;
  }

  /** The session may carry announcements from now on. */
  open(agreed: Negotiated): void {
    this.#agreed = agreed;
  }

  /** The session is gone, and what was sent on it with it. */
  close(): void {
    this.#agreed = undefined;
    this.#sent.clear();
    this.#sentAt.clear();
  }

  /** The router asks for everything again (RFC 2918). */
  forget(family: 4 | 6): void {
    for (const prefix of [...this.#sent.keys()]) {
      if (prefix.includes(':') === (family === 6)) this.#sent.set(prefix, '');
    }
    this.#sentAt.clear();
  }

  /** Sends what differs. Gives the time after which more may be sent, when the minimum interval holds some back. */
  update(): number | undefined {
    const { routes, entries } = this.#resolve();
    this.#entries = entries;
    const agreed = this.#agreed;
    if (!agreed) return undefined;
    const { withdraw, announce } = compareOutbound(routes, this.#sent);
    this.#withdraw(withdraw, agreed);
    const now = this.#world.now();
    const dueAt = (text: PrefixText) =>
      this.#sent.get(text) === '' ? now : (this.#sentAt.get(text) ?? -Infinity) + this.#mraiMs;
    const keyed = announce.map((route) => ({ route, text: formatPrefix(route.prefix) }));
    const due = keyed.filter(({ text }) => dueAt(text) <= now);
    const held = keyed.filter(({ text }) => dueAt(text) > now);
    this.#announce(due, agreed, now);
    this.#entries = entries.map((entry) => this.#withState(entry, routes));
    const next = held.map(({ text }) => dueAt(text) - now);
    return next.length > 0 ? Math.min(...next) : undefined;
  }

  #withdraw(texts: readonly PrefixText[], agreed: Negotiated): void {
    if (texts.length === 0) return;
    const prefixes = texts.flatMap((text) => {
      const prefix = parsePrefix(text);
      return prefix.ok ? [prefix.value] : [];
    });
    for (const message of encodeWithdrawals(prefixes, agreed)) this.#send(message);
    for (const text of texts) {
      this.#sent.delete(text);
      // The wait after an announcement also holds for its return, so that a flap is not sent at full speed.
      this.#world.told(text, 'withdrawn');
    }
    this.#counters.add('prefixes_withdrawn', texts.length);
  }

  #announce(
    due: ReadonlyArray<{ readonly route: OutRoute; readonly text: PrefixText }>,
    agreed: Negotiated,
    now: number,
  ): void {
    if (due.length === 0) return;
    const routes = due.map(({ route }) => route);
    const { messages, refused } = encodeAnnouncements(routes, this.#rails, agreed);
    for (const message of messages) this.#send(message);
    const stopped = new Set(refused.map(({ prefix }) => prefix));
    for (const { reason } of refused) this.#counters.add(`refused.encoder_${reason}`);
    for (const { route, text } of due) {
      if (stopped.has(text)) continue;
      this.#sent.set(text, route.key);
      this.#sentAt.set(text, now);
      this.#world.told(text, 'announced');
    }
    this.#counters.add('prefixes_announced', due.length - stopped.size);
  }

  #send(message: Uint8Array): void {
    this.#counters.add('out.update');
    this.#world.send(message);
  }

  #resolve(): Resolved {
    const routes = new Map<PrefixText, OutRoute>();
    const entries = this.#desired.map((announcement): AnnouncedRoute => {
      const refusal = refuseAnnouncement(announcement, this.#rails);
      if (refusal) {
        this.#countRefusal(announcement.prefix, refusal);
        return { announcement, nextHop: undefined, state: 'refused', reason: refusal };
      }
      const wait = (reason: string, nextHop?: string): AnnouncedRoute => ({
        announcement,
        nextHop,
        state: 'waiting',
        reason,
      });
      const prefix = parsePrefix(announcement.prefix);
      if (!prefix.ok) return wait('bad_prefix');
      if (!this.#agreed) return wait('the session is not ready');
      if (!this.#agreed.families.includes(prefix.value.family))
        return wait('the router does not speak this address family');
      const hop = announcement.nextHop
        ? { address: announcement.nextHop }
        : this.#world.nextHopFor(prefix.value);
      if ('missing' in hop) return wait(hop.missing);
      const reason = this.#world.waitsFor(announcement);
      if (reason) return wait(reason, hop.address);
      if (routes.size >= this.#rails.maxPrefixes) {
        this.#countRefusal(announcement.prefix, 'too_many_prefixes');
        return {
          announcement,
          nextHop: hop.address,
          state: 'refused',
          reason: 'too_many_prefixes',
        };
      }
      this.#refusals.delete(announcement.prefix);
      routes.set(
        announcement.prefix,
        makeRoute(announcement, hop.address, {
          localAsn: this.#rails.asn,
          agreed: this.#agreed,
        }),
      );
      return wait(waitsForInterval, hop.address);
    });
    return { routes, entries };
  }

  #withState(entry: AnnouncedRoute, routes: Resolved['routes']): AnnouncedRoute {
    const { prefix } = entry.announcement;
    const key = routes.get(prefix)?.key;
    if (key === undefined || this.#sent.get(prefix) !== key) return entry;
    return { ...entry, state: 'sent', reason: '' };
  }

  /** Counted when it begins, not on every pass. */
  #countRefusal(prefix: PrefixText, reason: string): void {
    if (this.#refusals.get(prefix) !== reason) this.#counters.add(`refused.${reason}`);
    this.#refusals.set(prefix, reason);
  }
}
