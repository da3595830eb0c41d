/**
 * A program: our hosts. Its argument is a JSON array of addresses; each line on stdin is a JSON array with the wanted
 * rate towards each, IP bit/s; each line on stdout is the number of datagrams sent to each so far.
 */
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { datagramBytes, headerBytes, sinkPort } from './datagram.ts';

const tickMs = 20;
const reportMs = 250;

// Written by startOutflow of this folder.
const hosts = JSON.parse(process.argv[2] ?? '[]') as readonly string[];
const bytesPerMs = hosts.map(() => 0);
const credit = hosts.map(() => 0);
const sent = hosts.map(() => 0);
const payloads = hosts.map((_, i) => {
  const payload = Buffer.alloc(datagramBytes);
  payload.writeUInt16BE(i, 0);
  return payload;
});

const socket = createSocket('udp4');
socket.on('error', () => {});
socket.bind(() => {
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    // What a machine that did not run us in time has missed is not made up for: shapers would see a burst.
    const elapsedMs = Math.min(now - last, 3 * tickMs);
    last = now;
    for (const [i, payload] of payloads.entries()) {
      let left = (credit[i] ?? 0) + (bytesPerMs[i] ?? 0) * elapsedMs;
      while (left >= datagramBytes + headerBytes) {
        left -= datagramBytes + headerBytes;
        sent[i] = (sent[i] ?? 0) + 1;
        socket.send(payload, sinkPort, hosts[i]);
      }
      credit[i] = left;
    }
  }, tickMs);
});

createInterface({ input: process.stdin })
  .on('line', (line) => {
    // Our own format, see above.
    const wanted = JSON.parse(line) as readonly number[];
    for (const [i, rate] of wanted.entries()) bytesPerMs[i] = rate / 8000;
  })
  .on('close', () => process.exit(0));
process.stdout.on('error', () => process.exit(0));
setInterval(() => process.stdout.write(`${JSON.stringify(sent)}\n`), reportMs);
// All destinations begin at another point, so that they do not send in one burst.
for (const i of hosts.keys()) credit[i] = ((i * 7919) % hosts.length) * 5;
