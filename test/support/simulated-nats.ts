/**
 * A NATS that obeys a test: buckets and messages in virtual time, with lost connections, lost answers and lost quorum.
 * What the units do with it is their own code.
 */
import {
  type Bucket,
  type Bus,
  BusError,
  type BusMessage,
  type ClusterClock,
  type Entry,
} from '../../src/cluster/bus.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly call: () => void;
  isCancelled: boolean;
}

/** Time that passes only when told to. Between two events all promises that can settle do. */
export class VirtualTime {
  #now = 0;
  #order = 0;
  #events: Event[] = [];

  now(): number {
    return this.#now;
  }

  after(delayMs: number, call: () => void): () => void {
    const event = { at: this.#now + delayMs, order: this.#order++, call, isCancelled: false };
    // Kept in order: nearly all events are later than those that wait.
    let i = this.#events.length;
    while (i > 0 && (this.#events[i - 1]?.at ?? 0) > event.at) i--;
    this.#events.splice(i, 0, event);
    return () => {
      event.isCancelled = true;
    };
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#events[0];
      if (!next || next.at > end) break;
      this.#events.shift();
      this.#now = next.at;
      if (next.isCancelled) continue;
      next.call();
      await new Promise(setImmediate);
    }
    this.#now = end;
  }
}

/** The clock of one unit, whose process may stand still: what falls due meanwhile is called when it goes on. */
export class UnitClock implements ClusterClock {
  readonly #time: VirtualTime;
  readonly #wallOffsetMs: number;
  #isStopped = false;
  #isDead = false;
  #lateTimers: Array<() => void> = [];
  #lateMessages: Array<() => void> = [];

  constructor(time: VirtualTime, wallOffsetMs: number) {
    this.#time = time;
    this.#wallOffsetMs = wallOffsetMs;
  }

  readonly now = (): number => this.#time.now();
  readonly wall = (): number => 1.7e12 + this.#time.now() + this.#wallOffsetMs;
  readonly after = (delayMs: number, call: () => void): (() => void) => {
    let isCancelled = false;
    const due = () => isCancelled || call();
    const cancel = this.#time.after(delayMs, () => this.#run(due, this.#lateTimers));
    return () => {
      isCancelled = true;
      cancel();
    };
  };

  /** What comes from outside: now, or when the process goes on. */
  run(call: () => void): void {
    this.#run(call, this.#lateMessages);
  }

  stop(): void {
    this.#isStopped = true;
  }

  go(): void {
    this.#isStopped = false;
    // It stood still where it waited for messages: those come first.
    const late = [...this.#lateMessages, ...this.#lateTimers];
    this.#lateMessages = [];
    this.#lateTimers = [];
    for (const call of late) call();
  }

  kill(): void {
    this.#isDead = true;
  }

  #run(call: () => void, late: Array<() => void>): void {
    if (this.#isDead) return;
    if (this.#isStopped) late.push(call);
    else call();
  }
}

interface Kept extends Entry {
  readonly atMs: number;
}

export class SimulatedNats {
  readonly #time: VirtualTime;
  readonly #random: () => number;
  readonly #leaseMs: number;
  readonly #buckets = { lease: new Map<string, Kept>(), plan: new Map<string, Kept>() };
  /** Of the last write. */
  revision = 0;
  readonly #subscriptions = new Map<string, Set<(message: BusMessage) => void>>();
  hasQuorum = true;
  /** Else the consumer that lists them is lost, and nothing ends it. */
  listsKeys = true;

  constructor(time: VirtualTime, random: () => number, leaseMs: number) {
    this.#time = time;
    this.#random = random;
    this.#leaseMs = leaseMs;
  }

  /** The lease's bucket is lost, and what is stored from now on is numbered anew. */
  countAnew(): void {
    this.#buckets.lease.clear();
    this.revision = 0;
  }

  /** Who has put the fence on the plan in force, and how often it was committed. */
  commit(): { readonly fence: number; readonly serial: number } | undefined {
    const kept = this.#buckets.plan.get('commit');
    return kept && JSON.parse(Buffer.from(kept.value).toString());
  }

  connect(clock: UnitClock): SimulatedConnection {
    return new SimulatedConnection(this, clock);
  }

  latencyMs(): number {
    return 1 + Math.floor(this.#random() * this.#random() * 40);
  }

  apply<T>(
    name: 'lease' | 'plan',
    act: (bucket: Map<string, Kept>, write: (value: Uint8Array) => Kept) => T,
  ): T {
    const bucket = this.#buckets[name];
    const now = this.#time.now();
    if (name === 'lease')
      for (const [key, { atMs }] of bucket) if (now - atMs >= this.#leaseMs) bucket.delete(key);
    return act(bucket, (value) => ({ value, revision: ++this.revision, atMs: now }));
  }

  listen(subject: string, handle: (message: BusMessage) => void): () => void {
    const all = this.#subscriptions.get(subject) ?? new Set();
    all.add(handle);
    this.#subscriptions.set(subject, all);
    return () => all.delete(handle);
  }

  deliver(subject: string, message: BusMessage): void {
    for (const handle of this.#subscriptions.get(subject) ?? []) handle(message);
  }

  after(delayMs: number, call: () => void): void {
    this.#time.after(delayMs, call);
  }
}

export class SimulatedConnection implements Bus {
  readonly #nats: SimulatedNats;
  readonly #clock: UnitClock;
  readonly #listeners: Array<(isConnected: boolean) => void> = [];
  #isConnected = true;
  #isClosed = false;
  readonly lease: Bucket;
  readonly plans: Bucket;

  constructor(nats: SimulatedNats, clock: UnitClock) {
    this.#nats = nats;
    this.#clock = clock;
    this.lease = this.#bucket('lease');
    this.plans = this.#bucket('plan');
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.#isClosed;
  }

  cut(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#tell(false);
  }

  mend(): void {
    if (this.#isConnected) return;
    this.#isConnected = true;
    this.#tell(true);
  }

  publish(
    subject: string,
    bytes: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    if (!this.isConnected) return;
    const message = {
      bytes,
      header: (name: string) => headers[name] ?? '',
      respond: () => undefined,
    };
    this.#nats.after(this.#nats.latencyMs(), () => this.#nats.deliver(subject, message));
  }

  subscribe(subject: string, handle: (message: BusMessage) => void): () => void {
    return this.#nats.listen(subject, (message) => {
      if (this.isConnected) this.#clock.run(() => handle(message));
    });
  }

  request(subject: string, bytes: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#clock.after(timeoutMs, () => reject(new BusError('unanswered', 'timeout')));
      if (!this.isConnected) return;
      const respond = (answer: Uint8Array) =>
        this.#nats.after(this.#nats.latencyMs(), () => {
          if (this.isConnected) this.#clock.run(() => resolve(answer));
        });
      this.#nats.after(this.#nats.latencyMs(), () =>
        this.#nats.deliver(subject, { bytes, header: () => '', respond }),
      );
    });
  }

  onConnection(handle: (isConnected: boolean) => void): void {
    this.#listeners.push(handle);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #tell(isConnected: boolean): void {
    for (const handle of this.#listeners) this.#clock.run(() => handle(isConnected));
  }

  #bucket(name: 'lease' | 'plan'): Bucket {
    const wrong = new BusError('wrong_revision', 'wrong last sequence');
    const call = <T>(
      act: (bucket: Map<string, Kept>, write: (value: Uint8Array) => Kept) => T,
    ): Promise<T> => this.#call(name, act);
    return {
      get: (key) => call((bucket) => bucket.get(key)),
      keys: (prefix) =>
        this.#nats.listsKeys
          ? call((bucket) => [...bucket.keys()].filter((key) => key.startsWith(prefix)))
          : new Promise(() => undefined),
      create: (key, value) =>
        call((bucket, write) => {
          if (bucket.has(key)) throw wrong;
          const kept = write(value);
          bucket.set(key, kept);
          return kept.revision;
        }),
      update: (key, value, revision) =>
        call((bucket, write) => {
          if (bucket.get(key)?.revision !== revision) throw wrong;
          const kept = write(value);
          bucket.set(key, kept);
          return kept.revision;
        }),
      put: (key, value) => call((bucket, write) => void bucket.set(key, write(value))),
      remove: (key, revision) =>
        call((bucket) => {
          if (revision !== undefined && bucket.get(key)?.revision !== revision) throw wrong;
          bucket.delete(key);
        }),
    };
  }

  /** On its way there or back a request may be lost with the connection: then nobody knows whether it was done. */
  #call<T>(
    name: 'lease' | 'plan',
    act: (bucket: Map<string, Kept>, write: (value: Uint8Array) => Kept) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#clock.after(1500, () => reject(new BusError('unanswered', 'timeout')));
      if (!this.isConnected) return;
      this.#nats.after(this.#nats.latencyMs(), () => {
        if (!this.#nats.hasQuorum) return;
        let settle: () => void;
        try {
          const value = this.#nats.apply(name, act);
          settle = () => resolve(value);
        } catch (error) {
          settle = () => reject(error);
        }
        this.#nats.after(this.#nats.latencyMs(), () => {
          if (this.isConnected) this.#clock.run(settle);
        });
      });
    });
  }
}
