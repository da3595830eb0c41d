/**
 * A program: sessions that a test follows through the content network. As `net` it answers for the foreign hosts: TCP
 * is echoed, of UDP the longest silence of each flow is told. As `hosts` it holds long TCP and UDP sessions and opens
 * short ones when asked. Lines on stdin are commands, each line on stdout is a JSON object.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const tcpPort = 7000;
/** QUIC's, whose first packets tell that they are first (RFC 9000 section 17.2.2), and another. */
const quicPort = 443;
const udpPort = 7001;
const beatMs = 20;
const atOnce = 50;

export interface HostsTold {
  readonly short: number;
  readonly failed: number;
  /** Long sessions as `PROTOCOL DESTINATION PORT`; of TCP with the octets that came back. */
  readonly tcp: ReadonlyArray<{
    readonly key: string;
    readonly echoed: number;
    readonly isOpen: boolean;
  }>;
  readonly udp: readonly string[];
}

export interface NetTold {
  /** By source port: datagrams, and the longest time between two since the last `reset`, ms. */
  readonly udp: Readonly<Record<string, { readonly count: number; readonly gapMs: number }>>;
}

const [role, argument = '{}'] = process.argv.slice(2);
if (role === 'net') answer();
if (role === 'hosts') {
  // Written by the test, our own format.
  const { hosts, long } = JSON.parse(argument) as { hosts: readonly string[]; long: number };
  hold(hosts, long);
}

function answer(): void {
  const flows = new Map<number, { count: number; gapMs: number; at: number }>();
  createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  }).listen(tcpPort, '0.0.0.0');
  for (const port of [quicPort, udpPort]) {
    const socket = createSocket('udp4');
    socket.on('message', (_, from) => {
      const now = performance.now();
      const flow = flows.get(from.port) ?? { count: 0, gapMs: 0, at: now };
      flow.gapMs = Math.max(flow.gapMs, now - flow.at);
      flow.at = now;
      flow.count++;
      flows.set(from.port, flow);
    });
    socket.bind(port);
  }
  const tell = () => say({ udp: Object.fromEntries(flows) });
  onLine((line) => {
    if (line === 'reset') for (const flow of flows.values()) flow.gapMs = 0;
  });
  setInterval(tell, 100);
  tell();
}

function hold(hosts: readonly string[], long: number): void {
  const hostAt = (i: number) => hosts[i % hosts.length] ?? '';
  const tcp = Array.from({ length: long }, (_, i) => {
    const socket = connect(tcpPort, hostAt(i * 7));
    const entry = { socket, echoed: 0, isOpen: true };
    socket.on('data', (bytes) => {
      entry.echoed += bytes.length;
    });
    socket.on('close', () => {
      entry.isOpen = false;
    });
    socket.on('error', () => {});
    return entry;
  });
  const udp = Array.from({ length: long }, () => createSocket('udp4').bind());
  // The first packet of a connection, and what comes after the handshake.
  const initial = Buffer.from([0xc3, 0, 0, 0, 1, 8, 0, 0]);
  const later = Buffer.from([0x43, 0, 0, 0, 0, 0, 0, 0]);
  let beats = 0;
  const beat = () => {
    const packet = beats++ === 0 ? initial : later;
    for (const { socket } of tcp) if (socket.writable) socket.write('x');
    for (const [i, socket] of udp.entries()) socket.send(packet, quicPort, hostAt(i * 7 + 3));
  };
  setInterval(beat, beatMs);
  let [short, failed, wanted, open] = [0, 0, 0, 0];
  const next = () => {
    while (open < atOnce && wanted > 0) {
      wanted--;
      open++;
      const done = (socket: Socket, isGood: boolean) => {
        socket
          .removeAllListeners()
          .on('error', () => {})
          .destroy();
        open--;
        if (isGood) short++;
        else failed++;
        next();
      };
      const socket = connect(tcpPort, hostAt(short + failed + open));
      socket.setTimeout(20_000);
      socket.once('connect', () => socket.end('x'));
      socket.once('close', () => done(socket, true));
      socket.once('timeout', () => done(socket, false));
      socket.once('error', () => done(socket, false));
      socket.resume();
    }
  };
  onLine((line) => {
    const [command, number] = line.split(' ');
    if (command === 'short') {
      wanted += Number(number);
      next();
    }
    // Larger than a frame: the kernel sends them in fragments.
    if (command === 'fragments') {
      const socket = createSocket('udp4');
      const large = Buffer.alloc(4000);
      for (let i = 0; i < Number(number); i++) socket.send(large, udpPort, hostAt(i));
    }
  });
  const tell = () =>
    say({
      short,
      failed,
      tcp: tcp.map(({ socket, echoed, isOpen }, i) => ({
        key: `tcp ${hostAt(i * 7)} ${socket.localPort ?? 0}`,
        echoed,
        isOpen,
      })),
      udp: udp.map((socket, i) => `udp ${hostAt(i * 7 + 3)} ${portOf(socket)}`),
    });
  setInterval(tell, 100);
}

function portOf(socket: ReturnType<typeof createSocket>): number {
  try {
    return socket.address().port;
  } catch {
    return 0;
  }
}

function say(told: HostsTold | NetTold): void {
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

function onLine(take: (line: string) => void): void {
  process.stdout.on('error', () => process.exit(0));
  createInterface({ input: process.stdin })
    .on('line', take)
    .on('close', () => process.exit(0));
}
