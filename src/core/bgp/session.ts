/**
 * The BGP session state machine (RFC 4271 section 8) as a pure step: state + event + time → state + actions.
 *
 * Timers are moments in the state: `nextDeadline` tells the earliest, and a `tick` at or after it lets them
 * act, so none can be left behind. Both ends may connect at once: a state holds up to two connections until
 * collision detection (section 6.8) has chosen one. Differences from the RFC: no DelayOpen; the wait before
 * connecting again grows from 2 to 60 s instead of a fixed 120 s, since a lost session costs steering.
 */
import { unreachable } from '../base/result.ts';
import { ceaseSubcode, notificationCode, notificationName } from '../wire/bgp/codes.ts';
import type { BgpError } from '../wire/bgp/error.ts';
import {
  describeNotification,
  encodeKeepalive,
  encodeNotification,
  encodeShutdownReason,
  type Notification,
} from '../wire/bgp/notification.ts';
import { encodeOpen, type Open } from '../wire/bgp/open.ts';
import {
  asnOf,
  buildOpen,
  checkOpen,
  isAbove,
  type Negotiated,
  negotiate,
  type SessionConfig,
} from './negotiate.ts';

export type ConnectionPhase = 'open_sent' | 'open_confirm' | 'established';
export type SessionPhase = 'idle' | 'connect' | 'active' | ConnectionPhase;

export interface Connection {
  readonly id: number;
  readonly isOutgoing: boolean;
  readonly phase: ConnectionPhase;
  readonly sinceMs: number;
  readonly agreed?: Negotiated;
  /** Undefined: no hold timer (a hold time of 0 was agreed). */
  readonly holdAt?: number;
  readonly keepaliveAt?: number;
}

export interface SessionState {
  readonly isStarted: boolean;
  /** An outgoing connection is being made. */
  readonly isConnecting: boolean;
  /** When to connect next. */
  readonly connectAt?: number;
  /** Attempts since the last established session: the wait grows with them. */
  readonly failures: number;
  readonly connections: readonly Connection[];
  /** Routes of a lost session are kept until then (RFC 4724). */
  readonly staleUntil?: number;
}

export type SessionEvent =
  | { readonly kind: 'start' }
  /** An administrator's stop (no restart) or reset (`restart`). */
  | {
      readonly kind: 'stop';
      readonly subcode: number;
      readonly reason: string;
      readonly restart: boolean;
    }
  | { readonly kind: 'opened'; readonly id: number; readonly isOutgoing: boolean }
  | { readonly kind: 'connect_failed'; readonly reason: string }
  | { readonly kind: 'closed'; readonly id: number; readonly reason: string }
  | { readonly kind: 'open'; readonly id: number; readonly open: Open }
  | { readonly kind: 'keepalive' | 'update' | 'route_refresh'; readonly id: number }
  | { readonly kind: 'notification'; readonly id: number; readonly notification: Notification }
  /** What was received cannot be understood: the session must be reset. */
  | { readonly kind: 'broken'; readonly id: number; readonly error: BgpError }
  /** Every family's End-of-RIB has come: nothing stale is left. */
  | { readonly kind: 'stale_swept' }
  | { readonly kind: 'tick' };

export type SessionAction =
  | { readonly kind: 'connect' }
  | { readonly kind: 'cancel_connect' }
  | {
      readonly kind: 'send';
      readonly id: number;
      readonly bytes: Uint8Array;
      readonly name: string;
    }
  | { readonly kind: 'close'; readonly id: number }
  | { readonly kind: 'established'; readonly id: number; readonly agreed: Negotiated }
  /** The established session is gone; its routes are kept as stale, or to be dropped. */
  | { readonly kind: 'down'; readonly reason: string; readonly keepStale: boolean }
  | { readonly kind: 'drop_stale' }
  /** Something went wrong, for the log and the status: with the RFC's name. */
  | { readonly kind: 'note'; readonly text: string };

/** What a step may know of the world. `random` is in [0, 1). */
export interface StepContext {
  readonly config: SessionConfig;
  readonly now: number;
  readonly random: number;
  /** Our process is new (see `buildOpen`). */
  readonly isRestarting: boolean;
}

export interface StepResult {
  readonly state: SessionState;
  readonly actions: readonly SessionAction[];
}

export const initialState: SessionState = {
  isStarted: false,
  isConnecting: false,
  failures: 0,
  connections: [],
};

/** The hold time before the peer's OPEN is known (RFC 4271 section 8.2.2: a large value, 4 minutes). */
const openHoldMs = 240_000;
const retryMinMs = 2_000;
const retryMaxMs = 60_000;
/** A second connection within this time of establishing is a collision, later it is a restarted peer. */
const collisionWindowMs = 5_000;

export function phaseOf(state: SessionState): SessionPhase {
  const order: readonly ConnectionPhase[] = ['established', 'open_confirm', 'open_sent'];
  for (const phase of order) {
    if (state.connections.some((connection) => connection.phase === phase)) return phase;
  }
  if (!state.isStarted) return 'idle';
  return state.isConnecting ? 'connect' : 'active';
}

/** When `tick` is due; undefined when nothing waits. */
export function nextDeadline(state: SessionState): number | undefined {
  const moments = [
    state.connectAt,
    state.staleUntil,
    ...state.connections.flatMap(({ holdAt, keepaliveAt }) => [holdAt, keepaliveAt]),
  ].filter((moment) => moment !== undefined);
  return moments.length > 0 ? Math.min(...moments) : undefined;
}

export const establishedOf = (state: SessionState): Connection | undefined =>
  state.connections.find(({ phase }) => phase === 'established');

export function step(state: SessionState, event: SessionEvent, context: StepContext): StepResult {
  // By far the most frequent: the hold timer starts again, nothing else.
  if (event.kind === 'update' || event.kind === 'keepalive' || event.kind === 'route_refresh') {
    const connection = find(state, event.id);
    if (connection?.phase === 'established')
      return { state: replace(state, restartHold(connection, context)), actions: [] };
  }
  const draft = new Draft(state, context);
  act(draft, event);
  return { state: draft.state, actions: draft.actions };
}

function act(draft: Draft, event: SessionEvent): void {
  switch (event.kind) {
    case 'start':
      onStart(draft);
      return;
    case 'stop':
      onStop(draft, event);
      return;
    case 'opened':
      onOpened(draft, event);
      return;
    case 'connect_failed':
      if (!draft.state.isConnecting) return;
      draft.set({ isConnecting: false });
      draft.note(`cannot connect: ${event.reason}`);
      draft.scheduleConnect();
      return;
    case 'closed':
      onClosed(draft, event.id, event.reason);
      return;
    case 'open':
      onOpen(draft, event);
      return;
    case 'keepalive':
    case 'update':
    case 'route_refresh':
      onEarlyMessage(draft, event);
      return;
    case 'notification':
      onNotification(draft, event);
      return;
    case 'broken': {
      const { code, subcode, data } = event.error.notification;
      draft.fail(event.id, code, subcode, `${event.error.code} at ${event.error.offset}`, data);
      return;
    }
    case 'stale_swept':
      draft.set({ staleUntil: undefined });
      return;
    case 'tick':
      onTick(draft);
      return;
    default:
      unreachable(event);
  }
}

function onStart(draft: Draft): void {
  if (draft.state.isStarted) return;
  draft.set({ isStarted: true, failures: 0 });
  if (!draft.context.config.isPassive) draft.connect();
}

function onStop(draft: Draft, event: SessionEvent & { kind: 'stop' }): void {
  const data = encodeShutdownReason(event.reason);
  for (const { id } of draft.state.connections)
    draft.end(id, { code: notificationCode.cease, subcode: event.subcode, data }, event.reason);
  if (draft.state.isConnecting) draft.push({ kind: 'cancel_connect' });
  draft.set({ isConnecting: false, connectAt: undefined });
  if (event.restart) {
    draft.scheduleConnect();
    return;
  }
  if (draft.state.staleUntil !== undefined) draft.push({ kind: 'drop_stale' });
  draft.set({ isStarted: false, staleUntil: undefined });
}

function onOpened(draft: Draft, { id, isOutgoing }: SessionEvent & { kind: 'opened' }): void {
  const { state, context } = draft;
  const wasWanted = isOutgoing ? state.isConnecting : state.isStarted;
  if (isOutgoing && wasWanted) draft.set({ isConnecting: false, connectAt: undefined });
  const established = establishedOf(state);
  const hasSameDirection = state.connections.some(
    (other) => other.isOutgoing === isOutgoing && other.phase !== 'established',
  );
  const mayRestart = established?.agreed?.gracefulRestart !== undefined && !isOutgoing;
  if (!wasWanted || hasSameDirection || (established && !mayRestart)) {
    const subcode = wasWanted ? ceaseSubcode.collision : ceaseSubcode.connectionRejected;
    draft.push(sendNotification(id, notificationCode.cease, subcode), { kind: 'close', id });
    return;
  }
  draft.set({
    connections: [
      ...state.connections,
      {
        id,
        isOutgoing,
        phase: 'open_sent',
        sinceMs: context.now,
        holdAt: context.now + openHoldMs,
      },
    ],
  });
  const open = buildOpen(context.config, context.isRestarting);
  draft.push({ kind: 'send', id, bytes: encodeOpen(open), name: 'open' });
}

function onClosed(draft: Draft, id: number, reason: string): void {
  const connection = find(draft.state, id);
  if (!connection) return;
  draft.remove(connection, `connection lost: ${reason}`, true);
}

function onOpen(draft: Draft, { id, open }: SessionEvent & { kind: 'open' }): void {
  const connection = find(draft.state, id);
  if (!connection) return;
  if (connection.phase !== 'open_sent') {
    draft.failUnexpected(connection, 'open');
    return;
  }
  const { config, now } = draft.context;
  const error = checkOpen(open, config);
  if (error) {
    const { code, subcode, data } = error.notification;
    const detail = `${error.code} (AS ${asnOf(open)}, identifier ${open.routerId}, hold time ${open.holdTimeS} s)`;
    draft.fail(id, code, subcode, detail, data);
    return;
  }
  if (!resolveCollision(draft, connection, open)) return;
  const agreed = negotiate(open, config);
  draft.replace(
    restartHold(
      {
        ...connection,
        phase: 'open_confirm',
        sinceMs: now,
        agreed,
        ...keepalive(agreed, draft.context),
      },
      draft.context,
    ),
  );
  draft.push({ kind: 'send', id, bytes: encodeKeepalive(), name: 'keepalive' });
}

const collision: Notification = {
  code: notificationCode.cease,
  subcode: ceaseSubcode.collision,
  data: new Uint8Array(0),
};

/** RFC 4271 section 6.8 with the identifiers of RFC 6286. False: this connection lost and is closed. */
function resolveCollision(draft: Draft, connection: Connection, open: Open): boolean {
  const { config, now } = draft.context;
  const rival = draft.state.connections.find(
    (other) => other.id !== connection.id && other.phase !== 'open_sent',
  );
  if (!rival) return true;
  if (rival.phase === 'established') {
    // RFC 4724 section 5: a new connection from a peer with graceful restart means that it restarted.
    if (rival.agreed?.gracefulRestart && now - rival.sinceMs > collisionWindowMs) {
      draft.push({ kind: 'close', id: rival.id });
      draft.remove(rival, 'the peer restarted', true);
      return true;
    }
    draft.end(connection.id, collision, 'collision with an established session');
    return false;
  }
  const keepsOutgoing = isAbove(config, open);
  const loser = connection.isOutgoing === keepsOutgoing ? rival : connection;
  draft.end(loser.id, collision, 'collision');
  return loser !== connection;
}

function onEarlyMessage(
  draft: Draft,
  event: SessionEvent & { kind: 'keepalive' | 'update' | 'route_refresh' },
): void {
  const connection = find(draft.state, event.id);
  if (!connection) return;
  const { agreed } = connection;
  if (connection.phase !== 'open_confirm' || event.kind !== 'keepalive' || !agreed) {
    draft.failUnexpected(connection, event.kind);
    return;
  }
  draft.replace(
    restartHold({ ...connection, phase: 'established', sinceMs: draft.context.now }, draft.context),
  );
  // Whatever else is under way has lost.
  for (const other of draft.state.connections) {
    if (other.id === connection.id) continue;
    draft.end(other.id, collision, 'collision');
  }
  if (draft.state.isConnecting) draft.push({ kind: 'cancel_connect' });
  draft.set({ isConnecting: false, connectAt: undefined, failures: 0 });
  if (draft.state.staleUntil !== undefined)
    // From now on the time that the peer has to send its table again.
    draft.set({ staleUntil: draft.context.now + draft.context.config.staleMaxS * 1000 });
  draft.push({ kind: 'established', id: connection.id, agreed });
}

function onNotification(draft: Draft, event: SessionEvent & { kind: 'notification' }): void {
  const connection = find(draft.state, event.id);
  if (!connection) return;
  draft.push({ kind: 'close', id: event.id });
  const text = `received NOTIFICATION ${describeNotification(event.notification)}`;
  draft.remove(connection, text, connection.agreed?.gracefulRestart?.withNotification === true);
}

function onTick(draft: Draft): void {
  const { now } = draft.context;
  if (draft.state.staleUntil !== undefined && draft.state.staleUntil <= now) {
    draft.set({ staleUntil: undefined });
    draft.push({ kind: 'drop_stale' });
  }
  for (const connection of draft.state.connections) {
    if (connection.holdAt !== undefined && connection.holdAt <= now) {
      draft.fail(connection.id, notificationCode.holdTimer, 0, 'nothing heard');
    } else if (
      connection.keepaliveAt !== undefined &&
      connection.keepaliveAt <= now &&
      connection.agreed
    ) {
      draft.replace({ ...connection, ...keepalive(connection.agreed, draft.context) });
      draft.push({ kind: 'send', id: connection.id, bytes: encodeKeepalive(), name: 'keepalive' });
    }
  }
  if (draft.state.connectAt !== undefined && draft.state.connectAt <= now) draft.connect();
}

/** The state being changed by one step, and what is to be done about it. */
class Draft {
  state: SessionState;
  readonly context: StepContext;
  readonly actions: SessionAction[] = [];

  constructor(state: SessionState, context: StepContext) {
    this.state = state;
    this.context = context;
  }

  set(change: { readonly [K in keyof SessionState]?: SessionState[K] | undefined }): void {
    // An undefined value takes the key out: absent moments are absent keys, so that states compare plainly.
    const merged = Object.entries({ ...this.state, ...change }).filter(([, v]) => v !== undefined);
    // The cast: every required key is in `this.state`, and no caller sets one to undefined.
    this.state = Object.fromEntries(merged) as unknown as SessionState;
  }

  push(...actions: SessionAction[]): void {
    this.actions.push(...actions);
  }

  note(text: string): void {
    this.push({ kind: 'note', text });
  }

  replace(connection: Connection): void {
    this.state = replace(this.state, connection);
  }

  connect(): void {
    this.set({ isConnecting: true, connectAt: undefined });
    this.push({ kind: 'connect' });
  }

  /** Plans the next attempt, unless one is under way or somebody is connected. */
  scheduleConnect(): void {
    const { state, context } = this;
    if (!state.isStarted || state.isConnecting || state.connections.length > 0) return;
    if (context.config.isPassive) return;
    const waitMs = Math.min(retryMaxMs, retryMinMs * 2 ** state.failures);
    this.set({
      failures: Math.min(state.failures + 1, 16),
      connectAt: context.now + jitter(waitMs, context.random),
    });
  }

  /** Sends a NOTIFICATION about our own finding and ends the connection. */
  fail(id: number, code: number, subcode: number, detail: string, data?: Uint8Array): void {
    const notification = { code, subcode, data: data ?? new Uint8Array(0) };
    this.end(id, notification, `sent NOTIFICATION ${notificationName(code, subcode)}: ${detail}`);
  }

  failUnexpected(connection: Connection, name: string): void {
    const subcode = { open_sent: 1, open_confirm: 2, established: 3 }[connection.phase];
    this.fail(
      connection.id,
      notificationCode.stateMachine,
      subcode,
      `${name} in ${connection.phase}`,
    );
  }

  end(id: number, notification: Notification, reason: string): void {
    const connection = find(this.state, id);
    if (!connection) return;
    this.push(
      { kind: 'send', id, bytes: encodeNotification(notification), name: 'notification' },
      { kind: 'close', id },
    );
    // A hold timer that ran out keeps routes like a lost connection; any other NOTIFICATION does not.
    this.remove(connection, reason, notification.code === notificationCode.holdTimer);
  }

  /** Forgets a connection that is closed, and plans the next. */
  remove(connection: Connection, reason: string, mayKeepStale: boolean): void {
    const { state, context } = this;
    this.set({ connections: state.connections.filter(({ id }) => id !== connection.id) });
    this.note(reason);
    if (connection.phase === 'established') {
      const restart = mayKeepStale ? connection.agreed?.gracefulRestart : undefined;
      const keepStale = restart !== undefined && restart.restartTimeS > 0;
      this.set({ staleUntil: keepStale ? context.now + restart.restartTimeS * 1000 : undefined });
      this.push({ kind: 'down', reason, keepStale });
    }
    this.scheduleConnect();
  }
}

const find = (state: SessionState, id: number): Connection | undefined =>
  state.connections.find((connection) => connection.id === id);

function replace(state: SessionState, changed: Connection): SessionState {
  const connections = state.connections.map((c) => (c.id === changed.id ? changed : c));
  return { ...state, connections };
}

function restartHold(connection: Connection, { now }: StepContext): Connection {
  const { holdAt: _, ...rest } = connection;
  const holdTimeS = connection.agreed?.holdTimeS ?? 0;
  return holdTimeS > 0 ? { ...rest, holdAt: now + holdTimeS * 1000 } : rest;
}

/** RFC 4271 section 10: a third of the hold time, less up to a quarter. */
function keepalive(agreed: Negotiated, { now, random }: StepContext): { keepaliveAt?: number } {
  if (agreed.holdTimeS === 0) return {};
  return { keepaliveAt: now + jitter((agreed.holdTimeS * 1000) / 3, random) };
}

const jitter = (waitMs: number, random: number): number => Math.round(waitMs * (0.75 + random / 4));

function sendNotification(id: number, code: number, subcode: number): SessionAction {
  const bytes = encodeNotification({ code, subcode, data: new Uint8Array(0) });
  return { kind: 'send', id, bytes, name: 'notification' };
}
