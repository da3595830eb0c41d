/**
 * The smallest border, in network namespaces:
 *
 *   TAGi [ i0 ]──────[ in0  TAGu  out0 ]──────[ o0 ] TAGo
 *    our host            the unit              the Internet
 *    10.77.0.1                                 10.77.0.2
 *    2001:db8:77::1                            2001:db8:77::2
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { PrefixText } from '../../src/core/base/units.ts';
import type {
  BlockRtt,
  EngineOptions,
  EngineSnapshot,
  EngineTables,
  NetworkCount,
} from '../../src/engine/index.ts';

export const insideAddress = '10.77.0.1';
export const outsideAddress = '10.77.0.2';
export const insideAddress6 = '2001:db8:77::1';
export const outsideAddress6 = '2001:db8:77::2';

export type Side = 'inside' | 'outside';

/** The unit's ports and those at the far ends of their cables. */
export const allPorts = [
  ['unit', 'in0'],
  ['unit', 'out0'],
  ['inside', 'i0'],
  ['outside', 'o0'],
] as const;

/** Why this machine cannot run wire tests, or false. */
export const unfit: string | false = (() => {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const tool of ['ip', 'ethtool', 'iperf3', 'tcpdump', 'tcpreplay', 'ping']) {
    try {
      execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' });
    } catch {
      return `${tool} is not installed`;
    }
  }
  return false;
})();

export interface BorderOptions {
  readonly mtu?: number;
  readonly hasAddresses?: boolean;
  /** No neighbour discovery, no router solicitations: nothing but what a test sends. IPv4 only. */
  readonly isQuiet?: boolean;
}

export class Border {
  readonly #tag: string;
  readonly #options: BorderOptions;
  readonly #children = new Set<ChildProcess>();

  /** `tag` names the namespaces: unique among tests that may run at once. A crashed run's leftovers are removed. */
  constructor(tag: string, options: BorderOptions = {}) {
    this.#tag = tag;
    this.#options = options;
    this.#deleteNamespaces();
    for (const role of ['i', 'u', 'o']) ip('netns', 'add', `${tag}${role}`);
    for (const side of ['inside', 'outside'] as const) this.plug(side);
    if (options.isQuiet) this.#introduce();
  }

  /** Each host knows the other's station, so that nobody asks. */
  #introduce(): void {
    const know = (side: Side, host: string, address: string, mac: string) => {
      const entry = ['neigh', 'replace', address, 'lladdr', mac, 'dev', host, 'nud', 'permanent'];
      this.run(side, 'ip', ...entry);
    };
    know('inside', 'i0', outsideAddress, this.macOf('outside', 'o0'));
    know('outside', 'o0', insideAddress, this.macOf('inside', 'i0'));
  }

  /** A second address of a host of a quiet border, which the other one knows too. */
  addAddress(side: Side, address: string): void {
    const [host, far] = side === 'inside' ? (['i0', 'o0'] as const) : (['o0', 'i0'] as const);
    this.run(side, 'ip', 'address', 'add', `${address}/24`, 'dev', host);
    const entry = ['lladdr', this.macOf(side, host), 'dev', far, 'nud', 'permanent'];
    const other = side === 'inside' ? 'outside' : 'inside';
    this.run(other, 'ip', 'neigh', 'replace', address, ...entry);
  }

  /** Takes the unit out: one cable from host to host. Of quiet borders. */
  joinHosts(): void {
    const [inside, outside] = [this.namespace('inside'), this.namespace('outside')];
    for (const port of ['in0', 'out0']) this.run('unit', 'ip', 'link', 'del', port);
    ip('-n', inside, 'link', 'add', 'i0', 'type', 'veth', 'peer', 'name', 'o0', 'netns', outside);
    for (const [side, host, address] of [
      ['inside', 'i0', insideAddress],
      ['outside', 'o0', outsideAddress],
    ] as const) {
      this.run(side, 'sysctl', '-qw', `net.ipv6.conf.${host}.disable_ipv6=1`);
      ip('-n', this.namespace(side), 'address', 'add', `${address}/24`, 'dev', host);
      ip('-n', this.namespace(side), 'link', 'set', host, 'up');
    }
    this.#introduce();
  }

  /** Makes the cable between one host and the unit's port. */
  plug(side: Side): void {
    const [host, port, address, address6] =
      side === 'inside'
        ? (['i0', 'in0', insideAddress, insideAddress6] as const)
        : (['o0', 'out0', outsideAddress, outsideAddress6] as const);
    const [near, unit] = [this.namespace(side), this.namespace('unit')];
    const mtu = String(this.#options.mtu ?? 1500);
    const far = ['peer', 'name', port, 'mtu', mtu, 'netns', unit];
    ip('-n', near, 'link', 'add', host, 'mtu', mtu, 'type', 'veth', ...far);
    const hasAddresses = this.#options.hasAddresses ?? true;
    const isSilent = this.#options.isQuiet ?? !hasAddresses;
    if (isSilent) {
      this.run(side, 'sysctl', '-qw', `net.ipv6.conf.${host}.disable_ipv6=1`);
      this.run('unit', 'sysctl', '-qw', `net.ipv6.conf.${port}.disable_ipv6=1`);
    }
    if (hasAddresses) ip('-n', near, 'address', 'add', `${address}/24`, 'dev', host);
    if (hasAddresses && !isSilent)
      ip('-n', near, 'address', 'add', `${address6}/64`, 'dev', host, 'nodad');
    ip('-n', near, 'link', 'set', host, 'up');
    ip('-n', near, 'link', 'set', 'lo', 'up');
    ip('-n', unit, 'link', 'set', port, 'up');
  }

  macOf(side: Side | 'unit', name: string): string {
    const [link] = JSON.parse(this.run(side, 'ip', '-j', 'link', 'show', 'dev', name));
    return link.address;
  }

  /** Runs a program on a host to its end; its stdout. */
  run(side: Side | 'unit', ...command: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.namespace(side), ...command], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
  }

  /** Runs a program on a host without blocking this process; its stdout, whatever its exit code. */
  async runAside(side: Side | 'unit', ...command: readonly string[]): Promise<string> {
    const child = this.start(side, ...command);
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await once(child, 'close');
    return output;
  }

  /** Starts a program on a host; it ends with the border at the latest. */
  start(side: Side | 'unit', ...command: readonly string[]): ChildProcess {
    return this.#spawn('ip', 'netns', 'exec', this.namespace(side), ...command);
  }

  #spawn(program: string, ...args: readonly string[]): ChildProcess {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
    return child;
  }

  /** Segmentation and checksum offloads of both far ends, the way a card without them would look. */
  setOffloads(state: 'on' | 'off'): void {
    for (const [side, port] of [
      ['inside', 'i0'],
      ['outside', 'o0'],
    ] as const) {
      this.run(side, 'ethtool', '-K', port, 'tso', state, 'gso', state, 'gro', state, 'tx', state);
    }
  }

  /** `ip link set` at every port. */
  setPorts(...settings: readonly string[]): void {
    for (const [side, port] of allPorts)
      this.run(side, 'ip', 'link', 'set', 'dev', port, ...settings);
  }

  /** Makes the far ends fit for XDP: whole checksums and tags in every frame, GRO on so that they take its frames. */
  fitPeers(): void {
    for (const [side, name] of [
      ['inside', 'i0'],
      ['outside', 'o0'],
    ] as const)
      this.run(side, 'ethtool', '-K', name, 'tx', 'off', 'txvlan', 'off', 'gro', 'on');
  }

  /** What an interface has counted: the kernel's own truth. */
  interfaceBytes(
    side: Side | 'unit',
    name: string,
  ): { rxBytes: number; txBytes: number; rxPackets: number; txPackets: number } {
    const [link] = JSON.parse(this.run(side, 'ip', '-s', '-j', 'link', 'show', 'dev', name));
    const { rx, tx } = link.stats64;
    return { rxBytes: rx.bytes, txBytes: tx.bytes, rxPackets: rx.packets, txPackets: tx.packets };
  }

  /** Frames that the kernel dropped at an interface for want of time or room. */
  interfaceDrops(side: Side | 'unit', name: string): number {
    const [link] = JSON.parse(this.run(side, 'ip', '-s', '-j', 'link', 'show', 'dev', name));
    const { rx, tx } = link.stats64;
    return rx.dropped + tx.dropped;
  }

  namespace(side: Side | 'unit'): string {
    return `${this.#tag}${side[0]}`;
  }

  /** Starts the engine in the unit's namespace, in a process of its own, as the daemon would be. */
  async openUnit(
    options: Partial<EngineOptions> = {},
    how: {
      /** What runs it: a program that drops rights. */
      readonly through?: readonly string[];
      /** With this process's mounts, where pinned BPF maps are, rather than with the namespace's own /sys. */
      readonly inMountNamespace?: boolean;
      /** Beside the tables' own, so many foreign prefixes with the first link, made where they are used. */
      readonly destinations?: number;
    } = {},
  ): Promise<Unit> {
    const program = fileURLToPath(new URL('./unit.js', import.meta.url));
    const space = this.namespace('unit');
    const enter = how.inMountNamespace
      ? (['nsenter', [`--net=/run/netns/${space}`]] as const)
      : (['ip', ['netns', 'exec', space]] as const);
    const command = [...(how.through ?? []), process.execPath, '--enable-source-maps', program];
    const child = this.#spawn(enter[0], ...enter[1], ...command);
    const unit = new Unit(child);
    const made = how.destinations === undefined ? {} : { destinations: how.destinations };
    await unit.open(
      {
        wires: [
          { name: 'core', place: 'link', inside: 'in0', outside: 'out0', driver: 'af_packet' },
        ],
        tables: { blocks: [], links: [] },
        ...options,
      },
      made,
    );
    return unit;
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    this.#deleteNamespaces();
  }

  #deleteNamespaces(): void {
    for (const role of ['i', 'u', 'o']) {
      try {
        ip('netns', 'del', `${this.#tag}${role}`);
      } catch {
        // Not there: the usual case.
      }
    }
  }
}

/** The far side of `unit.ts`: one JSON value per line each way. */
export class Unit {
  readonly process: ChildProcess;
  #errors = '';
  readonly #answers: AsyncIterator<string>;
  findings: readonly string[] = [];

  constructor(child: ChildProcess) {
    this.process = child;
    if (!child.stdout) throw new Error('the unit was started without pipes');
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
  }

  async open(options: EngineOptions, made: { readonly destinations?: number } = {}): Promise<void> {
    // The answer of the unit program to `open`.
    this.findings = (await this.#ask({ open: options, ...made })) as readonly string[];
  }

  async snapshot(): Promise<EngineSnapshot> {
    // The answer of the unit program to `snapshot`.
    return (await this.#ask({ snapshot: true })) as EngineSnapshot;
  }

  async networks(): Promise<readonly NetworkCount[]> {
    // The answer of the unit program to `networks`.
    return (await this.#ask({ networks: true })) as readonly NetworkCount[];
  }

  /** Of each block since the wires were opened; null of what is none. */
  async blockRtts(blocks: readonly PrefixText[]): Promise<ReadonlyArray<BlockRtt | null>> {
    // The answer of the unit program to `blockRtts`.
    return (await this.#ask({ blockRtts: blocks })) as ReadonlyArray<BlockRtt | null>;
  }

  async publish(tables: EngineTables): Promise<void> {
    await this.#ask({ publish: tables });
  }

  async readjust(marks: Pick<EngineTables, 'otherwise' | 'down'>): Promise<void> {
    await this.#ask({ readjust: marks });
  }

  /** Ends the process as a service manager does; its exit code. */
  async terminate(): Promise<number | null> {
    const closed = once(this.process, 'close');
    this.process.kill('SIGTERM');
    const [code] = await closed;
    return code;
  }

  async #ask(request: unknown): Promise<unknown> {
    this.process.stdin?.write(`${JSON.stringify(request)}\n`);
    const line = await this.#answers.next();
    if (line.done) throw new Error(`the unit ended: ${this.#errors}`);
    const answer = JSON.parse(line.value);
    if (answer.error)
      throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
    return answer.value;
  }
}

/** Waits until `isSo` holds; the last value that it saw is in the error. */
export async function until<T>(
  what: string,
  read: () => T | Promise<T>,
  isSo: (value: T) => boolean,
  deadlineMs = 20_000,
): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await read();
    if (isSo(value)) return value;
    if (Date.now() > end)
      throw new Error(`${what}: not within ${deadlineMs} ms; last seen ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
