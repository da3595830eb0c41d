import { randomBytes } from 'node:crypto';
import { type Address, formatPrefix } from '../core/base/prefix.ts';
import type { DnsSettings } from '../core/settings/dns.ts';
import { Answerer, type AnswerPolicy, type AnswerTable } from '../core/wire/dns/answer.ts';
import { networkOf, type ResolverWeights } from '../core/wire/dns/steering.ts';
import { makeTable } from '../core/wire/dns/table.ts';
import { ResolverCensus, type ResolverCount } from './census.ts';
import { type AddressHealth, HealthChecks } from './health.ts';
import { TcpServer } from './tcp.ts';
import { UdpServer } from './udp.ts';
import { readZones, steeredNames } from './zones.ts';

export type { DnsSettings, ResolverWeights };

/**
 * The UDP sockets of the native module: it answers what it can from the compiled table and hands the
 * rest back. `daemon` joins the two.
 */
export interface NativeUdp {
  /** Throws HeadgateError `bad_table`. In force from the next batch of queries on. */
  publish(table: AnswerTable): void;
  /** Answered natively, by outcome; cumulative. Reasons for what was not are among them. */
  counts(): Readonly<Record<string, number>>;
  /** Queries per resolver since the last call. */
  drainResolvers(): ReadonlyArray<{ readonly address: Address; readonly queries: number }>;
  readonly port: number;
  close(): void;
}

export type OpenNativeUdp = (
  listen: readonly string[],
  port: number,
  policy: AnswerPolicy,
  table: AnswerTable,
  /** Answers what the native path does not know; empty is silence. */
  answer: (query: Uint8Array, address: Address) => Uint8Array,
) => NativeUdp;

export interface SteerOptions {
  readonly settings: DnsSettings;
  /** Shares per provider until the first `publish`. */
  readonly weights: ResolverWeights;
  /** Serial of the SOA records made from settings, 1 to 4294967295. */
  readonly serial: number;
  /** Unix time, ms. */
  readonly now?: () => number;
  /** Without it UDP is answered in JavaScript, at a sixth of the rate. */
  readonly openNativeUdp?: OpenNativeUdp;
}

export interface SteerSnapshot {
  /** Queries by outcome, and losses by reason, both transports; cumulative. */
  readonly counts: Readonly<Record<string, number>>;
  /** Heaviest first, at most 1000. */
  readonly resolvers: readonly ResolverCount[];
  readonly addresses: readonly AddressHealth[];
  /** Providers that no answer points to, with the reason. */
  readonly withdrawn: Readonly<Record<string, string>>;
}

export interface Steer {
  /** The port in use: that of the settings, or the one found where tests ask for 0. */
  readonly port: number;
  /** A new plan: answers follow it from the next query on. */
  publish(weights: ResolverWeights): void;
  /**
   * Takes a provider out of all answers (its prefix is not seen announced, or no probe from its address
   * returns), or back in with `undefined`.
   */
  withdraw(link: string, reason: string | undefined): void;
  snapshot(): SteerSnapshot;
  close(): Promise<void>;
}

/** Starts the servers at every address of the settings. Throws HeadgateError `bad_zone` or `listen_failed`. */
export async function startSteer(options: SteerOptions): Promise<Steer> {
  const { settings, serial, openNativeUdp, now = Date.now } = options;
  const zones = readZones(settings, serial);
  const policy = policyOf(settings);
  const withdrawn = new Map<string, string>();
  const health = new HealthChecks(settings.names, () => republish());
  let { weights } = options;
  const compile = () => {
    const isUsable = (name: string, link: string, address: string) =>
      !withdrawn.has(link) && health.isHealthy(name, address);
    return makeTable(zones, steeredNames(settings, isUsable), weights, policy.granularity);
  };

  let table = compile();
  const out = new Uint8Array(65_535);
  const answerer = new Answerer(policy, table, out);
  const census = new ResolverCensus(now());
  const answerFor = (transport: 'udp' | 'tcp') => (query: Uint8Array, address: Address) =>
    out.subarray(0, answerer.answer(query, { address, transport }, now()));
  const answerUdp = answerFor('udp');
  const answerTcp = answerFor('tcp');
  const noted = (query: Uint8Array, address: Address) => {
    census.note(address, 1, now());
    return answerTcp(query, address);
  };

  let native: NativeUdp | undefined;
  const udp: UdpServer[] = [];
  const tcp: TcpServer[] = [];
  const republish = () => {
    table = compile();
    answerer.publish(table);
    native?.publish(table);
  };
  const close = async () => {
    health.stop();
    native?.close();
    await Promise.all([...udp, ...tcp].map((server) => server.close().catch(() => {})));
  };

  let { port } = settings;
  try {
    if (openNativeUdp) {
      native = openNativeUdp(settings.listen, port, policy, table, answerUdp);
      port = native.port;
    }
    for (const address of settings.listen) {
      if (!native) {
        const server = new UdpServer(address, (query, from) => {
          census.note(from, 1, now());
          // A copy: the socket sends it after the next answer may have been written.
          return answerUdp(query, from).slice();
        });
        udp.push(server);
        port = await server.listen(address, port);
      }
      const network = (from: Address) => formatPrefix(networkOf(from, policy.granularity));
      const server = new TcpServer(noted, network);
      tcp.push(server);
      await server.listen(address, port);
    }
  } catch (error) {
    await close();
    throw error;
  }
  health.start();

  return {
    port,
    publish: (next) => {
      weights = next;
      republish();
    },
    withdraw: (link, reason) => {
      if (reason === undefined) withdrawn.delete(link);
      else withdrawn.set(link, reason);
      republish();
    },
    snapshot: () => {
      for (const { address, queries } of native?.drainResolvers() ?? [])
        census.note(address, queries, now());
      return {
        counts: sum([
          answerer.counts,
          native?.counts() ?? {},
          { resolvers_forgotten: census.forgotten },
          ...[...udp, ...tcp].map((server) => ({ ...server.counts })),
        ]),
        resolvers: census.top(1000),
        addresses: health.states(),
        withdrawn: Object.fromEntries(withdrawn),
      };
    },
    close,
  };
}

function policyOf(settings: DnsSettings): AnswerPolicy {
  const { cookieSecret, granularity, clientSubnet, rateLimit } = settings;
  return {
    granularity,
    clientSubnet,
    rateLimit,
    cookieSecret: cookieSecret === undefined ? randomBytes(16) : Buffer.from(cookieSecret, 'hex'),
  };
}

function sum(parts: ReadonlyArray<Readonly<Record<string, number>>>): Record<string, number> {
  const total: Record<string, number> = {};
  for (const part of parts)
    for (const [name, count] of Object.entries(part)) total[name] = (total[name] ?? 0) + count;
  return total;
}
