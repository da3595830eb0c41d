/** TTL security of one listener with several peers: each is held to its own bound (RFC 5082). */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import t from 'tap';
import { openSecureListener, openSecureSocket } from '../../../src/engine/index.ts';

const [near, any] = ['127.0.0.2', '127.0.0.3'];
t.setTimeout(120_000);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

t.test('a peer that must be near is not heard with an ordinary time to live', async (t) => {
  const port = await freePort();
  const heard: string[] = [];
  let wake: () => void = () => {};
  const listener = await openSecureListener({
    address: '0.0.0.0',
    port,
    peers: [{ address: near, ttlSecurityHops: 1 }, { address: any }],
    accept: (socket, address, localAddress) => {
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => {
        heard.push(`${address} at ${localAddress}: ${chunk.toString()}`);
        wake();
      });
    },
  });
  t.teardown(() => listener.close());
  const say = async (from: string, text: string): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: from });
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write(text);
    return socket;
  };
  const until = async (count: number) => {
    while (heard.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  // The bound is set when the connection is accepted: what follows is judged by it.
  const far = await say(near, 'handshake ');
  const plain = await say(any, 'plain');
  await until(1);
  const secure = await openSecureSocket({
    address: '127.0.0.1',
    port,
    localAddress: near,
    ttlSecurityHops: 1,
    timeoutMs: 10_000,
  });
  far.write('from afar');
  secure.write('from near');
  while (!heard.some((line) => line.includes('from near'))) await until(heard.length + 1);
  t.ok(heard.includes('127.0.0.3 at 127.0.0.1: plain'), 'the other peer is free to be far');
  t.notOk(heard.some((line) => line.includes('from afar')));
  for (const socket of [far, plain, secure]) socket.destroy();
});
