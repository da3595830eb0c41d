/** The border of `pair.test.ts`: its drawing is there. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openControlClient } from '../../../src/control/index.ts';
import { listNamespaces, readCounters, removeNamespaces } from '../../../src/lab/namespaces.ts';

export type Pairing = 'parallel' | 'series';
export const units = ['a', 'b'] as const;
export type UnitName = (typeof units)[number];

const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
const programs = fileURLToPath(new URL('./programs.js', import.meta.url));
const natsPort = 4222;

export interface Talk {
  /** Bytes that came back. */
  readonly heard: () => number;
  readonly ended: () => string | undefined;
}

export class Place {
  readonly pairing: Pairing;
  readonly folder = mkdtempSync(join(tmpdir(), 'hgpair-'));
  readonly #space: string;
  readonly #running = new Map<UnitName, ChildProcess>();

  constructor(pairing: Pairing) {
    this.pairing = pairing;
    this.#space = `hgpair${pairing[0]}`;
  }

  async open(): Promise<void> {
    await this.#removeSpaces();
    for (const node of nodes) execFileSync('ip', ['netns', 'add', this.#name(node)]);
    for (const node of nodes) {
      this.#ip(node, 'link set lo up');
      // A router's own addresses are asked for on both sides of a wire.
      for (const key of ['all', 'default'])
        for (const [name, value] of Object.entries({ rp_filter: 0, arp_ignore: 1, forwarding: 1 }))
          this.#run(node, ['sysctl', '-qw', `net.ipv4.conf.${key}.${name}=${value}`]);
    }
    this.#cable();
    this.#start('border', [
      'nats-server',
      '-a',
      '127.0.0.1',
      '-p',
      `${natsPort}`,
      '-js',
      '-sd',
      this.folder,
    ]);
    const meeting = join(this.folder, 'nats.sock');
    this.#program('border', 'meet', meeting, `127.0.0.1:${natsPort}`);
    for (const unit of units) this.#program(unit, 'meet', `127.0.0.1:${natsPort}`, meeting);
    this.#program('north', 'echo', '7000');
    for (const unit of units) {
      writeFileSync(this.#settings(unit), settingsOf(this.folder, unit, this.pairing));
      // At boot, before the unit: the kernel goes on when it dies.
      this.#run(unit, [process.execPath, main, 'wire', 'install', '-c', this.#settings(unit)]);
    }
    this.#router('border', this.#borderConfig());
    this.#router('north', providerConfig(65001, 10));
    this.#router('south', providerConfig(65002, 20));
  }

  /** North and south have a wire at each unit; south's are idle, and its circuit passes them by. */
  #cable(): void {
    const veth = (...ends: readonly (readonly [node: string, port: string])[]) => {
      const [one, other] = ends.map(([node, port]) => `${port} netns ${this.#name(node)}`);
      execFileSync('ip', `link add name ${one} type veth peer name ${other}`.split(' '));
      for (const [node, port] of ends) this.#ip(node, `link set ${port} up`);
    };
    if (this.pairing === 'parallel') {
      for (const [i, unit] of units.entries()) {
        veth(['border', `north${i}`], [unit, 'nin']);
        veth([unit, 'nout'], ['north', `border${i}`]);
      }
    } else {
      veth(['border', 'north0'], ['a', 'nin']);
      veth(['a', 'nout'], ['b', 'nin']);
      veth(['b', 'nout'], ['north', 'border0']);
    }
    for (const [i, unit] of units.entries()) {
      for (const end of ['sin', 'sout']) veth([unit, end], [unit, `${end}-peer`]);
      veth(['border', `mgmt${i}`], [unit, 'mgmt']);
      this.#ip('border', `addr add 10.0.${i + 1}.1/24 dev mgmt${i}`);
      this.#ip(unit, `addr add 10.0.${i + 1}.2/24 dev mgmt`);
      this.#ip(unit, `addr add 10.0.${i + 1}.3/24 dev mgmt`);
      this.#ip(unit, `route add 10.0.0.1/32 via 10.0.${i + 1}.1`);
    }
    veth(['border', 'south0'], ['south', 'border0']);
    this.#ip('border', 'addr add 10.20.0.1/24 dev south0');
    this.#ip('south', 'addr add 10.20.0.2/24 dev border0');
    this.#ip('border', 'addr add 10.0.0.1/32 dev lo');
    this.#ip('border', 'link add core type veth peer name core-peer');
    this.#ip('border', 'addr add 10.9.0.254/24 dev core');
    for (const port of ['core', 'core-peer']) this.#ip('border', `link set ${port} up`);
    // Hosts of ours live at the border itself, far ones at the provider.
    for (const host of hosts) this.#ip('border', `addr add ${host}/32 dev lo`);
    for (const host of farHosts) this.#ip('north', `addr add ${host}/32 dev lo`);
    const circuits = this.pairing === 'parallel' ? [0, 1] : [0];
    for (const i of circuits) {
      this.#ip('border', `addr add 10.1${i}.0.1/24 dev north${i}`);
      this.#ip('north', `addr add 10.1${i}.0.2/24 dev border${i}`);
    }
    for (const [i, host] of hosts.entries()) {
      const circuit = circuits[i] ?? 0;
      this.#ip('border', `route add ${farHosts[i]}/32 via 10.1${circuit}.0.2`);
      // What went out by one circuit comes back by the other.
      this.#ip('north', `route add ${host}/32 via 10.1${circuits.at(-1 - i) ?? 0}.0.1`);
    }
  }

  run(unit: UnitName): void {
    const child = this.#start(unit, [
      process.execPath,
      main,
      'run',
      '--user',
      'root',
      '-c',
      this.#settings(unit),
    ]);
    this.#running.set(unit, child);
  }

  /** As a crash would. */
  kill(unit: UnitName): void {
    // `ip netns exec` became the program itself.
    this.#running.get(unit)?.kill('SIGKILL');
    this.#running.delete(unit);
  }

  /** A session from our host to the far one, by their number. */
  talk(i: number): Talk {
    const child = this.#program('border', 'talk', hosts[i] ?? '', farHosts[i] ?? '', '7000');
    let [heard, ended]: [number, string | undefined] = [0, undefined];
    if (child.stdout)
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [word, ...rest] = line.split(' ');
        if (word === 'heard') heard = Number(rest[0]);
        else ended ??= rest.join(' ');
      });
    return { heard: () => heard, ended: () => ended };
  }

  /** Every path of our blocks that the provider has, with what belongs to it. */
  heardByProvider(): string {
    const lines = this.#birdc('north', 'show route protocol border all').split('\n');
    const telling = lines.flatMap((line) => {
      const prefix = /^(\S+\/\d+)\s/.exec(line)?.[1];
      return prefix ?? /BGP\.(as_path|next_hop|community|med): .*/.exec(line)?.[0] ?? [];
    });
    return telling.join('\n');
  }

  /** By which next hop the border router sends the far hosts their packets, and why it does. */
  bestWay(): string {
    const shown = this.#birdc('border', `show route ${farNetwork} primary all`);
    return (shown.match(/BGP\.(next_hop|local_pref): .*/g) ?? []).join(', ');
  }

  /** UPDATEs that took something back, as the provider counted them. */
  withdrawals(): number {
    const shown = this.#birdc('north', 'show protocols all border');
    return Number(/Import withdraws:\s+(\d+)/.exec(shown)?.[1] ?? Number.NaN);
  }

  /** Blocks that the border router has from a unit's session. */
  told(unit: UnitName): readonly string[] {
    return this.#routesOf(`headgate_${unit}`);
  }

  /** Foreign prefixes for which it has another way from a unit. */
  detoured(unit: UnitName): readonly string[] {
    return this.#routesOf(`headgate_detours_${unit}`);
  }

  #routesOf(protocol: string): readonly string[] {
    const shown = this.#birdc('border', `show route protocol ${protocol}`);
    return shown.split('\n').flatMap((line) => /^(\S+\/\d+)\s/.exec(line)?.[1] ?? []);
  }

  async ask<View>(unit: UnitName, command: string): Promise<View | undefined> {
    try {
      const client = await openControlClient(join(this.folder, `${unit}.sock`));
      try {
        const answer = await client.ask(command, {});
        // A cast: each caller knows the view that it asked for.
        return answer.ok ? (answer.value as View) : undefined;
      } finally {
        client.close();
      }
    } catch {
      return undefined;
    }
  }

  /** Bytes that the border's ports towards north sent, as its kernel counted them. */
  async sent(): Promise<readonly number[]> {
    const counters = await readCounters(this.#name('border'));
    return [0, 1].flatMap((i) => counters.get(`north${i}`)?.txBytes ?? []);
  }

  async close(): Promise<void> {
    await this.#removeSpaces();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #removeSpaces(): Promise<void> {
    for (const unit of units) {
      if (!listNamespaces().includes(this.#name(unit))) continue;
      const release = [main, 'wire', 'release', '-c', this.#settings(unit)];
      spawnSync('ip', ['netns', 'exec', this.#name(unit), process.execPath, ...release]);
    }
    await removeNamespaces(listNamespaces().filter((name) => name.startsWith(`${this.#space}-`)));
  }

  #name(node: string): string {
    return `${this.#space}-${node}`;
  }

  #settings(unit: UnitName): string {
    return join(this.folder, `${unit}.yaml`);
  }

  #ip(node: string, line: string): void {
    execFileSync('ip', ['-n', this.#name(node), ...line.split(' ')]);
  }

  #run(node: string, argv: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.#name(node), ...argv], { encoding: 'utf8' });
  }

  #start(node: string, argv: readonly string[]): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.#name(node), ...argv], {
      stdio: ['ignore', 'pipe', process.env.HEADGATE_SHOW ? 'inherit' : 'ignore'],
    });
  }

  #program(node: string, ...args: readonly string[]): ChildProcess {
    return this.#start(node, [process.execPath, programs, ...args]);
  }

  #router(node: string, config: string): void {
    const file = join(this.folder, `${node}.conf`);
    writeFileSync(file, config);
    this.#start(node, ['bird', '-f', '-c', file, '-s', `${file}.ctl`, '-P', `${file}.pid`]);
  }

  #birdc(node: string, command: string): string {
    const control = join(this.folder, `${node}.conf.ctl`);
    return spawnSync('birdc', ['-s', control, ...command.split(' ')], { encoding: 'utf8' }).stdout;
  }

  /** What headgate asks of a router, with what this lab's addresses take. */
  #borderConfig(): string {
    const argv = ['router-config', '-k', 'bird', '-c', this.#settings('a'), 'br1'];
    const policy = execFileSync(process.execPath, [main, ...argv], { encoding: 'utf8' });
    const sessions = policy
      .replaceAll('local as', 'local 10.0.0.1 as')
      .replaceAll('graceful restart on;', 'graceful restart on; multihop; passive on;');
    return `router id 10.0.0.1;
protocol device { scan time 60; }
protocol direct { ipv4; interface "core", "south0"; }
protocol static aggregates { ipv4; route 198.51.100.0/23 via 10.9.0.1; }
protocol static inside { ipv4;
  route 198.51.100.0/24 via 10.9.0.1;
  route 198.51.101.0/24 via 10.9.0.1;
}
${sessions}
protocol bgp north {
  local 10.10.0.1 as 64512; neighbor 10.10.0.2 as 65001; hold time 30; connect retry time 2;
  ipv4 { import all; export filter headgate_to_north; };
}
protocol bgp south {
  local 10.20.0.1 as 64512; neighbor 10.20.0.2 as 65002; hold time 30; connect retry time 2;
  ipv4 { import filter { bgp_path.prepend(65002); accept; }; export filter headgate_to_south; };
}
`;
  }
}

export const hosts = ['198.51.100.10', '198.51.101.10'] as const;
const farHosts = ['203.0.113.10', '203.0.113.11'] as const;
export const farNetwork = '203.0.113.0/24';
const nodes = ['border', 'north', 'south', ...units] as const;

/** Both know the far hosts; south is the longer way. */
const providerConfig = (asn: number, net: number) => `router id 10.${net}.0.2;
protocol device { scan time 60; }
protocol static own { ipv4; route ${farNetwork} unreachable; }
protocol bgp border {
  local 10.${net}.0.2 as ${asn}; neighbor 10.${net}.0.1 as 64512; hold time 30; connect retry time 2;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`;

function settingsOf(folder: string, own: UnitName, pairing: Pairing): string {
  const each = (line: (unit: UnitName, i: number) => string) => units.map(line).join('\n');
  const portions = pairing === 'parallel';
  const unit = (name: UnitName, i: number) => {
    const portion = portions ? `, portion: [198.51.10${i}.0/24]` : '';
    const addresses = `address: 10.0.${i + 1}.2, egress_address: 10.0.${i + 1}.3`;
    return `{ name: ${name}, ${addresses}${portion} }`;
  };
  return `asn: 64512
mode: control
networks: [198.51.100.0/23]
blocks: { ipv4: 24 }
management: { router_id: 10.0.0.${units.indexOf(own) + 2}, address: 10.0.${units.indexOf(own) + 1}.2, egress_address: 10.0.${units.indexOf(own) + 1}.3 }
wires:
${each(
  (
    name,
  ) => `  - { name: n, unit: ${name}, pair: ${pairing}, place: link, inside: nin, outside: nout, driver: af_packet }
  - { name: s, unit: ${name}, pair: ${pairing}, place: link, inside: sin, outside: sout, driver: af_packet }`,
)}
links:
  - { name: north, asn: 65001, capacity: 100M, outbound_threshold: 0.1%, attribute: { wire: n }, router: br1 }
  - { name: south, asn: 65002, capacity: 100M, attribute: { wire: s }, router: br1 }
routers:
  - { name: br1, unit: [a, b], address: 10.0.0.1, bgp: { add_path: true, hold_time: 9s, graceful_restart: 6s, announce_delay: 500ms, mrai: 100ms } }
outbound: {}
time_scale: 100
cycle: { interval: 1s, average: 2s }
rails: { dwell: 2s, settle: 1s, hold: 60s, share_per_round: 100%, max_age: 20s }
cluster:
  { network: pair, unit: ${own}, units: [${units.map(unit).join(', ')}],
    servers: ["nats://127.0.0.1:${natsPort}"], lease: 2s, silent: 3s, hold: 20s, joined: { share: 100% } }
control: { socket: ${folder}/${own}.sock }
history: { path: ${folder}/${own}.db }
`;
}
