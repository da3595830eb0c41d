import { formatPrefix } from '../core/base/prefix.ts';
import { mapSliced, type Sliced } from '../core/base/slices.ts';
import type { PrefixText } from '../core/base/units.ts';
import type { Negotiated } from '../core/bgp/negotiate.ts';
import {
  compareOutbound,
  encodeAnnouncements,
  encodeWithdrawals,
  type OutRoute,
  type RouteName,
  routeName,
  type SentRoute,
} from '../core/bgp/outbound.ts';
import type { Counters } from './status.ts';

export interface OutboxWorld {
  readonly now: () => number;
  /** The last rail before bytes: why a route must not leave. */
  readonly refuse: (route: OutRoute) => string | undefined;
  readonly send: (message: Uint8Array) => void;
  readonly told: (prefix: PrefixText, action: 'announced' | 'withdrawn') => void;
}

/** Announcements of one session within a second; withdrawals are never held back. */
const perSecondMax = 500;

/** Withdrawals between two pauses: about two full messages. */
const withdrawnAtOnce = 1_000;

interface Sent extends SentRoute {
  readonly key: string;
}

/**
 * Makes what one peer hears equal to a set of routes: only the difference goes out, packed, with the minimum
 * interval between two announcements of one route (RFC 4271 section 9.2.1.1; withdrawals do not wait) and a
 * bound on announcements per second.
 */
export class Outbox {
  readonly #mraiMs: number;
  readonly #world: OutboxWorld;
  readonly #counters: Counters;
  #agreed: Negotiated | undefined;
  /** Routes as the peer last heard them on this session; an empty key must be told again. */
  readonly #sent = new Map<RouteName, Sent>();
  readonly #sentAt = new Map<RouteName, number>();
  #second = { startMs: Number.NEGATIVE_INFINITY, count: 0 };

  constructor(mraiMs: number, world: OutboxWorld, counters: Counters) {
    this.#mraiMs = mraiMs;
    this.#world = world;
    this.#counters = counters;
  }

  get agreed(): Negotiated | undefined {
    return this.#agreed;
  }

  get count(): number {
    return this.#sent.size;
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

  /** The peer asks for everything of a family again (RFC 2918). */
  forget(family: 4 | 6): void {
    for (const [name, sent] of this.#sent) {
      if (sent.prefix.family === family) this.#sent.set(name, { ...sent, key: '' });
    }
    this.#sentAt.clear();
  }

  /** The peer has heard exactly this. */
  hasSent(route: OutRoute): boolean {
    return this.#sent.get(nameOf(route))?.key === route.key;
  }

  /** Sends what differs from `routes`. Gives the time, ms, after which more may be sent, when some is held back. */
  *update(routes: ReadonlyMap<RouteName, OutRoute>): Sliced<number | undefined> {
    const agreed = this.#agreed;
    if (!agreed) return undefined;
    const { withdraw, announce } = yield* compareOutbound(routes, this.#sent);
    for (let i = 0; i < withdraw.length; i += withdrawnAtOnce) {
      this.#withdraw(withdraw.slice(i, i + withdrawnAtOnce), agreed);
      yield;
    }
    const now = this.#world.now();
    const waits = yield* mapSliced(announce, (route) => {
      return { route, waitMs: this.#waitMs(nameOf(route), now) };
    });
    const free = waits.filter(({ waitMs }) => waitMs <= 0).map(({ route }) => route);
    const due = free.slice(0, this.#roomAt(now));
    this.#announce(due, agreed, now);
    const next = waits.filter(({ waitMs }) => waitMs > 0).map(({ waitMs }) => waitMs);
    if (due.length < free.length) next.push(this.#second.startMs + 1_000 - now);
    return next.length > 0 ? Math.min(...next) : undefined;
  }

  #waitMs(name: RouteName, now: number): number {
    if (this.#sent.get(name)?.key === '') return 0;
    return (this.#sentAt.get(name) ?? Number.NEGATIVE_INFINITY) + this.#mraiMs - now;
  }

  #roomAt(now: number): number {
    if (now - this.#second.startMs >= 1_000) this.#second = { startMs: now, count: 0 };
    return perSecondMax - this.#second.count;
  }

  #withdraw(names: readonly RouteName[], agreed: Negotiated): void {
    const gone = names.flatMap((name) => this.#sent.get(name) ?? []);
    if (gone.length === 0) return;
    for (const message of encodeWithdrawals(gone, agreed)) this.#send(message);
    // The wait after an announcement also holds for its return, so that a flap is not sent at full speed.
    for (const name of names) this.#sent.delete(name);
    for (const { prefix } of gone) this.#world.told(formatPrefix(prefix), 'withdrawn');
    this.#counters.add('prefixes_withdrawn', gone.length);
  }

  #announce(due: readonly OutRoute[], agreed: Negotiated, now: number): void {
    if (due.length === 0) return;
    const { messages, refused } = encodeAnnouncements(due, this.#world.refuse, agreed);
    for (const message of messages) this.#send(message);
    const stopped = new Set(refused.map(({ route }) => route));
    for (const { reason } of refused) this.#counters.add(`refused.encoder_${reason}`);
    for (const route of due) {
      if (stopped.has(route)) continue;
      const { prefix, pathId, key } = route;
      this.#sent.set(nameOf(route), { prefix, pathId, key });
      this.#sentAt.set(nameOf(route), now);
      this.#world.told(formatPrefix(prefix), 'announced');
    }
    this.#second.count += due.length - stopped.size;
    this.#counters.add('prefixes_announced', due.length - stopped.size);
  }

  #send(message: Uint8Array): void {
    this.#counters.add('out.update');
    this.#world.send(message);
  }
}

const nameOf = ({ prefix, pathId }: SentRoute): RouteName =>
  routeName(formatPrefix(prefix), pathId);
