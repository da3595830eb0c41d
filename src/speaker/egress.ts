/**
 * The session that tells one router of detours: separate from the one for our blocks, and without graceful restart, so
 * that the router is back to plain BGP the moment it is lost. What the router tells on it is ignored.
 */
import { covers, formatPrefix, type Prefix, parsePrefix, prefixOf } from '../core/base/prefix.ts';
import { assert } from '../core/base/result.ts';
import { eachSliced, mapSliced, type Sliced } from '../core/base/slices.ts';
import type { Asn, RouterId } from '../core/base/units.ts';
import {
  type Detour,
  type DetourRails,
  makeDetourRoute,
  refuseDetour,
  refuseDetourRoute,
} from '../core/bgp/detour.ts';
import type { OutRoute, RouteName } from '../core/bgp/outbound.ts';
import type { AdjRibIn } from '../core/bgp/rib/adj-rib-in.ts';
import { decodeBlock } from '../core/bgp/rib/intake.ts';
import type { SessionPhase } from '../core/bgp/session.ts';
import { markerOf } from '../core/bgp/steering.ts';
import type { PathAttributes } from '../core/wire/bgp/attributes.ts';
import { Outbox } from './outbox.ts';
import type { Peer } from './peer.ts';
import type { PeerEvents } from './peer-parts.ts';
import type { Clock, KeptPath, PathMonitor, RouterPeering, SpeakerLog } from './peering.ts';
import {
  type InjectedDetour,
  lastErrorOf,
  type SessionStatus,
  type SpeakerChange,
  waitsForInterval,
} from './status.ts';
import type { Turns } from './turns.ts';
import { Upkeep } from './upkeep.ts';

export interface EgressParts {
  readonly peering: RouterPeering;
  readonly localAsn: Asn;
  readonly networks: readonly Prefix[];
  readonly maxDetours: number;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly log: SpeakerLog;
  /** The router's session for our blocks: what it tells there is what a detour may use. */
  readonly main: Peer;
  /** The same of another router of ours. */
  readonly mainOf: (router: RouterId) => Peer | undefined;
  readonly rib: AdjRibIn;
  /** What routers tell by BMP, where they do. */
  readonly monitor: PathMonitor | undefined;
  readonly makePeer: (events: PeerEvents) => Peer;
  /** All announcements are withdrawn by the operator. */
  readonly isHeld: () => boolean;
  readonly tell: (change: SpeakerChange) => void;
}

/** A route that changes is looked at within this time, ms: a table that comes in costs a look at each such step. */
const lookMs = 50;

export class EgressSession {
  readonly peer: Peer;
  readonly #parts: EgressParts;
  readonly #rails: DetourRails;
  readonly #outbox: Outbox;
  readonly #upkeep: Upkeep;
  #detours: readonly Detour[] = [];
  /** The same by prefix and next hop. */
  #byRoute: ReadonlyMap<string, Detour> = new Map();
  #entries: readonly InjectedDetour[] = [];
  /** Refusals by prefix, counted when they begin. */
  #refusals: ReadonlyMap<string, string> = new Map();
  #cancelInterval: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;

  constructor(parts: EgressParts) {
    this.#parts = parts;
    this.#upkeep = new Upkeep(parts.turns, () => this.#update());
    const { peering, localAsn, networks, maxDetours, clock, log } = parts;
    assert(peering.asn === localAsn, `${peering.name}: detours are told by iBGP alone`);
    this.#rails = {
      asn: localAsn,
      networks,
      maxDetours,
      received: (prefix, nextHop) => this.#received(prefix, nextHop),
    };
    // Of any router: a detour may stand on the path of another.
    parts.monitor?.onChange(() => this.noteChange());
    this.peer = parts.makePeer({
      phaseChanged: (phase, reason) => this.#onPhase(phase, reason),
      established: (agreed) => {
        this.#outbox.open(agreed);
        log.info({ router: peering.name }, `bgp: egress session with ${peering.name} established`);
        this.update();
      },
      down: () => {
        this.#outbox.close();
        this.update();
      },
      refreshWanted: (family) => {
        this.#outbox.forget(family);
        this.update();
      },
      endOfRib: () => {},
      received: () => {},
      routeChanged: () => {},
    });
    this.#outbox = new Outbox(
      peering.mraiMs ?? 5_000,
      {
        now: () => clock.now(),
        refuse: (route) => refuseDetourRoute(route, this.#rails),
        send: (message) => this.peer.send(message),
        told: (prefix, action) =>
          parts.tell({ kind: 'detour', router: peering.name, prefix, action }),
      },
      this.peer.counters,
    );
  }

  get entries(): readonly InjectedDetour[] {
    return this.#entries;
  }

  status(nowMs: number): NonNullable<SessionStatus['egress']> {
    return {
      phase: this.peer.phase,
      detours: this.#outbox.count,
      counters: this.peer.counters.toJson(),
      ...lastErrorOf(this.peer, nowMs),
    };
  }

  setDetours(detours: readonly Detour[]): void {
    this.#detours = detours;
    this.#byRoute = new Map(
      detours.map((detour) => [routeKey(detour.prefix, detour.nextHop), detour]),
    );
    this.update();
  }

  /** A route of the router changed: a detour may have lost its path, or got it back. */
  noteChange(): void {
    if (this.#detours.length === 0 || this.#cancelLook) return;
    this.#cancelLook = this.#parts.clock.after(lookMs, () => {
      this.#cancelLook = undefined;
      this.#upkeep.again();
    });
  }

  stop(reason: string): void {
    this.#cancelLook?.();
    this.#cancelInterval?.();
    this.peer.stop(reason);
  }

  /** Makes what the router hears equal to the detours that its paths and the rails allow. */
  update(): void {
    this.#upkeep.renew();
  }

  *#update(): Sliced<void> {
    const resolved = yield* this.#resolve();
    const routes = new Map<RouteName, OutRoute>();
    yield* eachSliced(resolved, ({ entry, route }) => {
      if (route) routes.set(entry.detour.prefix, route);
    });
    const againMs = yield* this.#outbox.update(routes);
    this.#entries = yield* mapSliced(resolved, ({ entry, route }) =>
      route && this.#outbox.hasSent(route) ? { ...entry, state: 'sent', reason: '' } : entry,
    );
    this.#cancelInterval?.();
    this.#cancelInterval =
      againMs === undefined
        ? undefined
        : this.#parts.clock.after(againMs, () => this.#upkeep.again());
  }

  *#resolve(): Sliced<readonly Resolved[]> {
    const refusals = new Map<string, string>();
    let room = this.#rails.maxDetours;
    const resolved = yield* mapSliced(this.#detours, (detour): Resolved => {
      const reason = this.#waitsFor(detour);
      if (reason) return { entry: { detour, state: 'waiting', reason } as const };
      const refusal = refuseDetour(detour, this.#rails) ?? (room-- > 0 ? undefined : tooMany);
      if (!refusal) {
        const entry = { detour, state: 'waiting', reason: waitsForInterval } as const;
        return { entry, route: makeDetourRoute(detour, this.#rails) };
      }
      refusals.set(detour.prefix, refusal);
      if (this.#refusals.get(detour.prefix) !== refusal)
        this.peer.counters.add(`refused.${refusal}`);
      return { entry: { detour, state: 'refused', reason: refusal } as const };
    });
    this.#refusals = refusals;
    return resolved;
  }

  #waitsFor({ prefix: text }: Detour): string | undefined {
    const { main, isHeld } = this.#parts;
    if (isHeld()) return 'all announcements are withdrawn until resumed';
    const { agreed } = this.#outbox;
    if (!agreed) return `the egress session is ${this.peer.phase}`;
    if (!main.agreed) return `the session that tells the paths is ${main.phase}`;
    const prefix = parsePrefix(text);
    if (!prefix.ok) return undefined;
    const { family } = prefix.value;
    // The router's best path is ours then: of a plain session it would take the one that it told us back.
    return agreed.families.includes(family) &&
      (main.agreed.addPathReceive[family] || this.#parts.monitor?.tellsKept(main.name))
      ? undefined
      : 'the router does not tell all its paths of this family: set add_path on both sides, or let it tell them by BMP';
  }

  /**
   * A path that the router told us for exactly this prefix; not one of ours that came back, nor a stale one. Of a detour
   * by another router that router's path, of a part of a prefix that of the whole.
   */
  #received(prefix: Prefix, wanted: string): PathAttributes | undefined {
    const { main, mainOf, localAsn } = this.#parts;
    const marker = markerOf(localAsn).join(':');
    const { via, of } = this.#byRoute.get(routeKey(formatPrefix(prefix), wanted)) ?? {};
    const whole = of === undefined ? prefix : prefixOf(of);
    if (!covers(whole, prefix)) return undefined;
    const teller = via ? mainOf(via.router) : main;
    const nextHop = via ? via.nextHop : wanted;
    for (const told of teller ? this.#toldBy(teller, whole) : []) {
      const { largeCommunities = [] } = told.attributes;
      const isOurs = largeCommunities.some((community) => community.join(':') === marker);
      if (told.nextHop === nextHop && !isOurs) return told.attributes;
    }
    return undefined;
  }

  #toldBy(teller: Peer, prefix: Prefix): readonly KeptPath[] {
    const { rib, monitor } = this.#parts;
    if (!teller.agreed?.addPathReceive[prefix.family] && monitor?.tellsKept(teller.name))
      return monitor.kept(teller.name, prefix);
    return rib
      .paths(prefix)
      .filter(({ peer, isStale }) => peer === teller.ribPeer && !isStale)
      .map(({ attributes }) =>
        decodeBlock(rib.attributes.bytesOf(attributes), rib.attributes.kindOf(attributes)),
      );
  }

  #onPhase(phase: SessionPhase, reason: string): void {
    const { peering, log, tell } = this.#parts;
    tell({ kind: 'egress_session', router: peering.name, phase, reason });
    log.info(
      { router: peering.name, phase },
      `bgp: egress session with ${peering.name} is ${phase}`,
    );
  }
}

interface Resolved {
  readonly entry: InjectedDetour;
  readonly route?: OutRoute;
}

const tooMany = 'too_many_detours';

const routeKey = (prefix: string, nextHop: string): string => `${prefix} ${nextHop}`;
