import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Border, insideAddress, outsideAddress, type Side, until } from './border.ts';
import { PcapTail } from './pcap.ts';

export const streamPort = 7777;

/** What became of the numbers that were sent. */
export interface Fate {
  readonly sent: number;
  readonly lost: number;
  readonly duplicated: number;
  /** Arrived after one with a higher number. */
  readonly late: number;
}

const program = fileURLToPath(new URL('./stream.js', import.meta.url));
const other = { inside: 'outside', outside: 'inside' } as const;
const port = { inside: 'i0', outside: 'o0' } as const;
const address = { inside: insideAddress, outside: outsideAddress } as const;

/** Numbered streams in both directions at once, watched at the far ends by what their interfaces receive. */
export class Streams {
  readonly #border: Border;
  readonly #folder: string;
  readonly #captures: ChildProcess[] = [];
  readonly #tails: Partial<Record<Side, PcapTail>> = {};
  readonly #seen = new Map<string, number[]>();
  #stream = 0;

  constructor(border: Border, folder: string) {
    this.#border = border;
    this.#folder = folder;
  }

  async open(): Promise<void> {
    for (const side of ['inside', 'outside'] as const) {
      const capture = this.#border.start(
        side,
        'tcpdump',
        '-i',
        port[side],
        '-w',
        this.#file(side),
        '-U',
        '-B',
        '65536',
        '--immediate-mode',
        '-Q',
        'in',
        'udp',
        'port',
        String(streamPort),
      );
      let said = '';
      capture.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      const sink = this.#border.start(side, process.execPath, program, 'sink');
      let isReady = false;
      sink.stdout?.once('data', () => {
        isReady = true;
      });
      await until('both ends listen', () => isReady && said.includes('listening'), Boolean);
      this.#captures.push(capture);
    }
  }

  /** Runs streams both ways while `event` happens in their middle. */
  async during(
    perSecond: number,
    seconds: number,
    event: () => Promise<void>,
  ): Promise<Record<Side, Fate>> {
    const stream = ++this.#stream;
    const senders = (['inside', 'outside'] as const).map((side) =>
      this.#border.runAside(
        side,
        process.execPath,
        program,
        'send',
        address[other[side]],
        String(perSecond),
        String(seconds),
        String(stream),
      ),
    );
    // In the middle is where numbers arrive already: the senders take their time to start.
    await until(
      'streams run',
      () =>
        this.#numbers('inside', stream).length > perSecond / 10 &&
        this.#numbers('outside', stream).length > perSecond / 10,
      Boolean,
    );
    await event();
    await Promise.all(senders);
    const sent = perSecond * seconds;
    let last = -1;
    await until(
      'nothing more arrives',
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        return this.#numbers('inside', stream).length + this.#numbers('outside', stream).length;
      },
      (count) => {
        const isStill = count === last;
        last = count;
        return isStill;
      },
    );
    return {
      inside: fate(sent, this.#numbers('inside', stream)),
      outside: fate(sent, this.#numbers('outside', stream)),
    };
  }

  #file(side: Side): string {
    return join(this.#folder, `stream-${side}.pcap`);
  }

  /** Numbers of one stream that arrived at a side, in their order. */
  #numbers(side: Side, stream: number): readonly number[] {
    this.#tails[side] ??= new PcapTail(this.#file(side));
    for (const frame of this.#tails[side].read()) {
      const key = `${side} ${frame.readUInt32BE(42)}`;
      const numbers = this.#seen.get(key) ?? [];
      numbers.push(frame.readUInt32BE(46));
      this.#seen.set(key, numbers);
    }
    return this.#seen.get(`${side} ${stream}`) ?? [];
  }
}

function fate(sent: number, numbers: readonly number[]): Fate {
  const seen = new Set(numbers);
  let highest = -1;
  let late = 0;
  for (const number of numbers) {
    if (number < highest) late++;
    highest = Math.max(highest, number);
  }
  return { sent, lost: sent - seen.size, duplicated: numbers.length - seen.size, late };
}
