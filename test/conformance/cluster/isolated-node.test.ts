/** A NATS node that the others cannot reach keeps taking connections: a unit that is at it goes to another. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Bus } from '../../../src/cluster/bus.ts';
import { openNatsBus } from '../../../src/cluster/nats-bus.ts';
import { waitFor } from '../../support/lab.ts';

const hasNats = spawnSync('nats-server', ['--version']).status === 0;
const base = 40_000 + (process.pid % 15_000);
const portsOf = (node: number) => {
  const first = base + 10 * node;
  return {
    client: first,
    cluster: first + 1,
    monitor: first + 2,
    wayTo: (i: number) => first + 3 + i,
  };
};
const nodes = [0, 1, 2];

/** The way by which one node reaches another, until it is cut. */
class Way {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  constructor(port: number, target: number) {
    this.#server = createServer((near) => {
      if (this.#isCut) return void near.destroy();
      const far = connect(target, '127.0.0.1');
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    this.#server.listen(port, '127.0.0.1');
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

function startNode(node: number, folder: string): ChildProcess {
  const { client, cluster, monitor, wayTo } = portsOf(node);
  const routes = nodes.filter((i) => i !== node).map((i) => `"nats://127.0.0.1:${wayTo(i)}"`);
  const file = join(folder, `n${node}.conf`);
  // What nodes tell each other of themselves leads nowhere: the ways are the only ones.
  const text = `server_name: n${node}
listen: "127.0.0.1:${client}"
http: "127.0.0.1:${monitor}"
jetstream { store_dir: "${folder}/n${node}" }
cluster { name: hg, listen: "127.0.0.1:${cluster}", advertise: "127.0.0.1:1", routes: [ ${routes.join(', ')} ] }
`;
  writeFileSync(file, text);
  return spawn('nats-server', ['-c', file], { stdio: 'ignore' });
}

/** The node that the unit is connected to. */
async function nodeOf(unit: string): Promise<number | undefined> {
  for (const node of nodes) {
    const answer = await fetch(`http://127.0.0.1:${portsOf(node).monitor}/connz`);
    if ((await answer.text()).includes(`"name": "${unit}"`)) return node;
  }
  return undefined;
}

t.test(
  'a unit leaves a node that answers nothing',
  { skip: hasNats ? false : 'nats-server is not installed', timeout: 120_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'hgisolated-'));
    const ways = new Map<string, Way>();
    for (const from of nodes)
      for (const to of nodes)
        if (from !== to)
          ways.set(`${from}>${to}`, new Way(portsOf(from).wayTo(to), portsOf(to).cluster));
    const processes = nodes.map((node) => startNode(node, folder));
    let bus: Bus | undefined;
    t.teardown(async () => {
      await bus?.close();
      for (const process of processes) process.kill('SIGKILL');
      for (const way of ways.values()) way.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const open = () =>
      openNatsBus({
        network: 'lab',
        unit: 'west',
        servers: nodes.map((node) => `nats://127.0.0.1:${portsOf(node).client}`),
        leaseMs: 1000,
        replicas: 3,
      });
    // JetStream elects its leaders first; until then it refuses buckets.
    await waitFor('the buckets', 60_000, async () => {
      bus = await open().catch(() => undefined);
      return bus !== undefined;
    });
    const works = async () =>
      (await bus?.plans.put('key', Uint8Array.of(1)).then(
        () => true,
        () => false,
      )) === true;
    await waitFor('a write', 30_000, works);
    const first = await nodeOf('west');
    t.not(first, undefined, 'the unit is at one of the nodes');
    for (const [name, way] of ways) if (name.includes(String(first))) way.cut();
    await waitFor(
      'a node without the others answers nothing',
      30_000,
      async () => !(await works()),
    );
    await waitFor('a write at another node', 60_000, works);
    t.not(await nodeOf('west'), first, 'which is left, though it still listens');
    t.equal(processes[first ?? 0]?.exitCode, null, 'and goes on');
  },
);
