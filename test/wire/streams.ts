import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import {
  allPorts,
  type Border,
  insideAddress,
  outsideAddress,
  type Side,
  until,
} from './border.ts';
import { compiled } from './compiled.ts';

/** What became of the numbers that were sent. */
export interface Fate {
  readonly sent: number;
  readonly lost: number;
  readonly duplicated: number;
  /** Arrived after one with a higher number. */
  readonly late: number;
  /** Frames that the kernel itself says it dropped meanwhile, for want of time or room, at any of the four ports. */
  readonly dropped: number;
}

interface Arrived {
  readonly received: number;
  readonly duplicated: number;
  readonly late: number;
}

/** By the side that receives, where its streams go: one each way for each address. */
export type Targets = Readonly<Record<Side, readonly string[]>>;

const other = { inside: 'outside', outside: 'inside' } as const;
const hosts: Targets = { inside: [insideAddress], outside: [outsideAddress] };
const sides = ['inside', 'outside'] as const;

/** Numbered streams in both directions at once. */
export class Streams {
  readonly #border: Border;
  readonly #program: string;
  readonly #targets: Targets;
  readonly #ask: Partial<Record<Side, (stream: number) => Promise<Arrived>>> = {};
  #stream = 0;

  constructor(border: Border, folder: string, targets: Targets = hosts) {
    this.#border = border;
    this.#targets = targets;
    this.#program = compiled('test/wire/stream.c', folder);
  }

  async open(): Promise<void> {
    for (const side of sides) {
      const receiver = this.#border.start(side, this.#program, 'receive');
      const lines = linesOf(receiver);
      await lines.next();
      this.#ask[side] = async (stream) => {
        receiver.stdin?.write(`${stream}\n`);
        const line = await lines.next();
        if (line.done) throw new Error(`the receiver ${side} ended`);
        return JSON.parse(line.value);
      };
    }
  }

  /** Runs streams both ways while `event` happens in their middle. By the side that receives, its streams together. */
  async during(
    perSecond: number,
    seconds: number,
    event: () => Promise<void>,
  ): Promise<Record<Side, Fate>> {
    const first = this.#stream + 1;
    const lanes = Math.max(...sides.map((side) => this.#targets[side].length));
    this.#stream += lanes;
    const each = Math.floor(perSecond / lanes);
    const droppedBefore = this.#dropped();
    const senders = sides.flatMap((side, cpu) =>
      this.#targets[other[side]].map((target, lane) =>
        this.#border.runAside(
          side,
          this.#program,
          'send',
          target,
          String(each),
          String(seconds),
          String(first + lane),
          String(cpu),
        ),
      ),
    );
    const arrived = () => Promise.all(sides.map((side) => this.#arrivedAll(side, first)));
    await until('streams run', arrived, (all) =>
      all.every(({ received }) => received > perSecond / 10),
    );
    await event();
    await Promise.all(senders);
    let last = -1;
    const all = await until(
      'nothing more arrives',
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        return arrived();
      },
      (all) => {
        const count = all.reduce((sum, { received }) => sum + received, 0);
        const isStill = count === last;
        last = count;
        return isStill;
      },
    );
    const dropped = this.#dropped() - droppedBefore;
    const fate = (side: Side, { received, duplicated, late }: Arrived): Fate => {
      const sent = Math.floor(each * seconds) * this.#targets[side].length;
      return { sent, lost: sent - (received - duplicated), duplicated, late, dropped };
    };
    const [inside, outside] = all;
    if (!inside || !outside) throw new Error('two sides receive');
    return { inside: fate('inside', inside), outside: fate('outside', outside) };
  }

  /** Stops the packet loop of a unit, and nothing else of it, for so long. */
  async freeze(unit: ChildProcess, tid: number, ms: number): Promise<void> {
    await this.#border.runAside('unit', this.#program, 'freeze', String(tid), String(ms));
    if (unit.exitCode !== null) throw new Error('the unit ended while it was frozen');
  }

  /** A fault in native code. */
  async crash(pid: number, tid: number): Promise<void> {
    await this.#border.runAside('unit', this.#program, 'crash', String(pid), String(tid));
  }

  /** Sends one frame out of a port of the unit, with a mark of the kernel's. Whether it left. */
  async inject(port: string, mark: number): Promise<boolean> {
    const said = await this.#border.runAside('unit', this.#program, 'inject', port, String(mark));
    return said.trim() === 'sent';
  }

  async #arrivedAll(side: Side, first: number): Promise<Arrived> {
    const sum = { received: 0, duplicated: 0, late: 0 };
    for (const lane of this.#targets[side].keys()) {
      const { received, duplicated, late } = await this.#arrived(side, first + lane);
      sum.received += received;
      sum.duplicated += duplicated;
      sum.late += late;
    }
    return sum;
  }

  async #arrived(side: Side, stream: number): Promise<Arrived> {
    const ask = this.#ask[side];
    if (!ask) throw new Error('open() comes first');
    return ask(stream);
  }

  #dropped(): number {
    return allPorts.reduce((sum, [side, name]) => sum + this.#border.interfaceDrops(side, name), 0);
  }
}

function linesOf(child: ChildProcess): AsyncIterator<string> {
  if (!child.stdout) throw new Error('started without pipes');
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
}
