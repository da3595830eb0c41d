/**
 * Sends numbered datagrams at a steady rate, or receives and ignores them.
 * Usage: stream.js send ADDRESS PER_SECOND SECONDS STREAM | stream.js sink
 */
import { createSocket } from 'node:dgram';
import { streamPort } from './streams.ts';

const [mode, address = '', perSecond = '0', seconds = '0', stream = '0'] = process.argv.slice(2);
const socket = createSocket('udp4');
if (mode === 'sink') socket.bind(streamPort, () => console.log('ready'));
else send();

function send(): void {
  const total = Number(perSecond) * Number(seconds);
  const started = performance.now();
  let sent = 0;
  let done = 0;
  const timer = setInterval(() => {
    const due = Math.min(
      total,
      Math.floor(((performance.now() - started) * Number(perSecond)) / 1000),
    );
    for (; sent < due; sent++) {
      const bytes = Buffer.alloc(64);
      bytes.writeUInt32BE(Number(stream), 0);
      bytes.writeUInt32BE(sent, 4);
      socket.send(bytes, streamPort, address, () => {
        // Closing drops what still waits to be sent.
        if (++done === total) socket.close();
      });
    }
    if (sent === total) clearInterval(timer);
  }, 1);
}
