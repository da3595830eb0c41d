import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { openServiceManager } from '../../../src/engine/service-manager.ts';

/** Node has no unix datagram sockets, so the other end is a few lines of Python. */
const listener = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('listening', flush=True)
while True: print(s.recv(100).decode(), flush=True)
`;
const hasPython = spawnSync('python3', ['--version']).status === 0;

t.test(
  'a service manager hears that the unit is ready, alive and stopping',
  { skip: hasPython ? false : 'python3 is not installed' },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'hgnotify-'));
    const path = join(folder, 'notify');
    const peer = spawn('python3', ['-c', listener, path]);
    t.teardown(() => {
      peer.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    });
    const lines = createInterface(peer.stdout)[Symbol.asyncIterator]();
    const next = async () => (await lines.next()).value;
    t.equal(await next(), 'listening');
    const manager = openServiceManager({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '100000' });
    manager.ready();
    t.equal(await next(), 'READY=1');
    // The watchdog's timer keeps no process alive by itself; this one does while the test waits.
    const alive = setInterval(() => {}, 1000);
    t.equal(await next(), 'WATCHDOG=1');
    clearInterval(alive);
    manager.close();
    manager.stopping();
    let last = await next();
    while (last === 'WATCHDOG=1') last = await next();
    t.equal(last, 'STOPPING=1');
  },
);

t.test('nobody listening is no error', async () => {
  openServiceManager({}).ready();
  openServiceManager({ NOTIFY_SOCKET: '/nowhere/notify' }).ready();
});
