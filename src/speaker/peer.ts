/**
 * One router's session: carries out what the state machine says with a socket, a timer and the tables.
 * Messages wait in a queue and are handled in turns with those of the other sessions.
 */
import type { Duplex } from 'node:stream';
import { unreachable } from '../core/base/result.ts';
import type { RouterId } from '../core/base/units.ts';
import { describeNegotiated, type Negotiated } from '../core/bgp/negotiate.ts';
import { type IntakeTally, UpdateIntake } from '../core/bgp/rib/intake.ts';
import {
  establishedOf,
  initialState,
  nextDeadline,
  phaseOf,
  type SessionAction,
  type SessionEvent,
  type SessionPhase,
  type SessionState,
  step,
} from '../core/bgp/session.ts';
import {
  afiOf,
  ceaseSubcode,
  familyOf,
  maxExtendedLength,
  messageType,
  safiUnicast,
  type UnicastFamily,
} from '../core/wire/bgp/codes.ts';
import type { BgpError } from '../core/wire/bgp/error.ts';
import { type Frame, MessageSplitter } from '../core/wire/bgp/framing.ts';
import {
  decodeNotification,
  decodeRouteRefresh,
  encodeRouteRefresh,
  type RouteRefresh,
} from '../core/wire/bgp/notification.ts';
import { decodeOpen } from '../core/wire/bgp/open.ts';
import type { PeerParts } from './peer-parts.ts';
import type { RouterPeering } from './peering.ts';
import { Counters, type LastError } from './status.ts';

interface Link {
  readonly id: number;
  readonly socket: Duplex;
  readonly splitter: MessageSplitter;
  readonly chunks: Uint8Array[];
  waitingBytes: number;
  isQueued: boolean;
  isClosed: boolean;
}

const connectTimeoutMs = 10_000;
/** Bytes received and not yet handled at which a socket is paused. */
const pauseBytes = 1 << 18;
/**
 * Bytes handled between two looks at the clock, if they are not one message: 1,000 prefixes of 4 bytes or so, a few
 * milliseconds even before the code that takes them is compiled.
 */
const portionBytes = 1 << 12;
const sweepEntries = 2_000;

export class Peer {
  readonly name: RouterId;
  readonly peering: RouterPeering;
  readonly ribPeer: number;
  readonly counters = new Counters();
  lastError: LastError | undefined;
  phaseSinceMs: number;
  /** The router's BGP identifier in its latest session; empty before the first. */
  identifier = '';
  readonly #parts: PeerParts;
  #state: SessionState = initialState;
  #agreed: Negotiated | undefined;
  #intake: UpdateIntake | undefined;
  readonly #links = new Map<number, Link>();
  #nextLinkId = 1;
  /** Counts attempts, so that the result of one that was cancelled is thrown away. */
  #attempt = 0;
  #cancelTimer: (() => void) | undefined;
  /** An UPDATE of this portion was shown to the state machine, and the session is established. */
  #isHoldRestarted = false;
  /** Families between BoRR and EoRR (RFC 7313). */
  readonly #refreshing = new Set<UnicastFamily>();

  constructor(parts: PeerParts) {
    this.#parts = parts;
    this.peering = parts.peering;
    this.name = parts.peering.name;
    this.ribPeer = parts.rib.addPeer();
    this.phaseSinceMs = parts.clock.now();
  }

  get phase(): SessionPhase {
    return phaseOf(this.#state);
  }

  get agreed(): Negotiated | undefined {
    return this.#agreed;
  }

  /** The session is lost, but the router is expected back and has kept our routes (RFC 4724). */
  get isAwaitedBack(): boolean {
    return this.#agreed === undefined && this.#state.staleUntil !== undefined;
  }

  get capabilities(): readonly string[] {
    return this.#agreed ? describeNegotiated(this.#agreed) : [];
  }

  start(): void {
    this.#dispatch({ kind: 'start' });
  }

  stop(reason: string): void {
    const subcode = ceaseSubcode.administrativeShutdown;
    this.#dispatch({ kind: 'stop', subcode, reason, restart: false });
  }

  /** Ends the session with a Cease and begins anew. */
  reset(subcode: number, reason: string): void {
    this.#dispatch({ kind: 'stop', subcode, reason, restart: true });
  }

  /** Asks the router to tell everything of a family again; false when it cannot. */
  requestRefresh(family: UnicastFamily): boolean {
    if (!this.#agreed?.routeRefresh || !this.#agreed.families.includes(family)) return false;
    this.send(encodeRouteRefresh({ afi: afiOf(family), safi: safiUnicast, kind: 'request' }));
    this.counters.add('out.route_refresh');
    return true;
  }

  /** Says where an answer to such a wish of the router begins and ends (RFC 7313). */
  markRefresh(family: UnicastFamily, kind: 'begin' | 'end'): void {
    if (!this.#agreed?.enhancedRefresh) return;
    this.send(encodeRouteRefresh({ afi: afiOf(family), safi: safiUnicast, kind }));
  }

  /** Sends a message on the established session; nothing when there is none. */
  send(bytes: Uint8Array): void {
    const connection = establishedOf(this.#state);
    if (connection) this.#links.get(connection.id)?.socket.write(bytes);
  }

  /** Takes over a connected socket. */
  adopt(socket: Duplex, isOutgoing: boolean): void {
    const link: Link = {
      id: this.#nextLinkId++,
      socket,
      splitter: new MessageSplitter(),
      chunks: [],
      waitingBytes: 0,
      isQueued: false,
      isClosed: false,
    };
    this.#links.set(link.id, link);
    let problem = 'closed by the router';
    socket.on('data', (chunk: Buffer) => this.#receive(link, chunk));
    socket.on('error', (error) => {
      problem = error.message;
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#closed(link, problem));
    this.#dispatch({ kind: 'opened', id: link.id, isOutgoing });
  }

  #receive(link: Link, chunk: Buffer): void {
    if (link.isClosed) return;
    // A plain view: views of a Buffer cost several times as much to make, and its slice() copies nothing.
    link.chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
    link.waitingBytes += chunk.length;
    if (link.waitingBytes > pauseBytes) link.socket.pause();
    if (link.isQueued) return;
    link.isQueued = true;
    this.#parts.turns.add(() => this.#handlePortion(link));
  }

  /** Handles some messages of a connection; true when there are more. */
  #handlePortion(link: Link): boolean {
    this.#isHoldRestarted = false;
    for (let handled = 0; handled < portionBytes; ) {
      if (link.isClosed) return false;
      const next = link.splitter.next();
      if (!next) {
        const chunk = link.chunks.shift();
        if (!chunk) return this.#drained(link);
        link.waitingBytes -= chunk.length;
        link.splitter.push(chunk);
        continue;
      }
      handled += next.ok ? next.value.bytes.length : 0;
      if (next.ok) this.#handle(link, next.value);
      else this.#broken(link, next.error, 'message header');
    }
    return true;
  }

  #drained(link: Link): false {
    link.isQueued = false;
    if (link.socket.isPaused()) link.socket.resume();
    return false;
  }

  #closed(link: Link, reason: string): void {
    // What came before the end is handled first: a last NOTIFICATION says why.
    if (!link.isClosed && link.isQueued) {
      this.#parts.turns.add(() => {
        if (link.isQueued && !link.isClosed) return true;
        this.#forget(link, reason);
        return false;
      });
    } else this.#forget(link, reason);
  }

  #forget(link: Link, reason: string): void {
    if (!this.#links.delete(link.id)) return;
    const wasOpen = !link.isClosed;
    link.isClosed = true;
    if (wasOpen) this.#dispatch({ kind: 'closed', id: link.id, reason });
  }

  #handle(link: Link, frame: Frame): void {
    const { id } = link;
    this.#parts.events.received(frame.bytes);
    switch (frame.type) {
      case messageType.update:
        this.counters.add('in.update');
        // The hold timer starts again once for all UPDATEs of a portion: they are handled at the same moment.
        if (!this.#isHoldRestarted) this.#dispatch({ kind: 'update', id });
        this.#isHoldRestarted = this.#agreed !== undefined;
        if (!link.isClosed) this.#takeUpdate(link, frame.bytes);
        return;
      case messageType.keepalive:
        this.counters.add('in.keepalive');
        this.#dispatch({ kind: 'keepalive', id });
        return;
      case messageType.open: {
        this.counters.add('in.open');
        const open = decodeOpen(frame.bytes);
        if (open.ok) this.#dispatch({ kind: 'open', id, open: open.value });
        else this.#broken(link, open.error, 'OPEN');
        return;
      }
      case messageType.notification:
        this.counters.add('in.notification');
        this.#dispatch({ kind: 'notification', id, notification: decodeNotification(frame.bytes) });
        return;
      default: {
        this.counters.add('in.route_refresh');
        this.#dispatch({ kind: 'route_refresh', id });
        if (link.isClosed) return;
        const refresh = decodeRouteRefresh(frame.bytes);
        if (refresh.ok) this.#takeRefresh(refresh.value);
        else this.#broken(link, refresh.error, 'ROUTE-REFRESH');
      }
    }
  }

  #takeUpdate(link: Link, bytes: Uint8Array): void {
    if (this.#parts.ignoresRoutes) {
      this.counters.add('ignored_update');
      return;
    }
    const taken = this.#intake?.take(bytes);
    if (!taken) return;
    if (!taken.ok) {
      this.#broken(link, taken.error, 'UPDATE');
      return;
    }
    this.#account(taken.value);
    const limit = this.peering.maxPrefixesReceived ?? 2_500_000;
    if (this.#parts.rib.pathsOf(this.ribPeer) > limit)
      this.reset(ceaseSubcode.maxPrefixes, `more than ${limit} paths`);
  }

  #account(tally: IntakeTally): void {
    const { counters } = this;
    if (tally.announced > 0) counters.add('routes_in', tally.announced);
    if (tally.withdrawn > 0) counters.add('withdrawals_in', tally.withdrawn);
    if (tally.ignoredFamilies > 0) counters.add('ignored_family', tally.ignoredFamilies);
    if (tally.treatedAsWithdrawn > 0)
      counters.add('treated_as_withdrawn', tally.treatedAsWithdrawn);
    for (const error of tally.errors) this.#noteError(error, 'UPDATE');
    if (tally.endOfRib) {
      this.counters.add('in.end_of_rib');
      this.#endOfRib(tally.endOfRib);
    }
  }

  #endOfRib(family: UnicastFamily): void {
    this.#sweep(family);
    this.#parts.events.endOfRib(family);
  }

  #takeRefresh(refresh: RouteRefresh): void {
    const family = familyOf(refresh.afi, refresh.safi);
    if (!family || !this.#agreed?.families.includes(family)) {
      this.counters.add('ignored_family');
      return;
    }
    if (refresh.kind === 'request') this.#parts.events.refreshWanted(family);
    else if (refresh.kind === 'begin') {
      this.#refreshing.add(family);
      this.#parts.rib.markStale(this.ribPeer, family);
    } else if (refresh.kind === 'end' && this.#refreshing.delete(family)) this.#sweep(family);
    else this.counters.add('ignored_refresh');
  }

  #broken(link: Link, error: BgpError, message: string): void {
    this.#noteError(error, message);
    this.#dispatch({ kind: 'broken', id: link.id, error });
  }

  #noteError(error: BgpError, message: string): void {
    this.counters.add(`error.${error.code}`);
    this.counters.add(`reaction.${error.reaction}`);
    const { code, offset, reaction, attribute } = error;
    this.#parts.log.warn(
      { router: this.name, message, code, offset, reaction, ...(attribute ? { attribute } : {}) },
      `bgp: ${this.name}: error in ${message}: ${code} at byte ${offset}: ${reaction.replaceAll('_', ' ')}`,
    );
    this.#setError(`${message}: ${code} at byte ${offset}, ${reaction.replaceAll('_', ' ')}`);
  }

  #dispatch(event: SessionEvent): void {
    const before = phaseOf(this.#state);
    const now = this.#parts.clock.now();
    const { state, actions } = step(this.#state, event, {
      config: this.#parts.config,
      now,
      random: this.#parts.random(),
      isRestarting: this.#parts.isRestarting(),
    });
    this.#state = state;
    let reason = '';
    for (const action of actions) {
      if (action.kind === 'note') reason = action.text;
      this.#act(action);
    }
    const phase = phaseOf(this.#state);
    if (phase !== before) {
      this.phaseSinceMs = now;
      this.#parts.events.phaseChanged(phase, reason);
    }
    // Most messages only move the hold timer on: the timer that is set finds that out when it fires.
    if (actions.length > 0 || this.#cancelTimer === undefined) this.#schedule();
  }

  #act(action: SessionAction): void {
    switch (action.kind) {
      case 'connect':
        void this.#connect();
        return;
      case 'cancel_connect':
        this.#attempt++;
        return;
      case 'send':
        this.counters.add(`out.${action.name}`);
        this.#links.get(action.id)?.socket.write(action.bytes);
        return;
      case 'close':
        this.#close(action.id);
        return;
      case 'established':
        this.#establish(action.id, action.agreed);
        return;
      case 'down':
        this.#down(action.reason, action.keepStale);
        return;
      case 'drop_stale':
        for (const family of [4, 6] as const) this.#sweep(family);
        return;
      case 'note':
        this.#setError(action.text);
        this.#parts.log.info({ router: this.name }, `bgp: ${this.name}: ${action.text}`);
        return;
      default:
        unreachable(action);
    }
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    const { address, port, localAddress, md5, ttlSecurityHops } = this.peering;
    try {
      const socket = await this.#parts.openSocket({
        address,
        port: port ?? 179,
        ...(localAddress !== undefined ? { localAddress } : {}),
        ...(md5 !== undefined ? { md5 } : {}),
        ...(ttlSecurityHops !== undefined ? { ttlSecurityHops } : {}),
        timeoutMs: connectTimeoutMs,
      });
      if (attempt === this.#attempt) this.adopt(socket, true);
      else socket.destroy();
    } catch (cause) {
      if (attempt !== this.#attempt) return;
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#dispatch({ kind: 'connect_failed', reason });
    }
  }

  #close(id: number): void {
    const link = this.#links.get(id);
    if (!link) return;
    link.isClosed = true;
    link.chunks.length = 0;
    // Ends after what was written, a NOTIFICATION perhaps; a router that does not close is cut off.
    link.socket.end();
    const cancel = this.#parts.clock.after(1_000, () => link.socket.destroy());
    link.socket.once('close', cancel);
  }

  #establish(id: number, agreed: Negotiated): void {
    const { rib, acceptAsSets, events } = this.#parts;
    this.#agreed = agreed;
    this.identifier = agreed.peerRouterId;
    this.#refreshing.clear();
    const link = this.#links.get(id);
    if (link && agreed.extendedMessages) link.splitter.maxLength = maxExtendedLength;
    const context = {
      as4: agreed.as4,
      isInternal: agreed.isInternal,
      addPath: agreed.addPathReceive,
      acceptAsSets,
    };
    this.#intake = new UpdateIntake(rib, this.ribPeer, context, events.routeChanged);
    // RFC 4724 section 4.2: what the router did not keep forwarding for is dropped now.
    for (const family of [4, 6] as const) {
      if (!agreed.gracefulRestart?.forwardingKept.includes(family)) this.#sweep(family);
    }
    events.established(agreed);
  }

  #down(reason: string, keepStale: boolean): void {
    this.#agreed = undefined;
    this.#intake = undefined;
    for (const family of [4, 6] as const) {
      this.#parts.rib.markStale(this.ribPeer, family);
      if (!keepStale) this.#sweep(family);
    }
    this.#parts.events.down(reason);
  }

  /** Removes what is stale, in portions. */
  #sweep(family: UnicastFamily): void {
    const { rib, turns, events } = this.#parts;
    if (rib.pathsOf(this.ribPeer) === 0) return;
    let cursor: number | undefined = 1;
    turns.add(() => {
      if (cursor === undefined) return false;
      cursor = rib.sweepStale(family, this.ribPeer, cursor, sweepEntries, (prefix) => {
        this.counters.add('stale_removed');
        events.routeChanged(family, prefix.bytes, 0, prefix.length, 'withdrawn');
      });
      return cursor !== undefined;
    });
  }

  #setError(text: string): void {
    this.lastError = { text, atMs: this.#parts.clock.now() };
  }

  #schedule(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const deadline = nextDeadline(this.#state);
    if (deadline === undefined) return;
    const delayMs = Math.max(0, deadline - this.#parts.clock.now());
    this.#cancelTimer = this.#parts.clock.after(delayMs, () => {
      this.#cancelTimer = undefined;
      this.#dispatch({ kind: 'tick' });
    });
  }
}
