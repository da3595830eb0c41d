/**
 * The BGP speaker: holds a session with every border router, keeps what they hear equal to one desired
 * state, and tells what they say. The rules are in core/bgp; here are sockets, timers and counters.
 */
import { formatPrefix } from '../core/base/prefix.ts';
import { assert } from '../core/base/result.ts';
import type { Sliced } from '../core/base/slices.ts';
import type { RouterId } from '../core/base/units.ts';
import type { Announcement, Desired } from '../core/bgp/announcement.ts';
import type { Detour } from '../core/bgp/detour.ts';
import type { Negotiated } from '../core/bgp/negotiate.ts';
import { AdjRibIn } from '../core/bgp/rib/adj-rib-in.ts';
import type { UnicastFamily } from '../core/wire/bgp/codes.ts';
import { encodeEndOfRib } from '../core/wire/bgp/update.ts';
import { Announcer, type Wait } from './announcer.ts';
import { ChangeLog, type ChangeStretch } from './change-log.ts';
import { dumpOf } from './dump.ts';
import { EgressSession } from './egress.ts';
import { learnNextHop } from './next-hop.ts';
import { OwnSpace, readPrefix } from './own-space.ts';
import { Peer } from './peer.ts';
import type { PeerEvents } from './peer-parts.ts';
import type { RouterPeering, SpeakerOptions } from './peering.ts';
import { rankRoutes } from './ranked-routes.ts';
import { describeExactly, describeRoutes } from './routes.ts';
import { outboundRailsOf, sessionConfigOf } from './session-config.ts';
import { describeSession } from './session-status.ts';
import { openPlainListener, openPlainSocket, systemClock } from './sockets.ts';
import type { Speaker } from './speaker.ts';
import {
  type AnnouncedRoute,
  Counters,
  type InjectedDetour,
  type RankedRoute,
  type ReceivedRoute,
  type SessionStatus,
  type SpeakerChange,
} from './status.ts';
import { Turns } from './turns.ts';
import { Upkeep } from './upkeep.ts';

export type { Announcement, Desired } from '../core/bgp/announcement.ts';
export type { Detour } from '../core/bgp/detour.ts';
export {
  BmpStation,
  type MonitoredPeer,
  type MonitoredRoute,
  type MonitoredRouter,
  type MonitoredTable,
} from './bmp-station.ts';
export type { ChangeStretch } from './change-log.ts';
export type {
  Clock,
  HeardMessage,
  HeardState,
  ListenRequest,
  OpenListener,
  OpenSocket,
  RouterPeering,
  SocketRequest,
  SpeakerLog,
  SpeakerOptions,
} from './peering.ts';
export { describePath } from './routes.ts';
export { RtrClient, type RtrOptions, type RtrStatus } from './rtr-client.ts';
export type { Speaker } from './speaker.ts';
export {
  type AnnouncedRoute,
  type InjectedDetour,
  type RankedRoute,
  type ReceivedRoute,
  type SessionStatus,
  type SpeakerChange,
  waitsForInterval,
} from './status.ts';

/** One router with all that belongs to it. */
interface Member {
  readonly peering: RouterPeering;
  readonly peer: Peer;
  readonly announcer: Announcer;
  readonly upkeep: Upkeep;
  readonly egress: EgressSession | undefined;
  /** The first End-of-RIB, or the delay, has passed. */
  isSettled: boolean;
  /** When the session came up, or before its first when we began; undefined once it is lost. */
  freshSinceMs: number | undefined;
  /** Families whose End-of-RIB has not come yet. */
  awaited: Set<UnicastFamily>;
  owesEndOfRib: boolean;
  /** Families that were asked for anew and are not told whole yet (RFC 7313). */
  readonly owesRefreshEnd: Set<UnicastFamily>;
  cancelDelay: (() => void) | undefined;
  cancelInterval: (() => void) | undefined;
}

export function createSpeaker(options: SpeakerOptions): Speaker {
  return new BgpSpeaker(options);
}

class BgpSpeaker implements Speaker {
  readonly rib = new AdjRibIn();
  readonly #options: SpeakerOptions;
  readonly #clock;
  readonly #turns;
  readonly #ownSpace: OwnSpace;
  readonly #members = new Map<RouterId, Member>();
  readonly #listeners = new Set<(change: SpeakerChange) => void>();
  readonly #counters = new Counters();
  readonly #log: ChangeLog;
  #listening: { close(): Promise<void> } | undefined;
  #isHeld = false;
  /** A desired state was given: before that, silence means nothing (RFC 4724, End-of-RIB of a restarted unit). */
  #hasDesired = false;
  #isUpdateQueued = false;
  #startedAtMs = 0;

  constructor(options: SpeakerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#turns = new Turns(this.#clock);
    this.#ownSpace = new OwnSpace(options.networks);
    this.#log = new ChangeLog(options.routers.map(({ name }) => name));
    for (const peering of options.routers) {
      assert(!this.#members.has(peering.name), `router ${peering.name} is named once`);
      this.#members.set(peering.name, this.#makeMember(peering));
    }
  }

  async start(): Promise<void> {
    const { listen, routers } = this.#options;
    this.#startedAtMs = this.#clock.now();
    if (listen) {
      const openListener = this.#options.openListener ?? openPlainListener;
      this.#listening = await openListener({
        ...listen,
        peers: routers,
        accept: (socket, address, localAddress) => {
          const peer = this.#peerAt(address, localAddress);
          if (peer) peer.adopt(socket, false);
          else {
            this.#counters.add('unknown_peer');
            this.#options.log.warn({ address }, `bgp: ${address} is no router of ours: refused`);
            socket.destroy();
          }
        },
      });
    }
    for (const member of this.#members.values()) {
      member.freshSinceMs = this.#startedAtMs;
      member.peer.start();
      member.egress?.peer.start();
    }
  }

  async stop(reason = 'headgate is stopping'): Promise<void> {
    for (const member of this.#members.values()) {
      member.cancelDelay?.();
      member.cancelInterval?.();
      member.egress?.stop(reason);
      member.peer.stop(reason);
    }
    await this.#listening?.close();
    this.#listening = undefined;
  }

  setDesired(desired: Desired, prefixesMax?: number): void {
    this.#hasDesired = true;
    for (const [router, { announcer }] of this.#members)
      announcer.setDesired(desired.get(router) ?? [], prefixesMax);
    for (const router of desired.keys())
      assert(this.#members.has(router), `router ${router} of the desired state is a peer`);
    this.#updateAll();
  }

  setDetours(router: RouterId, detours: readonly Detour[]): void {
    const { egress } = this.#member(router);
    assert(egress !== undefined, `router ${router} has an egress session`);
    egress.setDetours(detours);
  }

  detours(router: RouterId): readonly InjectedDetour[] {
    return this.#member(router).egress?.entries ?? [];
  }

  withdrawAll(): void {
    this.#isHeld = true;
    this.#updateAll();
    this.#updateDetours();
  }

  resume(): void {
    this.#isHeld = false;
    this.#updateAll();
    this.#updateDetours();
  }

  sessions(): readonly SessionStatus[] {
    const now = this.#clock.now();
    return [...this.#members.values()].map((member) =>
      describeSession(member, this.rib.pathsOf(member.peer.ribPeer), now),
    );
  }

  routesFrom(
    router: RouterId,
    at?: string,
    limit = Number.POSITIVE_INFINITY,
  ): readonly ReceivedRoute[] {
    const { peer } = this.#member(router);
    return describeRoutes(this.rib, peer.ribPeer, router, at, limit);
  }

  routesTo(at: string): readonly RankedRoute[] {
    const tellers = new Map(
      [...this.#members.values()].map(({ peer }) => [
        peer.ribPeer,
        { router: peer.name, identifier: peer.identifier },
      ]),
    );
    return rankRoutes(this.rib, at, (peer) => tellers.get(peer));
  }

  ownRoutes(): readonly ReceivedRoute[] {
    const names = new Map([...this.#members.values()].map((m) => [m.peer.ribPeer, m.peer.name]));
    return describeExactly(this.rib, this.#ownSpace.prefixes, names);
  }

  announced(router: RouterId): readonly AnnouncedRoute[] {
    return this.#member(router).announcer.entries;
  }

  requestRefresh(router: RouterId): boolean {
    const { peer } = this.#member(router);
    return (peer.agreed?.families ?? [])
      .map((family) => peer.requestRefresh(family))
      .some((isAsked) => isAsked);
  }

  changes(since: number): ChangeStretch {
    return this.#log.read(since);
  }

  ribPeerOf(router: RouterId): number {
    return this.#member(router).peer.ribPeer;
  }

  onChange(listener: (change: SpeakerChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #makeMember(peering: RouterPeering): Member {
    const { log } = this.#options;
    const heard = dumpOf(this.#options, peering);
    const peer: Peer = this.#makePeer(peering, {
      phaseChanged: (phase, reason) => {
        heard.state(phase);
        this.#tell({ kind: 'session', router: peering.name, phase, reason });
        log.info({ router: peering.name, phase }, `bgp: ${peering.name} is ${phase}`);
      },
      established: (agreed) => this.#onEstablished(member, agreed),
      down: () => this.#onDown(member),
      endOfRib: (family) => this.#onEndOfRib(member, family),
      refreshWanted: (family) => this.#onRefreshWanted(member, family),
      received: (bytes) => heard.message(bytes, peer.agreed),
      routeChanged: (family, bytes, at, length, action) =>
        this.#onRoute(member, family, bytes, at, length, action),
    });
    const isInternal = peering.asn === this.#options.localAsn;
    const announcer = new Announcer(
      outboundRailsOf(this.#options),
      peering.mraiMs ?? (isInternal ? 5_000 : 30_000),
      {
        now: () => this.#clock.now(),
        waitsFor: (announcement) => this.#waitsFor(announcement),
        nextHopFor: (prefix) =>
          learnNextHop(this.rib, peer.ribPeer, peering, this.#options, prefix),
        send: (message) => peer.send(message),
        told: (prefix, action) =>
          this.#tell({ kind: 'sent', router: peering.name, prefix, action }),
      },
      peer.counters,
    );
    const member: Member = {
      peering,
      peer,
      announcer,
      egress: this.#makeEgress(peering, peer),
      upkeep: new Upkeep(this.#turns, () => this.#update(member)),
      isSettled: false,
      freshSinceMs: undefined,
      awaited: new Set(),
      owesEndOfRib: false,
      owesRefreshEnd: new Set(),
      cancelDelay: undefined,
      cancelInterval: undefined,
    };
    return member;
  }

  #makePeer(peering: RouterPeering, events: PeerEvents, ignoresRoutes = false): Peer {
    const { log, openSocket, random, acceptAsSets } = this.#options;
    return new Peer({
      peering,
      config: sessionConfigOf(this.#options, peering),
      rib: this.rib,
      clock: this.#clock,
      log,
      openSocket: openSocket ?? openPlainSocket,
      turns: this.#turns,
      random: random ?? Math.random,
      acceptAsSets: acceptAsSets ?? false,
      isRestarting: () => this.#isRestarting(peering),
      events,
      ignoresRoutes,
    });
  }

  #makeEgress(peering: RouterPeering, main: Peer): EgressSession | undefined {
    const { egressAddress, ...shared } = peering;
    const { localAsn, networks, maxDetours, monitor, log } = this.#options;
    if (egressAddress === undefined) return undefined;
    // Without graceful restart, so that its loss returns the router to plain BGP.
    const own = { ...shared, localAddress: egressAddress, addPath: false, gracefulRestartS: 0 };
    return new EgressSession({
      peering: own,
      localAsn,
      networks,
      maxDetours: maxDetours ?? 10_000,
      clock: this.#clock,
      turns: this.#turns,
      log,
      main,
      mainOf: (router) => this.#members.get(router)?.peer,
      rib: this.rib,
      monitor,
      makePeer: (events) => this.#makePeer(own, events, true),
      isHeld: () => this.#isHeld,
      tell: (change) => this.#tell(change),
    });
  }

  /** Whose connection this is: two sessions with a router differ by our own end. */
  #peerAt(address: string, localAddress: string | undefined): Peer | undefined {
    const members = [...this.#members.values()].filter((m) => m.peering.address === address);
    const egress = members.find(
      ({ peering }) => localAddress !== undefined && peering.egressAddress === localAddress,
    );
    return egress?.egress?.peer ?? members[0]?.peer;
  }

  /** RFC 4724 section 3: the R bit is set until our first announcements after a start are complete. */
  #isRestarting(peering: RouterPeering): boolean {
    const windowMs = (peering.gracefulRestartS ?? 120) * 1000;
    return this.#clock.now() - this.#startedAtMs < windowMs;
  }

  #onEstablished(member: Member, agreed: Negotiated): void {
    const { peering } = member;
    member.awaited = new Set(agreed.families);
    member.egress?.update();
    member.owesEndOfRib = true;
    member.freshSinceMs = this.#clock.now();
    const delayMs = peering.announceDelayMs ?? 10_000;
    member.cancelDelay?.();
    member.cancelDelay = this.#clock.after(delayMs, () => this.#settle(member, 'delay over'));
    this.#options.log.info(
      { router: peering.name, capabilities: member.peer.capabilities },
      `bgp: session with ${peering.name} established`,
    );
  }

  #onEndOfRib(member: Member, family: UnicastFamily): void {
    member.awaited.delete(family);
    if (member.awaited.size === 0) this.#settle(member, 'End-of-RIB');
  }

  #settle(member: Member, why: string): void {
    const { agreed } = member.peer;
    if (member.isSettled || !agreed) return;
    member.cancelDelay?.();
    member.isSettled = true;
    member.announcer.open(agreed);
    this.#options.log.debug({ router: member.peering.name, why }, 'bgp: ready to announce');
    this.#updateAll();
  }

  #onDown(member: Member): void {
    member.isSettled = false;
    member.freshSinceMs = undefined;
    member.owesRefreshEnd.clear();
    member.cancelDelay?.();
    member.cancelInterval?.();
    member.announcer.close();
    member.egress?.update();
    this.#updateAll();
  }

  #onRefreshWanted(member: Member, family: UnicastFamily): void {
    member.peer.markRefresh(family, 'begin');
    member.announcer.forget(family);
    member.owesRefreshEnd.add(family);
    member.upkeep.renew();
  }

  /** Called for every route that changes, millions of times while a table comes in: cheap unless somebody cares. */
  #onRoute(
    { peer, egress }: Member,
    family: UnicastFamily,
    bytes: Uint8Array,
    at: number,
    length: number,
    action: 'announced' | 'withdrawn',
  ): void {
    egress?.noteChange();
    this.#log.addRoute(this.#turns.nowMs, peer.ribPeer, family, bytes, at, length, action);
    // The next hop of a block, or somebody else's announcement of it, may have changed.
    if (this.#ownSpace.touches(family, bytes, at, length)) {
      const prefix = readPrefix(family, bytes, at, length);
      this.#ownSpace.note(prefix, this.rib.paths(prefix).length > 0);
      this.#queueUpdate();
    }
    if (this.#listeners.size === 0) return;
    const prefix = formatPrefix(readPrefix(family, bytes, at, length));
    this.#tell({ kind: 'received', router: peer.name, prefix, action });
  }

  /** Why an announcement must not be made now, seen over all routers. */
  #waitsFor(announcement: Announcement): Wait | undefined {
    if (this.#isHeld) return { reason: 'all announcements are withdrawn until resumed' };
    for (const name of announcement.requires ?? []) {
      const member = this.#members.get(name);
      if (!member) return { reason: `router ${name} is not a peer`, waitsFor: name };
      if (!member.isSettled && !member.peer.isAwaitedBack) {
        const reason = `router ${name} does not carry it: its session is ${member.peer.phase}`;
        return { reason, waitsFor: name };
      }
    }
    return undefined;
  }

  /** Several routes that change together lead to one update, after the messages at hand. */
  #queueUpdate(): void {
    if (this.#isUpdateQueued) return;
    this.#isUpdateQueued = true;
    this.#turns.add(() => {
      this.#isUpdateQueued = false;
      for (const { upkeep } of this.#members.values()) upkeep.again();
      return false;
    });
  }

  #updateAll(): void {
    for (const { upkeep } of this.#members.values()) upkeep.renew();
  }

  #updateDetours(): void {
    for (const { egress } of this.#members.values()) egress?.update();
  }

  *#update(member: Member): Sliced<void> {
    const againMs = yield* member.announcer.update();
    member.cancelInterval?.();
    member.cancelInterval =
      againMs === undefined ? undefined : this.#clock.after(againMs, () => member.upkeep.again());
    this.#payEndOfRib(member);
    for (const family of member.owesRefreshEnd) member.peer.markRefresh(family, 'end');
    member.owesRefreshEnd.clear();
  }

  /** Our End-of-RIB tells a router that kept our routes which of them are gone: only once we know ourselves. */
  #payEndOfRib(member: Member): void {
    const { peer, announcer } = member;
    if (!member.owesEndOfRib || !member.isSettled || !peer.agreed) return;
    const isComplete = announcer.entries.every(({ state }) => state !== 'waiting');
    const windowIsOver = !this.#isRestarting(member.peering);
    if (!((this.#hasDesired && isComplete) || windowIsOver)) return;
    for (const family of peer.agreed.families) peer.send(encodeEndOfRib(family));
    peer.counters.add('out.end_of_rib', peer.agreed.families.length);
    member.owesEndOfRib = false;
  }

  #member(router: RouterId): Member {
    const member = this.#members.get(router);
    assert(member !== undefined, `router ${router} is a peer`);
    return member;
  }

  #tell(change: SpeakerChange): void {
    if (change.kind !== 'received') this.#log.add(this.#clock.now(), change);
    for (const listener of this.#listeners) listener(change);
  }
}
