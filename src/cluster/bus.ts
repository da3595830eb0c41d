/** What the units need of the engine between them: NATS with JetStream, or in a test a network that obeys the test. */

export interface BusMessage {
  readonly bytes: Uint8Array;
  /** Empty where the message has no such header. */
  header(name: string): string;
  /** Answers a request; of no effect where nobody waits. */
  respond(bytes: Uint8Array): void;
}

export interface Entry {
  /** Grows with every write to the bucket. */
  readonly revision: number;
  readonly value: Uint8Array;
}

/** A key-value bucket. Every call ends some time, or rejects with BusError. */
export interface Bucket {
  get(key: string): Promise<Entry | undefined>;
  /** Writes a key that has no value; gives its revision. */
  create(key: string, value: Uint8Array): Promise<number>;
  /** Writes a key whose last write has this revision; gives the new one. */
  update(key: string, value: Uint8Array, revision: number): Promise<number>;
  put(key: string, value: Uint8Array): Promise<void>;
  /** With a revision only while it is the last one. */
  remove(key: string, revision?: number): Promise<void>;
  /** Those that begin with `prefix`. */
  keys(prefix: string): Promise<readonly string[]>;
}

/** `wrong_revision`: somebody else wrote. `unanswered`: it may have been done or not. */
export class BusError extends Error {
  override readonly name = 'BusError';
  readonly code: 'wrong_revision' | 'unanswered';

  constructor(code: BusError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface Bus {
  readonly isConnected: boolean;
  /** Who decides: its entries live for the lease's time. */
  readonly lease: Bucket;
  readonly plans: Bucket;
  /** To whoever listens; lost where the connection is down. */
  publish(subject: string, bytes: Uint8Array, headers?: Readonly<Record<string, string>>): void;
  /** Gives the way to end it. */
  subscribe(subject: string, handle: (message: BusMessage) => void): () => void;
  /** Rejects with BusError `unanswered`. */
  request(subject: string, bytes: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** Told whenever the connection is lost or back. */
  onConnection(handle: (isConnected: boolean) => void): void;
  close(): Promise<void>;
}

/** Time as it passes on this machine: monotonic, in milliseconds. */
export interface ClusterClock {
  readonly now: () => number;
  /** Calls once after a delay; gives the way to cancel. */
  readonly after: (delayMs: number, call: () => void) => () => void;
}
