import { createSocket, type Socket } from 'node:dgram';
import { type Address, parseAddress } from '../core/base/prefix.ts';
import { addressOf } from '../core/wire/dns/answer.ts';
import { listenFailure } from './tcp.ts';

export type AnswerUdp = (query: Uint8Array, address: Address) => Uint8Array;

/**
 * DNS over UDP at one address, answered from it, in JavaScript: the server where there is no native
 * module, and the reference that the native one is compared with.
 */
export class UdpServer {
  readonly counts = { send_failed: 0, socket_errors: 0 };
  readonly #socket: Socket;

  constructor(address: string, answer: AnswerUdp) {
    this.#socket = createSocket({
      type: address.includes(':') ? 'udp6' : 'udp4',
      ipv6Only: address.includes(':'),
      recvBufferSize: 1 << 21,
    });
    this.#socket.on('message', (query, peer) => {
      const parsed = parseAddress(peer.address.replace(/%.*/, ''));
      if (!parsed.ok) return;
      const bytes = answer(query, addressOf(parsed.value.bytes));
      if (bytes.length === 0) return;
      this.#socket.send(bytes, peer.port, peer.address, (error) => {
        if (error) this.counts.send_failed++;
      });
    });
  }

  listen(address: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const onError = (cause: unknown) => reject(listenFailure('udp', address, port, cause));
      this.#socket.once('error', onError);
      this.#socket.bind({ address, port }, () => {
        this.#socket.off('error', onError);
        this.#socket.on('error', () => this.counts.socket_errors++);
        resolve(this.#socket.address().port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}
