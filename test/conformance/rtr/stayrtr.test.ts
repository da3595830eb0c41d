/**
 * The RTR client with real caches: two stayrtr on loopback, the first preferred. Their files change, they are killed in
 * turn; what our own check of a block says follows, and ends in "stale", never in a guess.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { prefixOf } from '../../../src/core/base/prefix.ts';
import { prefixText } from '../../../src/core/base/units.ts';
import { OriginCheck } from '../../../src/daemon/routes/origin.ts';
import { RtrClient } from '../../../src/speaker/index.ts';
import { waitFor } from '../../support/lab.ts';

const program = '/usr/bin/stayrtr';
const skip = existsSync(program) ? false : `${program} is not installed`;
const block = prefixText('198.51.100.0/24');
const deadlineMs = 60_000;
t.setTimeout(240_000);

interface Cache {
  readonly port: number;
  readonly process: ChildProcess;
  /** Writes its file anew: the ROA of our network ends at this length. */
  readonly write: (maxLength: number) => void;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

async function startCache(t: Test, folder: string, name: string): Promise<Cache> {
  const path = join(folder, `${name}.json`);
  let version = 0;
  const write = (maxLength: number) => {
    const roa = (prefix: string, length: number) => ({
      prefix,
      maxLength: length,
      asn: 'AS64512',
      ta: 'x',
    });
    const buildtime = new Date(Date.now() + ++version).toISOString();
    const roas = [roa('198.51.100.0/22', maxLength), roa('203.0.113.0/24', 24)];
    writeFileSync(path, JSON.stringify({ metadata: { buildtime }, roas }));
  };
  write(24);
  const port = await freePort();
  const child = spawn(
    program,
    [
      ...['-bind', `127.0.0.1:${port}`, '-metrics.addr', `127.0.0.1:${await freePort()}`],
      ...['-cache', path, '-checktime=false', '-refresh', '1', '-loglevel', 'error'],
    ],
    { stdio: 'ignore' },
  );
  t.teardown(() => child.kill('SIGKILL'));
  return { port, process: child, write };
}

t.test('two caches: changes, failover, and no guess when both are gone', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hgrtr-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [first, second] = [
    await startCache(t, folder, 'first'),
    await startCache(t, folder, 'second'),
  ];
  const client = new RtrClient({
    caches: [first, second].map(({ port }) => ({ address: '127.0.0.1', port })),
    networks: [prefixOf(prefixText('198.51.100.0/22'))],
    maxAgeMs: 4_000,
    log: { debug: () => {}, info: () => {}, warn: () => {} },
  });
  const check = new OriginCheck(client, false, 64512);
  t.teardown(() => client.stop());
  client.start();
  const served = (port: number) => client.status.cache === `127.0.0.1 port ${port}`;
  await waitFor('one of them has answered', deadlineMs, () => client.table !== undefined);
  t.match(client.status, { vrps: 2, kept: 1 });
  t.same(check.of(block), { roa: 'valid' });

  const [current, other] = served(first.port) ? [first, second] : [second, first];
  current.write(22);
  await waitFor('the change is told', deadlineMs, () => check.of(block).roa === 'invalid');
  t.match(check.of(block).roaReason, /198\.51\.100\.0\/22-22 AS 64512.*raise its maxLength to 24/);

  current.process.kill('SIGKILL');
  await waitFor('the other cache serves', deadlineMs, () => check.of(block).roa === 'valid');
  t.ok(served(other.port));

  other.process.kill('SIGKILL');
  await waitFor('the data is stale', deadlineMs, () => check.of(block).roa === 'stale');
  t.equal(check.allows(prefixOf(block)), false);
  t.match(check.complaint, /no cache is connected/);
});
