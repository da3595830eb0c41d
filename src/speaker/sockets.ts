import { connect, createServer, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { HeadgateError } from '../core/base/error.ts';
import type { Clock, ListenRequest, OpenListener, OpenSocket } from './peering.ts';

/** The system's clock and timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, call) => {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Plain TCP. Sessions with MD5 or GTSM need the native helper, injected in its place. */
export const openPlainSocket: OpenSocket = (request) => {
  const { address, port, localAddress, timeoutMs } = request;
  refuseSecurity(request);
  return new Promise<Duplex>((resolve, reject) => {
    const socket = connect({ host: address, port, ...(localAddress ? { localAddress } : {}) });
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), timeoutMs);
    socket.setNoDelay(true);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeListener('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('closed'));
    });
  });
};

export const openPlainListener: OpenListener = async (request) => {
  for (const peer of request.peers) refuseSecurity(peer);
  return listen(request);
};

async function listen(request: ListenRequest): Promise<{ close(): Promise<void> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // Without a listener an error before the session takes over would end the process.
    socket.on('error', () => {});
    socket.setNoDelay(true);
    const { remoteAddress = '', localAddress = '' } = socket;
    request.accept(socket, plainAddress(remoteAddress), plainAddress(localAddress));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new HeadgateError(
          'listen_failed',
          `cannot listen for BGP at ${request.address} port ${request.port}: ${cause.message}`,
          { cause, retryable: true },
        ),
      ),
    );
    server.listen({ host: request.address, port: request.port }, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** `::ffff:192.0.2.1` of a socket for both families is 192.0.2.1. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '');

function refuseSecurity(wanted: {
  readonly md5?: string;
  readonly ttlSecurityHops?: number;
}): void {
  if (wanted.md5 === undefined && wanted.ttlSecurityHops === undefined) return;
  throw new HeadgateError(
    'security_unavailable',
    'TCP MD5 and TTL security need the native module: build it with scripts/build',
  );
}
