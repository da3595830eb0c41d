/** The service: receiver.js PORT. Prints a line per connection: arrival (Unix ms), address asked for, client. */
import { createServer } from 'node:net';

const server = createServer((socket) => {
  process.stdout.write(`${Date.now()} ${socket.localAddress} ${socket.remoteAddress}\n`);
  socket.on('error', () => {});
  socket.resume().once('end', () => socket.end());
});
server.listen(Number(process.argv[2]), '0.0.0.0', () => process.stdout.write('ready\n'));
process.stdin.resume().once('end', () => process.exit(0));
