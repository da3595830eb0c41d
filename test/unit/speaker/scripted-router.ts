/** A router that does what the test tells it, at the other end of a socket in memory. */
import { Duplex } from 'node:stream';
import { asn } from '../../../src/core/base/units.ts';
import { buildOpen, type SessionConfig } from '../../../src/core/bgp/negotiate.ts';
import { messageType } from '../../../src/core/wire/bgp/codes.ts';
import { MessageSplitter } from '../../../src/core/wire/bgp/framing.ts';
import { decodeMessage, type Message } from '../../../src/core/wire/bgp/message.ts';
import { encodeKeepalive } from '../../../src/core/wire/bgp/notification.ts';
import { encodeOpen } from '../../../src/core/wire/bgp/open.ts';
import type { Clock, OpenSocket } from '../../../src/speaker/index.ts';

export const localAsn = asn(64512);

/** Time that stands still until the test moves it. */
export class HandClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly call: () => void }>();

  readonly now = (): number => this.#now;

  readonly after = (delayMs: number, call: () => void): (() => void) => {
    const timer = { at: this.#now + delayMs, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  get pending(): number {
    return this.#timers.size;
  }

  /** Moves the hands, calling what is due on the way, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
    }
    this.#now = end;
  }
}

/** Two ends of a connection without a network. */
export function makePipe(): [Duplex, Duplex] {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk: Buffer, _, done) {
        if (!other().destroyed) other().push(chunk);
        done();
      },
      final(done) {
        if (!other().destroyed) other().push(null);
        done();
      },
      destroy(error, done) {
        queueMicrotask(() => other().destroy());
        done(error);
      },
    });
  const left: Duplex = make(() => right);
  const right: Duplex = make(() => left);
  return [left, right];
}

export class ScriptedRouter {
  readonly heard: Message[] = [];
  refusesConnections = false;
  readonly #config: SessionConfig;
  #socket: Duplex | undefined;

  constructor(routerId: string, change: Partial<SessionConfig> = {}) {
    this.#config = {
      localAsn,
      peerAsn: localAsn,
      routerId,
      holdTimeS: 90,
      isPassive: true,
      families: [4, 6],
      addPath: false,
      gracefulRestartS: 0,
      staleMaxS: 300,
      ...change,
    };
  }

  readonly openSocket: OpenSocket = async () => {
    if (this.refusesConnections) throw new Error('connection refused');
    const [ours, theirs] = makePipe();
    this.#socket = ours;
    const splitter = new MessageSplitter();
    ours.on('error', () => {});
    ours.on('data', (chunk: Buffer) => {
      splitter.push(new Uint8Array(chunk));
      for (let next = splitter.next(); next?.ok; next = splitter.next()) {
        const message = decodeMessage(next.value, {
          as4: true,
          isInternal: true,
          addPath: { 4: false, 6: false },
          acceptAsSets: false,
        });
        if (message.ok) this.heard.push(message.value);
        if (next.value.type !== messageType.open) continue;
        this.send(encodeOpen(buildOpen(this.#config, false)));
        this.send(encodeKeepalive());
      }
    });
    return theirs;
  };

  send(bytes: Uint8Array): void {
    this.#socket?.write(Buffer.from(bytes));
  }

  /** As a process that is killed: the connection ends without a word. */
  drop(): void {
    this.#socket?.destroy();
  }

  /** Prefixes that it holds from us, from all that it has heard. */
  get table(): readonly string[] {
    const held = new Set<string>();
    for (const message of this.heard) {
      if (message.kind === 'open') held.clear();
      if (message.kind !== 'update') continue;
      const { announced, withdrawn, mpReach, mpUnreach } = message.decoded.update;
      const text = ({
        prefix,
      }: {
        readonly prefix: { readonly bytes: Uint8Array; readonly length: number };
      }) => `${prefix.bytes.join('.')}/${prefix.length}`;
      for (const nlri of [...withdrawn, ...(mpUnreach?.nlri ?? [])]) held.delete(text(nlri));
      for (const nlri of [...announced, ...(mpReach?.nlri ?? [])]) held.add(text(nlri));
    }
    return [...held].sort();
  }
}

/** Lets everything that is under way happen: microtasks, streams and turns. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await new Promise((resolve) => setImmediate(resolve));
}
