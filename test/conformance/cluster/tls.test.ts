/** One unit and a NATS on loopback that wants TLS and an nkey: the right one is let in, another is not. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from '@nats-io/nats-core';
import t from 'tap';
import { type Cluster, type ClusterEvent, openCluster } from '../../../src/cluster/index.ts';
import { systemClock } from '../../../src/daemon/clock.ts';
import { waitFor } from '../../support/lab.ts';

const hasAll = ['nats-server --version', 'openssl version'].every((line) => {
  const [program = '', ...args] = line.split(' ');
  return spawnSync(program, args).status === 0;
});

t.test(
  'TLS and nkeys',
  { skip: hasAll ? false : 'nats-server or openssl is missing' },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'hgtls-'));
    const file = (name: string) => join(folder, name);
    const subject = '-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1';
    const made = spawnSync('openssl', [
      'req',
      ...subject.split(' '),
      ...['-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', file('key.pem'), '-out', file('cert.pem')],
    ]);
    t.equal(made.status, 0, 'a certificate');
    const [known, stranger] = [nkeys.createUser(), nkeys.createUser()];
    for (const [name, user] of [
      ['known', known],
      ['stranger', stranger],
    ] as const)
      writeFileSync(file(name), `${new TextDecoder().decode(user.getSeed())}\n`);
    const port = await freePort();
    writeFileSync(
      file('nats.conf'),
      `listen: "127.0.0.1:${port}"
jetstream { store_dir: "${folder}/js" }
tls { cert_file: "${file('cert.pem')}", key_file: "${file('key.pem')}" }
authorization { users: [ { nkey: "${known.getPublicKey()}" } ] }
`,
    );
    const server = spawn('nats-server', ['-c', file('nats.conf')], { stdio: 'ignore' });
    const open: Cluster[] = [];
    t.teardown(async () => {
      for (const cluster of open) await cluster.stop();
      server.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    });
    const joinAs = (nkey: string | undefined, events: ClusterEvent[]) => {
      const cluster = openCluster({
        network: 'tls',
        unit: 'west',
        units: ['west'],
        servers: [`tls://127.0.0.1:${port}`],
        tls: { ca: file('cert.pem') },
        ...(nkey === undefined ? {} : { nkey: file(nkey) }),
        replicas: 1,
        leaseMs: 1000,
        silentMs: 2000,
        holdMs: 2000,
        clock: systemClock,
        onPlan: () => undefined,
        onDoubt: () => undefined,
        onCommand: async () => ({}),
        onEvent: (event) => events.push(event),
      });
      open.push(cluster);
      return cluster;
    };
    const cluster = joinAs('known', []);
    await waitFor('the known unit leads', 30_000, () => cluster.isLeader());
    t.match(await cluster.publishPlan({ plan: 1 }, ['west']), { ok: true });
    for (const nkey of ['stranger', undefined]) {
      const events: ClusterEvent[] = [];
      const refused = joinAs(nkey, events);
      await waitFor('the refusal', 30_000, () =>
        events.some(
          (event) => event.kind === 'not_connected' && /authorization/i.test(event.reason),
        ),
      );
      t.notOk(refused.isConnected(), `${nkey ?? 'nobody'} is not let in`);
    }
  },
);

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' ? (address?.port ?? 4222) : 4222;
      probe.close(() => resolve(port));
    });
  });
}
