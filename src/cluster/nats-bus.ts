import { readFileSync } from 'node:fs';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { jetstream } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import {
  connect,
  credsAuthenticator,
  headers,
  type Msg,
  type NatsConnection,
  nkeyAuthenticator,
} from '@nats-io/transport-node';
import { HeadgateError } from '../core/base/error.ts';
import { type Bucket, type Bus, BusError, type BusMessage } from './bus.ts';
import { NodeWatch } from './node-watch.ts';
import { reasonOf } from './reason.ts';

export interface NatsOptions {
  /** Prefix of every bucket, so that several networks may share a NATS. */
  readonly network: string;
  /** Name of the connection, as the server's own monitoring shows it. */
  readonly unit: string;
  /** `nats://` or `tls://` addresses; without TLS and credentials only loopback is accepted. */
  readonly servers: readonly string[];
  /** Path of a credentials file: a JWT with its nkey. */
  readonly credentials?: string;
  /** Path of a file whose first line is an nkey's seed. */
  readonly nkey?: string;
  /** Paths in PEM; the unit shows its own certificate when `cert` and `key` are given. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly leaseMs: number;
  /** Copies of the buckets: 1, or 3 on a NATS of three nodes. */
  readonly replicas: number;
}

const listMsMax = 10_000;

/** Throws HeadgateError `unauthenticated` when peers from outside this machine would be accepted without proof. */
export function refuseUnauthenticated({
  servers,
  tls,
  credentials,
  nkey,
}: Pick<NatsOptions, 'servers' | 'tls' | 'credentials' | 'nkey'>): void {
  const isLoopback = (server: string) =>
    /^((nats|tls):\/\/)?(127\.\d+\.\d+\.\d+|\[::1\]|localhost)(:\d+)?$/.test(server);
  const isAuthenticated = tls && (credentials ?? nkey ?? tls.cert) !== undefined;
  if (servers.every(isLoopback) || isAuthenticated) return;
  throw new HeadgateError(
    'unauthenticated',
    'cluster: servers outside loopback need tls, and credentials, nkey or tls.cert: else anybody could speak as a unit',
  );
}

/** Throws when no server can be reached, or when JetStream has no quorum yet: try again then. */
export async function openNatsBus(options: NatsOptions): Promise<Bus> {
  refuseUnauthenticated(options);
  const { network, unit, servers, leaseMs, replicas, tls, credentials, nkey } = options;
  const connection = await connect({
    servers: [...servers],
    name: unit,
    maxReconnectAttempts: -1,
    reconnectTimeWait: Math.min(1000, leaseMs / 4),
    pingInterval: leaseMs,
    maxPingOut: 2,
    timeout: Math.max(2000, leaseMs),
    ...(tls ? { tls: { ...tlsFiles(tls), ...identityCheck(servers) } } : {}),
    ...(credentials === undefined
      ? {}
      : { authenticator: credsAuthenticator(readFileSync(credentials)) }),
    ...(nkey === undefined ? {} : { authenticator: nkeyAuthenticator(seedOf(nkey)) }),
  }).catch((cause: unknown) => {
    // With TLS 1.3 a server that wants another certificate only stops talking.
    if (!tls || reasonOf(cause) !== 'timeout') throw cause;
    const unproven = tls.cert === undefined ? 'no certificate of ours' : tls.cert;
    throw new Error(`no answer in time; is the server there, and does it take ${unproven}?`, {
      cause,
    });
  });
  try {
    const kvm = new Kvm(connection);
    // Read from the stream's leader: a replica may not have yet what was just announced as committed.
    const limits = { replicas, history: 1, allow_direct: false };
    await kvm.create(`${network}-lease`, { ...limits, ttl: leaseMs });
    await kvm.create(`${network}-plan`, limits);
    // Whoever waits for an answer that was lost neither leads nor lets another lead: by itself the client waits for 5 s.
    const quick = new Kvm(jetstream(connection, { timeout: Math.max(1000, leaseMs / 2) }));
    const lease = await quick.open(`${network}-lease`, limits);
    const plans = await quick.open(`${network}-plan`, limits);
    return new NatsBus(connection, lease, plans, 2 * leaseMs);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

class NatsBus implements Bus {
  readonly lease: Bucket;
  readonly plans: Bucket;
  readonly #connection: NatsConnection;
  readonly #listeners: Array<(isConnected: boolean) => void> = [];
  readonly #node: NodeWatch;
  #isConnected = true;

  constructor(connection: NatsConnection, lease: KV, plans: KV, patienceMs: number) {
    this.#connection = connection;
    this.#node = new NodeWatch(patienceMs);
    const watched = <T>(answer: Promise<T>) => this.#watched(answer);
    this.lease = bucketOf(lease, watched);
    this.plans = bucketOf(plans, watched);
    void this.#watch();
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.#connection.isClosed();
  }

  publish(subject: string, bytes: Uint8Array, named: Readonly<Record<string, string>> = {}): void {
    // What cannot be sent now is old news by the time that it could: the next turn has its own.
    if (!this.isConnected) return;
    const head = headers();
    for (const [name, value] of Object.entries(named)) head.set(name, value);
    this.#connection.publish(subject, bytes, { headers: head });
  }

  subscribe(subject: string, handle: (message: BusMessage) => void): () => void {
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (!error) handle(messageOf(message));
      },
    });
    return () => subscription.unsubscribe();
  }

  async request(subject: string, bytes: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const answer = this.#connection.request(subject, bytes, { timeout: timeoutMs });
    return (await asBusErrors(answer)).data;
  }

  onConnection(handle: (isConnected: boolean) => void): void {
    this.#listeners.push(handle);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #watched<T>(answer: Promise<T>): Promise<T> {
    try {
      const value = await asBusErrors(answer);
      this.#node.answered();
      return value;
    } catch (error) {
      if (error instanceof BusError && error.code === 'wrong_revision') this.#node.answered();
      else if (this.isConnected && this.#node.unanswered(performance.now()))
        await this.#connection.reconnect();
      throw error;
    }
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type !== 'disconnect' && type !== 'reconnect') continue;
      this.#isConnected = type === 'reconnect';
      for (const handle of this.#listeners) handle(this.#isConnected);
    }
  }
}

const messageOf = (message: Msg): BusMessage => ({
  bytes: message.data,
  header: (name) => message.headers?.get(name) ?? '',
  respond: (bytes) => void message.respond(bytes),
});

type Watched = <T>(answer: Promise<T>) => Promise<T>;

function bucketOf(kv: KV, watched: Watched): Bucket {
  return {
    get: async (key) => {
      const entry = await watched(kv.get(key));
      return entry?.operation === 'PUT'
        ? { revision: entry.revision, value: entry.value }
        : undefined;
    },
    create: (key, value) => watched(kv.create(key, value)),
    update: (key, value, revision) => watched(kv.update(key, value, revision)),
    put: async (key, value) => void (await watched(kv.put(key, value))),
    remove: (key, revision) =>
      watched(kv.delete(key, revision === undefined ? {} : { previousSeq: revision })),
    keys: (prefix) => watched(inTime(keysOf(kv, prefix))),
  };
}

/** For the one call that has no deadline of its own: its consumer may be lost with a node, and then nothing ends it. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error('no answer in time')), listMsMax);
  });
  try {
    return await Promise.race([answer, tooLate]);
  } finally {
    clearTimeout(late);
  }
}

async function keysOf(kv: KV, prefix: string): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const key of await kv.keys()) if (key.startsWith(prefix)) keys.push(key);
  return keys;
}

async function asBusErrors<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    const reason = reasonOf(cause);
    const code = /wrong last sequence/i.test(reason) ? 'wrong_revision' : 'unanswered';
    throw new BusError(code, reason, { cause });
  }
}

const seedOf = (path: string): Uint8Array =>
  new TextEncoder().encode(readFileSync(path, 'utf8').split('\n')[0]?.trim() ?? '');

/**
 * A certificate must be for one of the servers of the settings. The client compares none with an IP address: with one in
 * the settings it would ask for the name `localhost`. It hands this on to Node, though its types do not say so.
 */
function identityCheck(servers: readonly string[]): object {
  const hosts = servers.map((server) => server.replace(/^\w+:\/\//, '').replace(/:\d+$/, ''));
  return {
    checkServerIdentity: (_: string, certificate: PeerCertificate): Error | undefined => {
      const faults = hosts.map((host) =>
        checkServerIdentity(host.replace(/[[\]]/g, ''), certificate),
      );
      return faults.includes(undefined) ? undefined : faults[0];
    },
  };
}

function tlsFiles(tls: NonNullable<NatsOptions['tls']>) {
  return {
    ...(tls.ca === undefined ? {} : { caFile: tls.ca }),
    ...(tls.cert === undefined ? {} : { certFile: tls.cert }),
    ...(tls.key === undefined ? {} : { keyFile: tls.key }),
  };
}
