/** A NATS of three nodes, one at each site: TLS everywhere, an nkey for each unit, nobody else is let in. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { nkeys } from '@nats-io/nats-core';
import type { NatsOptions } from '../../../src/cluster/nats-bus.ts';
import type { Lab } from '../../../src/lab/index.ts';
import { run, spawnInside } from '../../../src/lab/namespaces.ts';
import type { Site } from '../../../src/lab/topology.ts';
import { natsPort, unitsTimes } from '../../../src/lab/units-settings.ts';

const routePort = 6222;
const monitorPort = 8222;

/** Why no NATS can be had here, or false. */
export function natsSkip(): string | false {
  const missing = ['nats-server --version', 'openssl version', 'curl --version'].filter((line) => {
    const [program = '', ...args] = line.split(' ');
    return spawnSync(program, args).status !== 0;
  });
  return missing.length > 0 ? `not installed: ${missing.join(', ')}` : false;
}

const writerProgram = fileURLToPath(new URL('./nats-writer.js', import.meta.url));

interface Writer {
  readonly stdin: Writable;
  readonly lines: Interface;
}

export class NatsNodes {
  readonly ca: string;
  readonly #lab: Lab;
  readonly #processes = new Map<string, ChildProcess>();
  #writer: Writer | undefined;

  private constructor(lab: Lab) {
    this.#lab = lab;
    this.ca = `${lab.folder}/nats-cert.pem`;
  }

  /** Writes keys and configuration, and starts all nodes. */
  static async open(lab: Lab): Promise<NatsNodes> {
    const nodes = new NatsNodes(lab);
    const { sites } = lab.topology;
    const names = sites.map(({ nats }) => `IP:${nats.address}`).join(',');
    await run([
      ...'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=nats'.split(
        ' ',
      ),
      ...['-addext', `subjectAltName=${names}`],
      ...['-keyout', `${lab.folder}/nats-key.pem`, '-out', nodes.ca],
    ]);
    const users = sites.map(({ unit }) => {
      const user = nkeys.createUser();
      writeFileSync(nodes.nkeyOf(unit), `${new TextDecoder().decode(user.getSeed())}\n`);
      return user.getPublicKey();
    });
    for (const site of sites) {
      writeFileSync(nodes.#configOf(site), nodes.#configuration(site, users));
      nodes.start(site);
    }
    return nodes;
  }

  nkeyOf(unit: string): string {
    return `${this.#lab.folder}/${unit}.nk`;
  }

  isRunning({ nats }: Site): boolean {
    return this.#processes.has(nats.node);
  }

  /** Of no effect while it runs: two faults may have taken one node. */
  start(site: Site): void {
    if (this.isRunning(site)) return;
    const child = spawnInside(
      this.#lab.namespace(site.nats.node),
      ['nats-server', '-c', this.#configOf(site)],
      { stdio: 'ignore' },
    );
    this.#processes.set(site.nats.node, child);
    child.once('exit', () => {
      if (this.#processes.get(site.nats.node) === child) this.#processes.delete(site.nats.node);
    });
  }

  /** SIGKILL: what it had not written is lost. */
  async kill({ nats }: Site): Promise<void> {
    const child = this.#processes.get(nats.node);
    if (!child) return;
    this.#processes.delete(nats.node);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Whether every node is up and says so, and both buckets can be written. */
  async isWell(): Promise<boolean> {
    const healths = await this.#monitored('healthz');
    return healths.every((answer) => /"status":\s*"ok"/.test(answer)) && (await this.canWrite());
  }

  /** Whether all nodes agree that they can be written, and both buckets take a write and give it back. */
  async canWrite(): Promise<boolean> {
    return (await this.#isAgreed()) && (await this.#isAnswering());
  }

  async #isAnswering(): Promise<boolean> {
    this.#writer ??= this.#openWriter();
    const { stdin, lines } = this.#writer;
    const answer = once(lines, 'line');
    stdin.write('\n');
    const [text] = await answer;
    return text === 'yes';
  }

  #openWriter(): Writer {
    const [site] = this.#lab.topology.sites;
    if (!site) throw new Error('a lab without sites');
    const options: NatsOptions = {
      network: 'lab',
      unit: 'lab-writer',
      servers: this.#lab.topology.sites.map(({ nats }) => `tls://${nats.address}:${natsPort}`),
      nkey: this.nkeyOf(site.unit),
      tls: { ca: this.ca },
      leaseMs: unitsTimes.leaseMs,
      replicas: this.#lab.topology.sites.length,
    };
    const { stdin, stdout } = spawnInside(
      this.#lab.namespace(site.nats.node),
      [process.execPath, writerProgram, JSON.stringify(options)],
      { stdio: ['pipe', 'pipe', 'ignore'] },
    );
    if (!stdin || !stdout) throw new Error('a program without pipes');
    return { stdin, lines: createInterface({ input: stdout }) };
  }

  /**
   * Whether all nodes name the same leader of each stream, and that leader hears all the others. One node's word is worth
   * little: it names a leader for seconds after that one has lost its followers.
   */
  async #isAgreed(): Promise<boolean> {
    const pages = await this.#monitored('jsz?accounts=true&streams=true');
    const seen = pages.map(streamsIn);
    const [first = new Map()] = seen;
    return (
      first.size > 0 &&
      [...first.keys()].every((name) => {
        const told = seen.map((streams) => streams.get(name));
        const leaders = new Set(told.map((stream) => stream?.leader ?? ''));
        // Only the leader knows how its followers do.
        const nodes = this.#lab.topology.sites.map(({ nats }) => nats.node);
        const own = told[nodes.findIndex((node) => leaders.has(node))];
        const followers = own?.replicas ?? [];
        return (
          leaders.size === 1 &&
          followers.length === nodes.length - 1 &&
          followers.every(({ current, offline }) => current && !offline)
        );
      })
    );
  }

  /** One page of every node's monitoring. */
  #monitored(page: string): Promise<readonly string[]> {
    const address = `http://127.0.0.1:${monitorPort}/${page}`;
    return Promise.all(
      this.#lab.topology.sites.map(({ nats }) =>
        this.#lab.run(nats.node, ['curl', '-s', '-m', '2', address]).catch(() => ''),
      ),
    );
  }

  #configOf({ nats }: Site): string {
    return `${this.#lab.folder}/${nats.node}.conf`;
  }

  #configuration({ nats }: Site, users: readonly string[]): string {
    const { folder, topology } = this.#lab;
    const routes = topology.sites.map((other) => `"tls://${other.nats.address}:${routePort}"`);
    const tls = `tls { cert_file: "${this.ca}", key_file: "${folder}/nats-key.pem", ca_file: "${this.ca}", timeout: 10 }`;
    return `server_name: ${nats.node}
listen: "${nats.address}:${natsPort}"
http: "127.0.0.1:${monitorPort}"
log_file: "${folder}/${nats.node}.log"
ping_interval: "1s"
jetstream { store_dir: "${folder}/${nats.node}" }
${tls}
authorization { timeout: 10, users: [ ${users.map((key) => `{ nkey: ${key} }`).join(', ')} ] }
cluster {
  name: lab
  listen: "${nats.address}:${routePort}"
  ${tls}
  routes: [ ${routes.join(', ')} ]
}
`;
  }
}

/** NATS's own shape of a stream's state in `/jsz`. */
interface StreamState {
  readonly leader?: string;
  readonly replicas?: ReadonlyArray<{ readonly current: boolean; readonly offline?: boolean }>;
}

/** By name; none where the node did not answer. */
function streamsIn(page: string): ReadonlyMap<string, StreamState> {
  try {
    const { account_details: accounts = [] } = JSON.parse(page) as JetStreamPage;
    const streams = accounts.flatMap(({ stream_detail: own = [] }) => own);
    return new Map(streams.map(({ name, cluster = {} }) => [name, cluster]));
  } catch {
    return new Map();
  }
}

/** NATS's own shape of `/jsz`. */
interface JetStreamPage {
  readonly account_details?: ReadonlyArray<{
    readonly stream_detail?: ReadonlyArray<{
      readonly name: string;
      readonly cluster?: StreamState;
    }>;
  }>;
}
