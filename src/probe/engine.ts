import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import raw, { type RawSocket } from 'raw-socket';
import { HeadgateError } from '../core/base/error.ts';
import { type Address, type Family, formatAddress } from '../core/base/prefix.ts';
import { type LinkId, linkId } from '../core/base/units.ts';
import { type Answer, ipv4Payload, readDns, readIcmp, readTcp } from './answer.ts';
import { encodeProbe, type Method } from './packet.ts';

/** How a probe leaves by one link and comes back by it. */
export interface ProbeLink {
  readonly link: LinkId;
  /** Addresses of that link's provider, at most one of each family: answers return by them. */
  readonly sources: readonly Address[];
  /** Mark that the border router routes by; 0 none. */
  readonly dscp: number;
  /** Linux's own ways to choose a link, where the unit itself routes. */
  readonly fwmark?: number;
  readonly device?: string;
}

export interface ProbeTarget {
  readonly address: Address;
  readonly method: Method;
  /** For tcp and udp. */
  readonly port: number;
}

export type ProbeOutcome =
  | { readonly kind: 'reached'; readonly rttUs: number }
  | { readonly kind: 'lost' | 'unreachable' | 'prohibited' }
  /** `reason` names what of our own stood in the way. */
  | { readonly kind: 'not_sent'; readonly reason: string };

export interface ProbeEngine {
  probe(link: ProbeLink, target: ProbeTarget, timeoutMs: number): Promise<ProbeOutcome>;
  close(): void;
}

/** `asm-generic/socket.h` and `in6.h`: raw-socket has no names for these. */
const solSocket = 1;
const soMark = 36;
const soBindToDevice = 25;
const protocolRaw = 255;
const protocolOf = { icmp: { 4: 1, 6: 58 }, tcp: { 4: 6, 6: 6 } } as const;

/** A timer that fires later than this was held up, and what was held up with it gets so much more. */
const lateMs = 20;
const graceMs = 100;

interface Pending {
  settle(outcome: ProbeOutcome): void;
  sentNs: bigint;
}

/**
 * Sends whole IP packets by raw sockets, so that every method can bear a mark and a source, and waits for answers.
 * Needs CAP_NET_RAW (and CAP_NET_ADMIN for fwmark). Sockets are opened when first needed.
 */
export function createProbeEngine(): ProbeEngine {
  const senders = new Map<string, RawSocket>();
  const receivers = new Map<string, RawSocket>();
  const udp = new Map<string, Promise<Socket>>();
  const pending = new Map<string, Pending>();
  // Outside the kernel's own range of ports, so that no connection of this machine is met.
  const tcpPort = 61_000 + Math.floor(Math.random() * 4000);
  const icmpId = 1 + Math.floor(Math.random() * 65_534);
  let sequence = Math.floor(Math.random() * 65_536);

  function take(answer: Answer | undefined): void {
    if (!answer) return;
    const waiting = pending.get(keyOf(answer));
    if (!waiting || waiting.sentNs === 0n) return;
    const rttUs = Number(process.hrtime.bigint() - waiting.sentNs) / 1000;
    waiting.settle(answer.kind === 'reached' ? { kind: 'reached', rttUs } : { kind: answer.kind });
  }

  function receive(family: Family, method: 'icmp' | 'tcp'): void {
    const key = `${method}${family}`;
    if (receivers.has(key)) return;
    const socket = openRaw(family, protocolOf[method][family]);
    socket.on('message', (message) => {
      const body = family === 4 ? ipv4Payload(message) : message;
      take(method === 'icmp' ? readIcmp(family, body) : readTcp(body));
    });
    receivers.set(key, socket);
  }

  function sender(link: ProbeLink, family: Family): RawSocket {
    const key = `${family}/${link.fwmark ?? ''}/${link.device ?? ''}`;
    const known = senders.get(key);
    if (known) return known;
    const socket = openRaw(family, protocolRaw);
    if (link.fwmark !== undefined) socket.setOption(solSocket, soMark, link.fwmark);
    if (link.device !== undefined) {
      const name = Buffer.from(`${link.device}\0`);
      socket.setOption(solSocket, soBindToDevice, name, name.length);
    }
    senders.set(key, socket);
    return socket;
  }

  /** A socket on the link's source whose port our DNS queries name. */
  function udpSocket(source: Address): Promise<Socket> {
    const address = formatAddress(source.bytes);
    const known = udp.get(address);
    if (known) return known;
    const opening = openUdp(source.family, address, (message, port) =>
      take(readDns(message, port)),
    );
    udp.set(address, opening);
    return opening;
  }

  async function localId(method: Method, source: Address): Promise<number> {
    if (method === 'icmp') return icmpId;
    if (method === 'tcp') return tcpPort;
    return (await udpSocket(source)).address().port;
  }

  return {
    async probe(link, target, timeoutMs) {
      const { family } = target.address;
      const source = link.sources.find((candidate) => candidate.family === family);
      if (!source) return { kind: 'not_sent', reason: `${link.link} has no IPv${family} source` };
      let socket: RawSocket;
      let id: number;
      try {
        // ICMP errors answer every method.
        receive(family, 'icmp');
        if (target.method === 'tcp') receive(family, 'tcp');
        socket = sender(link, family);
        id = await localId(target.method, source);
      } catch (error) {
        return { kind: 'not_sent', reason: reasonOf(error) };
      }
      sequence = (sequence + 1) & 0xffff;
      const { method, port, address: destination } = target;
      const own = sequence;
      const packet = Buffer.from(
        encodeProbe({ method, source, destination, dscp: link.dscp, id, sequence: own, port }),
      );
      return await new Promise<ProbeOutcome>((resolve) => {
        const key = keyOf({ method, id, sequence: own });
        const dueMs = performance.now() + timeoutMs;
        let hasGrace = true;
        const expire = () => {
          // This process was busy: the answer may wait in the socket, and would be called lost for nothing.
          const isLate = performance.now() - dueMs > lateMs;
          if (isLate && hasGrace) timer = setTimeout(expire, graceMs);
          else settle({ kind: 'lost' });
          hasGrace = false;
        };
        let timer = setTimeout(expire, timeoutMs);
        const settle = (outcome: ProbeOutcome) => {
          clearTimeout(timer);
          pending.delete(key);
          resolve(outcome);
        };
        const entry: Pending = { settle, sentNs: 0n };
        pending.set(key, entry);
        const to = formatAddress(destination.bytes);
        const stamp = () => {
          entry.sentNs = process.hrtime.bigint();
        };
        socket.send(packet, 0, packet.length, to, stamp, (error) => {
          if (error) settle({ kind: 'not_sent', reason: error.message });
        });
      });
    },
    close() {
      for (const socket of [...senders.values(), ...receivers.values()]) socket.close();
      for (const opening of udp.values()) {
        opening.then(
          (socket) => socket.close(),
          () => undefined,
        );
      }
      for (const { settle } of [...pending.values()])
        settle({ kind: 'not_sent', reason: 'closed' });
      senders.clear();
      receivers.clear();
      udp.clear();
    },
  };
}

/** A link that leaves everything to the kernel's own routing: for trials by hand. */
export const plainLink = (name: string, sources: readonly Address[]): ProbeLink => ({
  link: linkId(name),
  sources,
  dscp: 0,
});

const keyOf = ({ method, id, sequence }: Pick<Answer, 'method' | 'id' | 'sequence'>): string =>
  `${method}/${id}/${sequence}`;

function openRaw(family: Family, protocol: number): RawSocket {
  const addressFamily = family === 4 ? raw.AddressFamily.IPv4 : raw.AddressFamily.IPv6;
  try {
    const socket = raw.createSocket({ protocol, addressFamily, bufferSize: 4096 });
    // Errors of one datagram come to its own callback; nothing of the socket's state depends on this event.
    socket.on('error', () => undefined);
    if (protocol === protocolRaw) socket.pauseRecv();
    return socket;
  } catch (cause) {
    throw new HeadgateError(
      'probe_socket',
      `no raw socket: ${reasonOf(cause)}; CAP_NET_RAW is needed`,
      { cause },
    );
  }
}

async function openUdp(
  family: Family,
  address: string,
  receive: (message: Uint8Array, port: number) => void,
): Promise<Socket> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  socket.bind(0, address);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.on('message', (message) => receive(message, port));
  // A closed port at the target comes back as an error of this socket too; the raw socket has read it already.
  socket.on('error', () => undefined);
  return socket;
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
