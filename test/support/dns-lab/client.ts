/**
 * A site's users: client.js RESOLVER NAME PORT. Every 50 ms one looks the name up anew at the site's resolver and
 * opens a connection to what it is told. Ends with its stdin.
 */
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';

const [server = '', name = '', port = ''] = process.argv.slice(2);
const resolver = new Resolver({ timeout: 1000, tries: 2 });
resolver.setServers([server]);

async function visit(): Promise<void> {
  try {
    const [host = ''] = await resolver.resolve4(name);
    const socket = connect({ host, port: Number(port), timeout: 2000 });
    socket.on('connect', () => socket.end());
    socket.on('timeout', () => socket.destroy());
    // A visit that fails is missing where the connections are counted.
    socket.on('error', () => {});
  } catch {
    // As above.
  }
}

const timer = setInterval(visit, 50);
process.stdin.resume().once('end', () => {
  clearInterval(timer);
  process.exit(0);
});
