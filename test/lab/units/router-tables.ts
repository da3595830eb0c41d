/**
 * What routers hold, asked over their own control sockets, which stay open: a look costs a millisecond and no process.
 */
import { connect, type Socket } from 'node:net';

/** Steering that a border router has from its unit: by block the large communities, in order; without any it is empty. */
export type UnitTable = ReadonlyMap<string, string>;

const patienceMs = 5000;

/** One question at a time; `isWhole` sees where an answer ends. Opens itself anew after a failure. */
class Asker {
  readonly #path: string;
  readonly #isWhole: (text: string) => boolean;
  #socket: Socket | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(path: string, isWhole: (text: string) => boolean) {
    this.#path = path;
    this.#isWhole = isWhole;
  }

  ask(question: string): Promise<string> {
    const answer = this.#queue.then(() => this.#askNow(question));
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  /** Swallows a greeting; only BIRD has one. */
  async open(hasGreeting: boolean): Promise<void> {
    if (this.#socket) return;
    const socket = connect(this.#path);
    socket.setEncoding('latin1');
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined;
    });
    socket.on('error', () => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('close', () => reject(new Error(`${this.#path}: closed`)));
    });
    this.#socket = socket;
    if (hasGreeting) await this.#answer(socket);
  }

  close(): void {
    this.#socket?.destroy();
  }

  #askNow(question: string): Promise<string> {
    const socket = this.#socket;
    if (!socket) throw new Error(`${this.#path}: not open`);
    const answer = this.#answer(socket);
    socket.write(question);
    return answer;
  }

  #answer(socket: Socket): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      const end = (error?: Error) => {
        clearTimeout(timer);
        socket.off('data', take);
        socket.off('close', lost);
        if (!error) return resolve(text);
        socket.destroy();
        reject(error);
      };
      const take = (chunk: string) => {
        text += chunk;
        if (this.#isWhole(text)) end();
      };
      const lost = () => end(new Error(`${this.#path}: closed`));
      const timer = setTimeout(() => end(new Error(`${this.#path}: no answer`)), patienceMs);
      socket.on('data', take);
      socket.on('close', lost);
    });
  }
}

/** A BIRD: answers are lines, the last one has a code and a blank instead of a hyphen. */
export class BirdTables {
  readonly #asker: Asker;

  constructor(socket: string) {
    this.#asker = new Asker(socket, (text) => /^(0|8|9)\d{3} .*\n$/m.test(lastLines(text)));
  }

  async unitRoutes(): Promise<UnitTable> {
    return tableOf(await this.#ask('show route protocol headgate all'));
  }

  /** Prefixes of our networks that it has a route to, with the path of the best one. */
  async paths(within: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const network of within) {
      const table = network.includes(':') ? 'master6' : 'master4';
      const text = await this.#ask(
        `show route table ${table} where net ~ [ ${network}+ ] primary all`,
      );
      let prefix = '';
      for (const line of text.split('\n')) {
        prefix = /^([0-9a-f.:]+\/\d+)\s/.exec(line)?.[1] ?? prefix;
        const path = /BGP\.as_path: (.*)/.exec(line)?.[1];
        if (path !== undefined) found.set(prefix, path.trim());
      }
    }
    return found;
  }

  close(): void {
    this.#asker.close();
  }

  async #ask(command: string): Promise<string> {
    await this.#asker.open(true);
    const text = await this.#asker.ask(`${command}\n`);
    return text.replace(/^(\d{4}[- ]| )/gm, '');
  }
}

/** An FRR's bgpd: commands and answers end in a zero byte, after an answer come two more and the outcome. */
export class FrrTables {
  readonly #asker: Asker;
  readonly #unit: string;

  /** `unit`: its address, as the router's neighbour. */
  constructor(socket: string, unit: string) {
    this.#asker = new Asker(socket, (text) => /\0\0\0.$/s.test(text));
    this.#unit = unit;
  }

  async unitRoutes(): Promise<UnitTable> {
    await this.#asker.open(false);
    const table = new Map<string, string>();
    for (const family of ['ipv4', 'ipv6']) {
      const text = await this.#asker.ask(`show bgp ${family} unicast json detail\0`);
      // FRR's own shape: every path of every prefix.
      const { routes } = JSON.parse(text.slice(0, text.indexOf('\0'))) as FrrRoutes;
      for (const [prefix, paths] of Object.entries(routes ?? {})) {
        const own = paths.find(({ peer }) => peer?.peerId === this.#unit);
        if (own) table.set(prefix, communitiesOf(own.largeCommunity?.string ?? ''));
      }
    }
    return table;
  }

  close(): void {
    this.#asker.close();
  }
}

/** The first entry of a prefix is the prefix itself. */
interface FrrRoutes {
  readonly routes?: Readonly<Record<string, readonly FrrPath[]>>;
}

interface FrrPath {
  readonly peer?: { readonly peerId?: string };
  readonly largeCommunity?: { readonly string: string };
}

/** Enough to see the end of an answer without looking at all of it again and again. */
const lastLines = (text: string): string => {
  const from = text.lastIndexOf('\n', text.length - 2);
  return text.slice(from + 1);
};

function tableOf(text: string): UnitTable {
  const table = new Map<string, string>();
  let prefix = '';
  for (const line of text.split('\n')) {
    const begun = /^([0-9a-f.:]+\/\d+)\s/.exec(line)?.[1];
    if (begun !== undefined) {
      prefix = begun;
      table.set(prefix, '');
    }
    const words = /BGP\.large_community: (.*)/.exec(line)?.[1];
    if (words !== undefined) table.set(prefix, communitiesOf(words));
  }
  return table;
}

/** `(64512, 1, 2)` and `64512:1:2` alike. */
const communitiesOf = (text: string): string =>
  [...text.matchAll(/(\d+)[:, ]+(\d+)[:, ]+(\d+)/g)]
    .map(([, a, b, c]) => `${a}:${b}:${c}`)
    .sort()
    .join(' ');
