import { readFileSync } from 'node:fs';
import { type KV, Kvm } from '@nats-io/kv';
import {
  connect,
  credsAuthenticator,
  headers,
  type Msg,
  type NatsConnection,
} from '@nats-io/transport-node';
import { err, ok, type Result } from '../core/base/result.ts';
import { initialLease, isLeader, type LeaseEvent, type LeaseState, stepLease } from './lease.ts';
import { type Membership, membershipOf, type Standing, standingOf } from './membership.ts';
import { decodeMessage, encodeMessage, PartJoiner, splitBytes } from './messages.ts';
import { PlanStore, type PlanStoreError, reasonOf, type StoredPlan } from './plan-store.ts';

export type { Membership, Standing } from './membership.ts';
export type { PlanStoreError, StoredPlan } from './plan-store.ts';

export interface ClusterOptions {
  /** Prefix of every subject and bucket, so that several networks may share a NATS. */
  readonly network: string;
  readonly unit: string;
  /** `nats://` or `tls://` addresses; without TLS and credentials only loopback is accepted. */
  readonly servers: readonly string[];
  /** Path of a credentials file (nkeys and JWT). */
  readonly credentials?: string;
  /** Paths in PEM; the unit shows its own certificate when `cert` and `key` are given. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly leaseMs: number;
  readonly silentMs: number;
  readonly holdMs: number;
  /** Copies of the buckets: 1, or 3 on a NATS of three nodes. */
  readonly replicas: number;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  readonly onPlan: (plan: StoredPlan) => void;
  /** A command for this unit; the answer is sent back. */
  readonly onCommand: (body: unknown) => Promise<unknown>;
  readonly onEvent: (event: ClusterEvent) => void;
}

export type ClusterEvent =
  | { readonly kind: 'connected' | 'disconnected' | 'became_leader' | 'no_longer_leader' }
  | { readonly kind: 'refused_message'; readonly reason: string };

export interface UnitReport {
  readonly unit: string;
  /** Monotonic time of this unit's clock at which it arrived. */
  readonly receivedAtMs: number;
  readonly body: unknown;
}

export interface Cluster {
  isLeader(): boolean;
  /** What this unit does about the plan it has: follow, hold, or return to plain BGP. */
  standing(): Standing;
  membership(): Membership;
  isConnected(): boolean;
  /** Latest report of every unit, this one included. */
  reports(): readonly UnitReport[];
  /** Sends this unit's observation and state to whoever leads. */
  report(body: unknown): void;
  /** Only the leader may; `superseded` means that another unit leads by now. */
  publishPlan(body: unknown): Promise<Result<StoredPlan, PlanStoreError>>;
  readPlan(): Promise<Result<StoredPlan | undefined, PlanStoreError>>;
  ask(unit: string, body: unknown, timeoutMs: number): Promise<Result<unknown, string>>;
  counters(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

/** Parts of a report: below NATS's default payload limit of 1 MiB. */
const partBytes = 512 * 1024;

/**
 * Joins this unit to the others over NATS with JetStream. Throws when the options would accept unauthenticated
 * peers from outside this machine, when no server can be reached, or when JetStream has no quorum yet; try again then.
 */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  refuseUnauthenticated(options);
  const connection = await connect({
    servers: [...options.servers],
    name: options.unit,
    maxReconnectAttempts: -1,
    reconnectTimeWait: Math.min(1000, options.leaseMs / 4),
    pingInterval: options.leaseMs,
    maxPingOut: 2,
    timeout: Math.max(2000, options.leaseMs),
    ...(options.tls ? { tls: tlsFiles(options.tls) } : {}),
    ...(options.credentials
      ? { authenticator: credsAuthenticator(readFileSync(options.credentials)) }
      : {}),
  });
  try {
    const kvm = new Kvm(connection);
    // Read from the stream's leader: a replica may not have yet what was just announced as committed.
    const limits = { replicas: options.replicas, history: 1, allow_direct: false };
    const lease = await kvm.create(`${options.network}-lease`, { ...limits, ttl: options.leaseMs });
    const plans = await kvm.create(`${options.network}-plan`, limits);
    const unit = new ConnectedUnit(options, connection, lease, plans);
    unit.start();
    return unit;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

class ConnectedUnit implements Cluster {
  readonly #options: ClusterOptions;
  readonly #connection: NatsConnection;
  readonly #leaseBucket: KV;
  readonly #store: PlanStore;
  readonly #joiner = new PartJoiner();
  readonly #reports = new Map<string, UnitReport>();
  readonly #counters: Record<string, number> = {};
  #lease: LeaseState = initialLease;
  #wasLeader = false;
  #isConnected = true;
  #lastLedAtMs: number;
  #highestFence = 0;
  #serial = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ClusterOptions, connection: NatsConnection, lease: KV, plans: KV) {
    this.#options = options;
    this.#connection = connection;
    this.#leaseBucket = lease;
    this.#store = new PlanStore(plans, options.unit);
    this.#lastLedAtMs = options.clock();
  }

  start(): void {
    const { network, unit, leaseMs } = this.#options;
    this.#subscribe(`${network}.report`, (message) => this.#onReport(message));
    this.#subscribe(`${network}.committed`, (message) => this.#onCommitted(message));
    this.#subscribe(`${network}.command.${unit}`, (message) => void this.#onCommand(message));
    void this.#watchConnection();
    this.#timer = setInterval(() => this.#tick(), Math.max(20, leaseMs / 10));
    this.#tick();
  }

  isLeader(): boolean {
    return isLeader(this.#lease, this.#options.clock());
  }

  isConnected(): boolean {
    return this.#isConnected;
  }

  standing(): Standing {
    return standingOf(this.#lastLedAtMs, this.#options.clock(), this.#options);
  }

  membership(): Membership {
    const heard = new Map([...this.#reports].map(([unit, report]) => [unit, report.receivedAtMs]));
    return membershipOf(heard, this.#options.clock(), this.#options);
  }

  reports(): readonly UnitReport[] {
    return [...this.#reports.values()];
  }

  counters(): Readonly<Record<string, number>> {
    return {
      ...this.#counters,
      parts_abandoned: this.#joiner.abandoned,
      parts_refused: this.#joiner.refused,
    };
  }

  report(body: unknown): void {
    const { network, unit, clock } = this.#options;
    this.#reports.set(unit, { unit, receivedAtMs: clock(), body });
    if (this.#connection.isClosed()) return;
    const parts = splitBytes(encodeMessage(unit, body), partBytes);
    const serial = ++this.#serial;
    for (const [index, part] of parts.entries()) {
      const head = headers();
      head.set('Unit', unit);
      head.set('Serial', String(serial));
      head.set('Index', String(index));
      head.set('Count', String(parts.length));
      this.#connection.publish(`${network}.report`, part, { headers: head });
      this.#count('report_bytes', part.length);
    }
  }

  async publishPlan(body: unknown): Promise<Result<StoredPlan, PlanStoreError>> {
    const { clock, network, unit } = this.#options;
    if (!isLeader(this.#lease, clock()))
      return err({ code: 'superseded', fence: this.#highestFence });
    const written = await this.#store.write(this.#lease.fence, body);
    // The others are told by a plain message: whoever hears it reads the bucket; who hears none for long is cut off.
    if (written.ok)
      this.#connection.publish(
        `${network}.committed`,
        encodeMessage(unit, { fence: written.value.fence }),
      );
    else if (written.error.code === 'superseded') this.#onLease({ kind: 'refused' });
    return written;
  }

  readPlan(): Promise<Result<StoredPlan | undefined, PlanStoreError>> {
    return this.#store.read();
  }

  async ask(unit: string, body: unknown, timeoutMs: number): Promise<Result<unknown, string>> {
    try {
      const subject = `${this.#options.network}.command.${unit}`;
      const reply = await this.#connection.request(
        subject,
        encodeMessage(this.#options.unit, body),
        { timeout: timeoutMs },
      );
      const answer = decodeMessage(reply.data);
      return answer.ok ? ok(answer.value.body) : err(JSON.stringify(answer.error));
    } catch (error) {
      return err(`unit ${unit} did not answer: ${reasonOf(error)}`);
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const { revision } = this.#lease;
    if (isLeader(this.#lease, this.#options.clock()) && revision !== undefined) {
      // A successor need not wait for the lease to run out. Failing to say so costs only that wait.
      await this.#leaseBucket
        .delete('leader', { previousSeq: revision })
        .catch(() => this.#count('release_failed'));
    }
    this.#onLease({ kind: 'released' });
    await this.#connection.close();
  }

  #tick(): void {
    const { clock, leaseMs } = this.#options;
    const { state, action } = stepLease(this.#lease, { kind: 'tick' }, clock(), leaseMs);
    this.#lease = state;
    this.#noteLeadership();
    if (action.kind === 'none') return;
    const sentAtMs = clock();
    const value = this.#options.unit;
    const timeout = Math.max(100, leaseMs / 3);
    const write =
      action.kind === 'create'
        ? this.#leaseBucket.create('leader', value)
        : this.#leaseBucket.update('leader', value, action.revision, timeout);
    write.then(
      (revision) => this.#onLease({ kind: 'written', sentAtMs, revision }),
      (error: unknown) => void this.#onLeaseFailure(error),
    );
  }

  async #onLeaseFailure(error: unknown): Promise<void> {
    if (/wrong last sequence/i.test(reasonOf(error))) {
      this.#onLease({ kind: 'refused' });
      return;
    }
    this.#count('lease_unanswered');
    const entry = await this.#leaseBucket.get('leader').catch(() => null);
    const isOurs = entry?.operation === 'PUT' && entry.string() === this.#options.unit;
    this.#onLease(isOurs ? { kind: 'unanswered', found: entry.revision } : { kind: 'unanswered' });
  }

  #onLease(event: LeaseEvent): void {
    const { clock, leaseMs } = this.#options;
    this.#lease = stepLease(this.#lease, event, clock(), leaseMs).state;
    this.#noteLeadership();
  }

  #noteLeadership(): void {
    const leads = this.isLeader();
    if (leads === this.#wasLeader) return;
    this.#wasLeader = leads;
    this.#options.onEvent({ kind: leads ? 'became_leader' : 'no_longer_leader' });
  }

  #onReport(message: Msg): void {
    const text = (name: string) => message.headers?.get(name) ?? '';
    const sender = text('Unit');
    const part = {
      sender,
      serial: Number(text('Serial')),
      index: Number(text('Index')),
      count: Number(text('Count')),
    };
    const whole = this.#joiner.add({ ...part, bytes: message.data });
    if (!whole) return;
    const decoded = this.#decode(whole);
    if (!decoded || decoded.unit === this.#options.unit) return;
    this.#reports.set(decoded.unit, {
      unit: decoded.unit,
      receivedAtMs: this.#options.clock(),
      body: decoded.body,
    });
  }

  #onCommitted(message: Msg): void {
    if (this.#decode(message.data)) this.#followPlan();
  }

  #followPlan(): void {
    void this.#store.read().then((plan) => {
      if (!plan.ok || !plan.value) {
        this.#count(`plan_${plan.ok ? 'absent' : plan.error.code}`);
        return;
      }
      if (plan.value.fence < this.#highestFence) {
        this.#count('plan_of_late_leader');
        return;
      }
      this.#highestFence = plan.value.fence;
      this.#lastLedAtMs = this.#options.clock();
      this.#options.onPlan(plan.value);
    });
  }

  async #onCommand(message: Msg): Promise<void> {
    const decoded = this.#decode(message.data);
    if (!decoded) return;
    const answer = await this.#options.onCommand(decoded.body);
    message.respond(encodeMessage(this.#options.unit, answer));
  }

  #decode(bytes: Uint8Array): { readonly unit: string; readonly body: unknown } | undefined {
    const message = decodeMessage(bytes);
    if (message.ok) return message.value;
    this.#count(`message_${message.error.code}`);
    this.#options.onEvent({ kind: 'refused_message', reason: JSON.stringify(message.error) });
    return undefined;
  }

  #subscribe(subject: string, handle: (message: Msg) => void): void {
    this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) this.#count('subscription_error');
        else handle(message);
      },
    });
  }

  async #watchConnection(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type !== 'disconnect' && status.type !== 'reconnect') continue;
      this.#isConnected = status.type === 'reconnect';
      this.#options.onEvent({ kind: this.#isConnected ? 'connected' : 'disconnected' });
      // What was committed meanwhile was announced to those who were there.
      if (this.#isConnected) this.#followPlan();
    }
  }

  #count(name: string, by = 1): void {
    this.#counters[name] = (this.#counters[name] ?? 0) + by;
  }
}

function refuseUnauthenticated(options: ClusterOptions): void {
  const isLoopback = (server: string) =>
    /^(nats:\/\/)?(127\.\d+\.\d+\.\d+|\[::1\]|localhost)(:\d+)?$/.test(server);
  if (
    options.servers.every(isLoopback) ||
    (options.tls && (options.credentials || options.tls.cert))
  )
    return;
  throw new Error(
    'cluster: servers outside loopback need tls and credentials (or a client certificate)',
  );
}

function tlsFiles(tls: NonNullable<ClusterOptions['tls']>) {
  return {
    ...(tls.ca ? { caFile: tls.ca } : {}),
    ...(tls.cert ? { certFile: tls.cert } : {}),
    ...(tls.key ? { keyFile: tls.key } : {}),
  };
}
