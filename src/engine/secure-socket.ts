import { createServer, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HeadgateError } from '../core/base/error.ts';
import { loadNative } from './native.ts';

/**
 * TCP with MD5 signatures (RFC 2385) and TTL security (GTSM, RFC 5082): both must be set before the first
 * packet leaves, which Node's own sockets cannot.
 */
export interface SecurePeer {
  readonly address: string;
  /** At most 80 octets. */
  readonly md5?: string;
  /** 1 to 254: the peer is at most so many hops away. */
  readonly ttlSecurityHops?: number;
}

export interface SecureConnectRequest extends SecurePeer {
  readonly port: number;
  readonly localAddress?: string;
  readonly timeoutMs: number;
}

export interface SecureListenRequest {
  readonly address: string;
  readonly port: number;
  readonly peers: readonly SecurePeer[];
  readonly accept: (socket: Duplex, remoteAddress: string, localAddress: string) => void;
}

interface NativePeer {
  readonly address: string;
  readonly md5?: string;
  readonly hops?: number;
}

interface Native {
  socketConnect(
    request: NativePeer & { port: number; localAddress?: string; timeoutMs: number },
  ): Promise<number>;
  socketListen(request: { address: string; port: number; peers: readonly NativePeer[] }): number;
  socketLimitHops(fd: number, hops: number): void;
}

/** Throws HeadgateError `connect_failed`; the message names the peer and the system's reason. */
export async function openSecureSocket(request: SecureConnectRequest): Promise<Duplex> {
  const { port, localAddress, timeoutMs } = request;
  const native = loadNative<Native>();
  try {
    const fd = await native.socketConnect({
      ...toNative(request),
      port,
      ...(localAddress !== undefined ? { localAddress } : {}),
      timeoutMs,
    });
    const socket = new Socket({ fd, readable: true, writable: true });
    socket.setNoDelay(true);
    return socket;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new HeadgateError('connect_failed', message, { cause, retryable: true });
  }
}

/** Throws HeadgateError `listen_failed`. */
export async function openSecureListener(
  request: SecureListenRequest,
): Promise<{ close(): Promise<void> }> {
  const { address, port, peers } = request;
  const native = loadNative<Native>();
  let fd: number;
  try {
    fd = native.socketListen({ address, port, peers: peers.map(toNative) });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new HeadgateError('listen_failed', message, { cause, retryable: true });
  }
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => {});
    socket.setNoDelay(true);
    const remote = plainAddress(socket.remoteAddress ?? '');
    if (
      limitHops(
        native,
        socket,
        peers.find((peer) => peer.address === remote),
      )
    )
      request.accept(socket, remote, plainAddress(socket.localAddress ?? ''));
    else socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd }, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Each peer's own bound, which the listening socket does not know. False: it cannot be had, and the peer asks for it. */
function limitHops(native: Native, socket: Socket, peer: SecurePeer | undefined): boolean {
  if (peer?.ttlSecurityHops === undefined) return true;
  // A cast: Node gives no other way to the descriptor of an accepted connection than its handle.
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } };
  if (handle?.fd === undefined) return false;
  try {
    native.socketLimitHops(handle.fd, peer.ttlSecurityHops);
    return true;
  } catch {
    // The connection is already gone, or its kernel does not know the option: refused like one from afar.
    return false;
  }
}

/** `::ffff:192.0.2.1` of a socket for both families is 192.0.2.1. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '');

const toNative = ({ address, md5, ttlSecurityHops }: SecurePeer): NativePeer => ({
  address,
  ...(md5 !== undefined ? { md5 } : {}),
  ...(ttlSecurityHops !== undefined ? { hops: ttlSecurityHops } : {}),
});
