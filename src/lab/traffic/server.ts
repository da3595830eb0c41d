/**
 * A program: the sending host of a source network. Listens on TCP port 8080 and sends each client zeros at the
 * pace that the client asked for last, one line `BITS_PER_SECOND\n` at a time. What the network does not take in
 * time is not made up for, as in a live stream: an overload leaves no backlog that would blur the relief.
 */
import { createServer, type Socket } from 'node:net';

export const serverPort = 8080;
const tickMs = 20;
/** Unsent bytes above which a tick is skipped; beyond the kernel's own small send buffer. */
const backlogBytes = 16_384;

interface Stream {
  readonly socket: Socket;
  bytesPerMs: number;
  credit: number;
}

const zeros = Buffer.alloc(1 << 20);
const streams = new Set<Stream>();

createServer((socket) => {
  const stream: Stream = { socket, bytesPerMs: 0, credit: 0 };
  let line = '';
  streams.add(stream);
  socket.setNoDelay(true);
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    const lines = (line + text).split('\n');
    line = lines.pop() ?? '';
    const rate = Number(lines.at(-1) ?? Number.NaN);
    if (rate >= 0) stream.bytesPerMs = rate / 8000;
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => streams.delete(stream));
}).listen({ port: serverPort, host: '::' }, () => process.stdout.write('ready\n'));

let last = performance.now();
setInterval(() => {
  const now = performance.now();
  // A late tick of a busy machine makes up for itself, but never for more than a quarter of a second.
  const elapsedMs = Math.min(now - last, 250);
  last = now;
  for (const stream of streams) {
    stream.credit += stream.bytesPerMs * elapsedMs;
    if (stream.socket.writableLength < backlogBytes && stream.credit >= 1) {
      stream.socket.write(zeros.subarray(0, Math.floor(stream.credit)));
    }
    stream.credit %= 1;
  }
}, tickMs);

// The lab owns this program: when it goes, so does this.
process.stdin.on('end', () => process.exit(0)).resume();
