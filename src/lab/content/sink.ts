/** A program: all hosts of the foreign network. Each line on stdout is the number of datagrams received for each destination. */
import { createSocket } from 'node:dgram';
import { sinkPort } from './datagram.ts';

const reportMs = 250;
const received = new Array<number>(Number(process.argv[2] ?? 0)).fill(0);
const socket = createSocket('udp4');
socket.on('message', (message) => {
  const index = message.length >= 2 ? message.readUInt16BE(0) : received.length;
  if (index < received.length) received[index] = (received[index] ?? 0) + 1;
});
socket.bind(sinkPort, () => {
  socket.setRecvBufferSize(4 << 20);
  process.stdout.write(`${JSON.stringify(received)}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
process.stdout.on('error', () => process.exit(0));
setInterval(() => process.stdout.write(`${JSON.stringify(received)}\n`), reportMs);
