import type { MessageError } from './messages.ts';
import { protocolVersion } from './messages.ts';

/** Kept at most: who may publish here is authenticated, and few. */
const keptMax = 32;

/** Whose messages were refused lately, and why: told once, listed for as long as they go on. */
export class Strangers {
  readonly #now: () => number;
  /** One that was not heard for so long has stopped, in milliseconds. */
  readonly #forgetMs: number;
  readonly #heardAtMs = new Map<string, number>();

  constructor(now: () => number, forgetMs: number) {
    this.#now = now;
    this.#forgetMs = forgetMs;
  }

  /** What is wrong in words where it is news, else undefined. */
  note(error: MessageError): string | undefined {
    const what = describe(error);
    const isNews = !this.list().includes(what);
    this.#heardAtMs.delete(what);
    this.#heardAtMs.set(what, this.#now());
    for (const oldest of this.#heardAtMs.keys()) {
      if (this.#heardAtMs.size <= keptMax) break;
      this.#heardAtMs.delete(oldest);
    }
    return isNews ? what : undefined;
  }

  list(): readonly string[] {
    const since = this.#now() - this.#forgetMs;
    return [...this.#heardAtMs].flatMap(([what, at]) => (at >= since ? [what] : []));
  }
}

function describe(error: MessageError): string {
  if (error.code === 'malformed') return `a message that makes no sense: ${error.reason}`;
  const { unit, version } = error;
  const [who, spoken] = [unit, version].map((word) => JSON.stringify(word).slice(0, 80));
  return `unit ${who} speaks version ${spoken} of the units' protocol, this one ${protocolVersion}: nothing of it is taken`;
}
