/** One unit and a NATS on loopback that wants TLS and proof: the right one is let in, another is not. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from '@nats-io/nats-core';
import t, { type Test } from 'tap';
import { type Cluster, type ClusterEvent, openCluster } from '../../../src/cluster/index.ts';
import { systemClock } from '../../../src/daemon/clock.ts';
import { passive } from '../../support/cluster.ts';
import { waitFor } from '../../support/lab.ts';
import { makeCredentials } from '../../support/nats-jwt.ts';

const hasAll = ['nats-server --version', 'openssl version'].every((line) => {
  const [program = '', ...args] = line.split(' ');
  return spawnSync(program, args).status === 0;
});

/** A server with TLS on loopback, with `authorization` in its configuration, and who asks to be let in. */
class Door {
  readonly folder = mkdtempSync(join(tmpdir(), 'hgtls-'));
  readonly #open: Cluster[] = [];
  #server: ChildProcess | undefined;
  #port = 0;

  file(name: string): string {
    return join(this.folder, name);
  }

  /** `tls`: beside the server's own certificate. */
  async start(authorization: string, tls = ''): Promise<void> {
    const subject = '-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1';
    execFileSync(
      'openssl',
      [
        'req',
        ...subject.split(' '),
        ...['-addext', 'subjectAltName=IP:127.0.0.1'],
        ...['-keyout', this.file('key.pem'), '-out', this.file('cert.pem')],
      ],
      { stdio: 'ignore' },
    );
    this.#port = await freePort();
    writeFileSync(
      this.file('nats.conf'),
      `listen: "127.0.0.1:${this.#port}"
jetstream { store_dir: "${this.folder}/js" }
tls { cert_file: "${this.file('cert.pem')}", key_file: "${this.file('key.pem')}"${tls} }
${authorization}
`,
    );
    this.#server = spawn('nats-server', ['-c', this.file('nats.conf')], { stdio: 'ignore' });
  }

  ask({ tls, ...proof }: Proof, events: ClusterEvent[]) {
    const cluster = openCluster({
      network: 'tls',
      unit: 'west',
      units: ['west'],
      servers: [`tls://127.0.0.1:${this.#port}`],
      tls: { ca: this.file('cert.pem'), ...tls },
      ...proof,
      replicas: 1,
      leaseMs: 1000,
      silentMs: 2000,
      holdMs: 2000,
      clock: systemClock,
      ...passive,
      onEvent: (event) => events.push(event),
    });
    this.#open.push(cluster);
    return cluster;
  }

  async close(): Promise<void> {
    for (const cluster of this.#open) await cluster.stop();
    this.#server?.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Proof {
  readonly nkey?: string;
  readonly credentials?: string;
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Side by side: nearly all of it is waiting. */
t.jobs = 3;
const skip = hasAll ? false : 'nats-server or openssl is missing';
const options = { buffered: true, skip };
/** Other proof is for the server and the client's library to judge. */
const whenLong = {
  ...options,
  skip: skip || (process.env.HEADGATE_LONG === '1' ? false : 'set HEADGATE_LONG=1'),
};

async function letsIn(t: Test, door: Door, proof: Proof): Promise<void> {
  const cluster = door.ask(proof, []);
  await waitFor('the known unit leads', 30_000, () => cluster.isLeader());
  t.match(await cluster.publishPlan({ plan: 1 }, ['west']), { ok: true });
}

async function refuses(t: Test, door: Door, proof: Proof): Promise<void> {
  const events: ClusterEvent[] = [];
  const refused = door.ask(proof, events);
  await waitFor('the refusal', 30_000, () =>
    events.some(
      (event) =>
        event.kind === 'not_connected' &&
        /authorization|does it take no certificate of ours/i.test(event.reason),
    ),
  );
  t.notOk(refused.isConnected(), `${JSON.stringify(proof)} is not let in`);
}

t.test('nkeys', options, async (t) => {
  const door = new Door();
  t.teardown(() => door.close());
  const [known, stranger] = [nkeys.createUser(), nkeys.createUser()];
  for (const [name, user] of [
    ['known', known],
    ['stranger', stranger],
  ] as const)
    writeFileSync(door.file(name), `${new TextDecoder().decode(user.getSeed())}\n`);
  await door.start(`authorization { users: [ { nkey: "${known.getPublicKey()}" } ] }`);
  await letsIn(t, door, { nkey: door.file('known') });
  for (const proof of [{ nkey: door.file('stranger') }, {}]) await refuses(t, door, proof);
});

t.test('credentials: a JWT and its nkey', whenLong, async (t) => {
  const door = new Door();
  t.teardown(() => door.close());
  const [known, stranger] = [makeCredentials(), makeCredentials()];
  writeFileSync(door.file('known.creds'), known.user);
  writeFileSync(door.file('stranger.creds'), stranger.user);
  const preloaded = known.accounts.map(({ key, jwt }) => `${key}: "${jwt}"`).join('\n');
  await door.start(`operator: "${known.operator}"
system_account: ${known.systemAccount}
resolver: MEMORY
resolver_preload { ${preloaded} }`);
  await letsIn(t, door, { credentials: door.file('known.creds') });
  await refuses(t, door, { credentials: door.file('stranger.creds') });
});

t.test('a certificate of its own', whenLong, async (t) => {
  const door = new Door();
  t.teardown(() => door.close());
  await door.start('', `, ca_file: "${door.file('cert.pem')}", verify: true`);
  // The server's own will do: whoever has its key is known.
  await letsIn(t, door, { tls: { cert: door.file('cert.pem'), key: door.file('key.pem') } });
  await refuses(t, door, {});
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' ? (address?.port ?? 4222) : 4222;
      probe.close(() => resolve(port));
    });
  });
}
