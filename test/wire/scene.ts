/** A wire that is installed, streams through it, and a unit that comes and goes. */
import { readdirSync, readFileSync } from 'node:fs';
import { linkId, prefixText } from '../../src/core/base/units.ts';
import { type Driver, defaultStaleMs } from '../../src/engine/index.ts';
import { Border, insideAddress, outsideAddress, type Side, type Unit, until } from './border.ts';
import { workerOf } from './spread.ts';
import { Streams } from './streams.ts';
import { WireCommand } from './wire-command.ts';

export const staleMs = defaultStaleMs;

export const tables = {
  blocks: [prefixText(`${insideAddress}/32`)],
  links: [{ link: linkId('north'), attribute: { wire: 'core' } }],
};

export interface SceneOptions {
  readonly driver: Driver;
  /** Packet loops that share the wire: each carries a stream both ways. */
  readonly workers?: number;
  /** Names the namespaces. */
  readonly tag: string;
  readonly folder: string;
}

export class Scene {
  readonly border: Border;
  readonly streams: Streams;
  readonly command: WireCommand;
  readonly driver: Driver;
  readonly workers: number;
  #unit: Unit | undefined;

  constructor({ driver, workers = 1, tag, folder }: SceneOptions) {
    this.driver = driver;
    this.workers = workers;
    this.border = new Border(tag, { isQuiet: true });
    this.command = new WireCommand(folder, driver);
    this.streams = new Streams(this.border, folder, {
      inside: this.#targets('inside', insideAddress, outsideAddress),
      outside: this.#targets('outside', outsideAddress, insideAddress),
    });
  }

  /** Addresses of a host, one for each worker that carries what its peer sends there. */
  #targets(side: Side, own: string, peer: string): readonly string[] {
    return Array.from({ length: this.workers }, (_, worker) => {
      if (workerOf(peer, own, this.workers) === worker) return own;
      const hosts = Array.from(
        { length: 200 },
        (_, i) => `10.77.0.${(side === 'inside' ? 3 : 4) + i}`,
      );
      const found = hosts.find(
        (host, i) => i % 2 === 0 && workerOf(peer, host, this.workers) === worker,
      );
      if (found === undefined) throw new Error("no address is that worker's");
      this.border.addAddress(side, found);
      return found;
    });
  }

  get name(): string {
    return this.workers === 1 ? this.driver : `${this.driver}, ${this.workers} workers`;
  }

  get unit(): Unit {
    if (!this.#unit) throw new Error('no unit runs');
    return this.#unit;
  }

  async start(workers: number = this.workers): Promise<void> {
    const ports = { inside: 'in0', outside: 'out0' };
    const wire = { name: 'core', place: 'link', ...ports, driver: this.driver, workers } as const;
    this.#unit = await this.border.openUnit({ wires: [wire], tables }, { inMountNamespace: true });
  }

  /** The unit goes without a word. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const { process } = this.unit;
    process.kill(signal);
    await this.#ended();
  }

  async #ended(): Promise<void> {
    const { process } = this.unit;
    await until(
      'the unit ends',
      () => process.exitCode ?? process.signalCode,
      (end) => end !== null,
    );
  }

  async pause(): Promise<void> {
    const { process } = this.unit;
    process.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 10 * staleMs));
    process.kill('SIGCONT');
    await this.unit.snapshot();
  }

  /** One packet loop stands still, and nothing else of the unit; meanwhile `look` is called. */
  async hang(look?: () => Promise<void>): Promise<void> {
    const thawed = this.streams.freeze(
      this.unit.process,
      this.#packetLoop(),
      (look ? 50 : 10) * staleMs,
    );
    await look?.();
    await thawed;
    await this.unit.snapshot();
  }

  async crash(): Promise<void> {
    await this.streams.crash(this.#pid(), this.#packetLoop());
    await this.#ended();
  }

  #pid(): number {
    const { pid } = this.unit.process;
    if (pid === undefined) throw new Error('the unit has no process');
    return pid;
  }

  /** The first worker's thread, or the only one's. */
  #packetLoop(): number {
    const threads = `/proc/${this.#pid()}/task`;
    const loop = readdirSync(threads).find((tid) =>
      /^wire0? core$/.test(readFileSync(`${threads}/${tid}/comm`, 'utf8').trim()),
    );
    if (loop === undefined) throw new Error('the unit has no packet loop');
    return Number(loop);
  }

  close(): void {
    this.command.run(this.border, 'release');
    this.border.close();
  }
}
