/** Tells a program of the operator's when the kernel or the unit carries a wire: what drives a bypass relay. */
import { execFile } from 'node:child_process';
import type { WireEngine } from '../engine/index.ts';
import { type Clock, every } from './clock.ts';

/** `ready`: the unit forwards or measures; `bypass`: it does not, or is about to end; `released`: nothing is installed. */
export type WireEvent = 'ready' | 'bypass' | 'released';

export interface HookOptions {
  readonly wire: string;
  /** Program and arguments, run without a shell; the wire's name and the event are appended. */
  readonly command: readonly string[];
  /** Killed after this long. */
  readonly timeoutMs: number;
  readonly onFailure: (wire: string, event: WireEvent, why: string) => void;
}

/** Never waits for the program and never runs it twice at once: of what happens meanwhile only the last is told. */
export class WireHook {
  readonly #options: HookOptions;
  #told: WireEvent | undefined;
  #next: WireEvent | undefined;
  #running: Promise<void> | undefined;

  constructor(options: HookOptions) {
    this.#options = options;
  }

  get wire(): string {
    return this.#options.wire;
  }

  /** The same event again tells nothing. */
  tell(event: WireEvent): void {
    this.#next = event;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** When the program has ended; at most two timeouts away. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let event = this.#next; event !== undefined; event = this.#next) {
      this.#next = undefined;
      if (event === this.#told) continue;
      this.#told = event;
      const why = await run(this.#options, event);
      if (why !== undefined) this.#options.onFailure(this.wire, event, why);
    }
  }
}

/** Why it failed, or undefined. */
function run(
  { command, wire, timeoutMs }: HookOptions,
  event: WireEvent,
): Promise<string | undefined> {
  const [program = '', ...args] = command;
  return new Promise((resolve) => {
    execFile(
      program,
      [...args, wire, event],
      {
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: 64 * 1024,
        env: { PATH: process.env.PATH, HEADGATE_WIRE: wire, HEADGATE_STATE: event },
      },
      (error) => {
        if (!error) resolve(undefined);
        else resolve(error.killed ? `killed after ${timeoutMs} ms` : error.message.trim());
      },
    );
  });
}

/** A tenth of a second is little beside a relay's own time. */
const lookMs = 100;

/** Follows the wires' states until the returned function is called, which tells `bypass` and waits for that. */
export function followWires(
  engine: Pick<WireEngine, 'wireStates'>,
  hooks: readonly WireHook[],
  clock: Clock,
): () => Promise<void> {
  const look = () => {
    const states = engine.wireStates();
    for (const hook of hooks) {
      const now = states.find(({ wire }) => wire === hook.wire);
      hook.tell(now?.state === 'forwarding' ? 'ready' : 'bypass');
    }
  };
  look();
  const cancel = every(clock, lookMs, look);
  return async () => {
    cancel();
    for (const hook of hooks) hook.tell('bypass');
    await Promise.all(hooks.map((hook) => hook.settled()));
  };
}
