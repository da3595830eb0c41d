import { unreachable } from '../core/base/result.ts';

/**
 * Who decides, as one unit sees it. The lease is one key in a bucket whose entries live `ttlMs`; the server counts
 * from when it stored the entry, the holder from before it sent the request, on its own monotonic clock. The holder
 * therefore stops before the server lets another unit in, however long a request took.
 */
export interface LeaseState {
  /** Revision of our last write to the key; undefined while we do not hold it. */
  readonly revision: number | undefined;
  /** Revision at which we took the lease: grows with every holder, so a late ex-leader is known by it. */
  readonly fence: number;
  /** Monotonic time up to which we may act as leader. */
  readonly heldUntilMs: number;
  readonly nextAttemptMs: number;
  /** A write is on its way: none is sent beside it. */
  readonly isWaiting: boolean;
}

export type LeaseEvent =
  | { readonly kind: 'tick' }
  /** Our write was stored, as an answer or a look shows, however late; `sentAtMs` is when it was sent. */
  | { readonly kind: 'written'; readonly sentAtMs: number; readonly revision: number }
  /** The key is somebody else's. */
  | { readonly kind: 'refused' }
  /** No answer: it may or may not have been stored. */
  | { readonly kind: 'unanswered' }
  /** We give the lease back. */
  | { readonly kind: 'released' };

export type LeaseAction =
  | { readonly kind: 'none' }
  | { readonly kind: 'create' }
  | { readonly kind: 'renew'; readonly revision: number };

/** Clock rates differ by less than this share; the holder gives that much of its time away. */
const clockRateMargin = 0.05;
/** Renewals per lease time: two may be lost before the lease is. */
const renewalsPerTtl = 3;

export const initialLease: LeaseState = {
  revision: undefined,
  fence: 0,
  heldUntilMs: 0,
  nextAttemptMs: 0,
  isWaiting: false,
};

export function isLeader(state: LeaseState, nowMs: number): boolean {
  return state.revision !== undefined && nowMs < state.heldUntilMs;
}

/** The next state and the one request to send. Pure: the monotonic time comes in. */
export function stepLease(
  state: LeaseState,
  event: LeaseEvent,
  nowMs: number,
  ttlMs: number,
): { readonly state: LeaseState; readonly action: LeaseAction } {
  const later = nowMs + ttlMs / renewalsPerTtl;
  switch (event.kind) {
    case 'tick':
      return onTick(state, nowMs, later);
    case 'written':
      return { state: onWritten(state, event, nowMs, ttlMs), action: { kind: 'none' } };
    case 'refused':
    case 'released':
      return { state: follower(state, later), action: { kind: 'none' } };
    case 'unanswered': {
      const next = { ...state, nextAttemptMs: later, isWaiting: false };
      return { state: next, action: { kind: 'none' } };
    }
    default:
      return unreachable(event);
  }
}

function onWritten(
  state: LeaseState,
  { sentAtMs, revision }: Extract<LeaseEvent, { readonly kind: 'written' }>,
  nowMs: number,
  ttlMs: number,
): LeaseState {
  // An answer that was overtaken by a later one says nothing new.
  if (revision <= (state.revision ?? 0)) return { ...state, isWaiting: false };
  const isRenewal = isLeader(state, nowMs);
  const heldUntilMs = sentAtMs + ttlMs * (1 - clockRateMargin);
  return {
    revision,
    fence: isRenewal ? state.fence : revision,
    heldUntilMs: isRenewal ? Math.max(state.heldUntilMs, heldUntilMs) : heldUntilMs,
    nextAttemptMs: sentAtMs + ttlMs / renewalsPerTtl,
    isWaiting: false,
  };
}

function onTick(
  state: LeaseState,
  nowMs: number,
  later: number,
): { readonly state: LeaseState; readonly action: LeaseAction } {
  // A lease that ran out is never renewed: in between another unit may have held it, and acted.
  const current =
    state.revision !== undefined && nowMs >= state.heldUntilMs ? follower(state, nowMs) : state;
  if (current.isWaiting || nowMs < current.nextAttemptMs)
    return { state: current, action: { kind: 'none' } };
  const next = { ...current, isWaiting: true, nextAttemptMs: later };
  const action: LeaseAction =
    current.revision === undefined
      ? { kind: 'create' }
      : { kind: 'renew', revision: current.revision };
  return { state: next, action };
}

function follower(state: LeaseState, nextAttemptMs: number): LeaseState {
  return { ...state, revision: undefined, heldUntilMs: 0, nextAttemptMs, isWaiting: false };
}
