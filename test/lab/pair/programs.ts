/**
 * The small programs of `pair.test.ts`, each in a namespace of its own:
 *   echo PORT                          answers what it hears, until it is killed
 *   talk FROM TO PORT                  one TCP session: a line every 50 ms; prints how many came back, and why it ended
 *   meet ADDRESS:PORT|PATH ADDRESS:PORT|PATH   passes connections on: a socket in the file system joins two namespaces
 */
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';

const [role, ...rest] = process.argv.slice(2);
const [first = '', second = '', third = ''] = rest;

const parse = (text: string): NetConnectOpts => {
  const port = /^(.*):(\d+)$/.exec(text);
  return port ? { host: port[1] ?? '', port: Number(port[2]) } : { path: text };
};

switch (role) {
  case 'echo':
    createServer((socket) => socket.pipe(socket).on('error', () => undefined)).listen(
      Number(first),
      '0.0.0.0',
    );
    break;
  case 'talk':
    talk(connect({ host: second, port: Number(third), localAddress: first, noDelay: true }));
    break;
  case 'meet':
    createServer((socket) => {
      const other = connect(parse(second));
      for (const end of [socket, other]) end.on('error', () => undefined);
      socket.pipe(other).pipe(socket);
    }).listen(parse(first));
    break;
  default:
    throw new Error(`no role ${role}`);
}

function talk(socket: Socket): void {
  let heard = 0;
  const say = setInterval(() => socket.write(`${'.'.repeat(399)}\n`), 50);
  socket.on('data', (bytes) => {
    heard += bytes.length;
    process.stdout.write(`heard ${heard}\n`);
  });
  socket.on('error', (error) => process.stdout.write(`ended ${error.message}\n`));
  socket.on('close', () => {
    clearInterval(say);
    process.stdout.write('ended closed\n');
  });
}
