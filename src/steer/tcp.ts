import { createServer, type Server, type Socket } from 'node:net';
import { HeadgateError } from '../core/base/error.ts';
import { type Address, parseAddress } from '../core/base/prefix.ts';
import { addressOf } from '../core/wire/dns/answer.ts';

/** An idle connection is closed after this long (RFC 7766 section 6.2.3), also one that does not take its answers. */
const idleMs = 10_000;
/** Connections at once: all together, and from one network, so that one cannot take them all. */
const connectionsMax = 512;
const perNetworkMax = 32;
/** Octets of answers that may wait for a slow reader before no more of its queries are read. */
const backlogMax = 65_536;

export type AnswerTcp = (query: Uint8Array, address: Address) => Uint8Array;

export interface TcpCounts {
  accepted: number;
  refused_connections: number;
  closed_idle: number;
  closed_by_error: number;
}

/** DNS over TCP (RFC 7766): many queries per connection, answered in order, at one address. */
export class TcpServer {
  readonly counts: TcpCounts = {
    accepted: 0,
    refused_connections: 0,
    closed_idle: 0,
    closed_by_error: 0,
  };
  readonly #answer: AnswerTcp;
  readonly #networkOf: (address: Address) => string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #perNetwork = new Map<string, number>();

  constructor(answer: AnswerTcp, networkOf: (address: Address) => string) {
    this.#answer = answer;
    this.#networkOf = networkOf;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Throws HeadgateError `listen_failed`. Gives the port, which matters where 0 was asked for. */
  listen(address: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) => reject(listenFailure('tcp', address, port, cause)));
      this.#server.listen({ host: address, port, backlog: 511 }, () => {
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound ? bound.port : port);
      });
    });
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    // The peer may have gone between the handshake and now.
    const parsed = parseAddress(socket.remoteAddress ?? '');
    if (!parsed.ok) {
      socket.destroy();
      return;
    }
    const address = addressOf(parsed.value.bytes);
    const network = this.#networkOf(address);
    const ofNetwork = this.#perNetwork.get(network) ?? 0;
    if (this.#sockets.size >= connectionsMax || ofNetwork >= perNetworkMax) {
      this.counts.refused_connections++;
      socket.destroy();
      return;
    }
    this.counts.accepted++;
    this.#sockets.add(socket);
    this.#perNetwork.set(network, ofNetwork + 1);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      const left = (this.#perNetwork.get(network) ?? 1) - 1;
      if (left > 0) this.#perNetwork.set(network, left);
      else this.#perNetwork.delete(network);
    });
    socket.setTimeout(idleMs, () => {
      this.counts.closed_idle++;
      socket.destroy();
    });
    socket.on('error', () => {
      this.counts.closed_by_error++;
      socket.destroy();
    });
    let pending: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = this.#drain(
        socket,
        address,
        pending.length ? Buffer.concat([pending, chunk]) : chunk,
      );
    });
    socket.on('drain', () => socket.resume());
  }

  /** Answers every whole query in `bytes` and gives back the rest: less than one message, at most 64 KiB. */
  #drain(socket: Socket, address: Address, bytes: Buffer): Buffer {
    let at = 0;
    while (bytes.length - at >= 2) {
      const length = bytes.readUInt16BE(at);
      if (bytes.length - at - 2 < length) break;
      const answer = this.#answer(bytes.subarray(at + 2, at + 2 + length), address);
      at += 2 + length;
      if (answer.length === 0) {
        // What is no query is not worth a connection.
        socket.destroy();
        return Buffer.alloc(0);
      }
      const framed = Buffer.allocUnsafe(2 + answer.length);
      framed.writeUInt16BE(answer.length);
      framed.set(answer, 2);
      socket.write(framed);
    }
    if (socket.writableLength > backlogMax) socket.pause();
    return bytes.subarray(at);
  }
}

export function listenFailure(protocol: string, address: string, port: number, cause: unknown) {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  const what: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program has that port: stop it or set dns.port',
    EADDRNOTAVAIL: 'no interface has that address: add it or correct dns.listen',
    EACCES: 'ports below 1024 need CAP_NET_BIND_SERVICE',
  };
  return new HeadgateError(
    'listen_failed',
    `dns: cannot listen on ${address} port ${port} (${protocol}): ${what[code] ?? code}`,
    { cause, retryable: true },
  );
}
