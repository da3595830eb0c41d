import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openControlClient } from '../../../../src/control/index.ts';
import { waitFor } from '../../../support/lab.ts';

t.setTimeout(180_000);
const main = fileURLToPath(new URL('../../../../src/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hg-user-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
chmodSync(folder, 0o755);
const file = join(folder, 'headgate.yaml');
const nobody = 65534;
const skip =
  process.getuid?.() !== 0
    ? 'needs root: it is about giving that up'
    : spawnSync('setpriv', ['--version']).error
      ? 'setpriv is not installed'
      : false;

t.test(
  'started by root it is another user with five capabilities, and obeys signals',
  { skip },
  async (t) => {
    // A place that root has: the folder below it is made for the user.
    mkdirSync(join(folder, 'state'));
    const port = 20_000 + (process.pid % 10_000);
    writeFileSync(
      file,
      `asn: 64512
networks: [198.51.100.0/23]
management: { address: 127.0.0.1, router_id: 10.0.0.9 }
links: [{ name: north, asn: 65001, capacity: 1G, router: br1 }]
routers: [{ name: br1, address: 127.0.0.1, bgp: { port: ${port}, md5: "a key that needs a right of its own" } }]
cycle: { interval: 200ms, average: 400ms }
control: { socket: ${folder}/state/run/unit.sock }
history: { path: ${folder}/state/lib/history.db }
`,
      { mode: 0o644 },
    );
    const unit = spawn('node', [main, 'run', '--user', 'nobody', '--config', file]);
    t.teardown(() => unit.kill('SIGKILL'));
    let log = '';
    unit.stderr.on('data', (chunk) => {
      log += String(chunk);
    });
    const ended = new Promise<number | null>((resolve) => unit.on('close', resolve));
    await waitFor(`it runs: ${log}`, 60_000, () => log.includes('"running"'));
    t.notMatch(log, /runs as root/);
    const children = `/proc/${unit.pid}/task/${unit.pid}/children`;
    const pid = Number(readFileSync(children, 'utf8'));
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    t.match(status, new RegExp(`^Uid:\\s+${nobody}\\s+${nobody}\\s+${nobody}\\s+${nobody}$`, 'm'));
    t.notMatch(/^Groups:(.*)$/m.exec(status)?.[1], /\b0\b/, 'nor in a group of root');
    const rights = (1n << 10n) | (1n << 12n) | (1n << 13n) | (1n << 14n) | (1n << 39n);
    for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb']) {
      const found = BigInt(`0x${new RegExp(`^${set}:\\s*(\\w+)`, 'm').exec(status)?.[1] ?? '0'}`);
      t.equal(found, rights, set);
    }
    t.match(status, /^NoNewPrivs:\s+1$/m);
    t.equal(statSync(join(folder, 'state/lib/history.db')).uid, nobody);
    t.equal(statSync(join(folder, 'state')).uid, 0, 'what was there stays as it was');

    const client = await openControlClient(join(folder, 'state/run/unit.sock'));
    t.teardown(() => client.close());
    t.ok((await client.ask('status')).ok);
    unit.kill('SIGHUP');
    await waitFor(`it reloads: ${log}`, 60_000, () => log.includes('settings reloaded'));
    unit.kill('SIGTERM');
    t.equal(await ended, 0, log);
  },
);

t.test('a user that is not there is said, with what to do', { skip }, async (t) => {
  const run = spawnSync('node', [main, 'run', '--user', 'no-such-user', '--config', file], {
    encoding: 'utf8',
  });
  t.match(run, {
    status: 1,
    stderr: /^headgate: there is no user "no-such-user"; name another with --user\n$/,
  });
});
