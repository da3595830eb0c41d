/** Time as a parameter: the real one here, one whose hands a test turns elsewhere. */
export interface Clock {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  /** Calls once after a delay; gives the way to cancel. */
  readonly after: (delayMs: number, call: () => void) => () => void;
  /** Calls once after timers and sockets that wait have had their turn. */
  readonly soon: (call: () => void) => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (delayMs, call) => {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
  soon: (call) => {
    setImmediate(call);
  },
};

/** Calls at every multiple of an interval from now on. A turn that is missed is left out, not made up for. */
export function every(clock: Clock, intervalMs: number, call: () => void): () => void {
  let next = clock.now() + intervalMs;
  let cancel: () => void = () => undefined;
  const wait = () => {
    cancel = clock.after(Math.max(0, next - clock.now()), () => {
      const missed = Math.max(0, Math.floor((clock.now() - next) / intervalMs));
      next += (missed + 1) * intervalMs;
      wait();
      call();
    });
  };
  wait();
  return () => cancel();
}
