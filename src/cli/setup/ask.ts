/** The questions of `headgate setup` at a terminal: only for what no option told, in an order in which each helps the next. */
import { createInterface, type Interface } from 'node:readline/promises';
import { InvalidArgumentError } from 'commander';
import { HeadgateError } from '../../core/base/error.ts';
import type { PortFacts } from '../doctor/facts.ts';
import type { Heard } from './learn.ts';
import {
  parseAsn,
  parseLink,
  parseNetwork,
  parseRouter,
  parseSeconds,
  parseWire,
} from './parse.ts';
import type { LinkAnswer, RouterAnswer, WireAnswer } from './render.ts';

/** What options tell, and answers add. */
export interface Known {
  readonly asn?: number;
  readonly network: readonly string[];
  readonly management?: string;
  readonly wire: readonly WireAnswer[];
  readonly link: readonly LinkAnswer[];
  readonly router: readonly RouterAnswer[];
  readonly fromRouter?: boolean;
  readonly listen?: number;
}

/** Listens at the outsides of the wires. */
export type Listen = (
  wires: readonly WireAnswer[],
  seconds: number,
) => Promise<ReadonlyMap<string, Heard>>;

/** Of what is heard, shown. */
const shown = 8;

/** Throws HeadgateError `cancelled` when the person leaves. */
export async function askForMissing<Options extends Known>(
  known: Options,
  ports: readonly PortFacts[],
  listen: Listen,
): Promise<Options & { readonly heard?: ReadonlyMap<string, Heard> }> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const { one, several, say } = questionsAt(terminal);
  try {
    say('This machine has:');
    for (const { name, mac, addresses } of ports)
      say(`  ${name} ${mac ?? ''} ${addresses.join(' ')}`);
    const asn = known.asn ?? (await one('Your AS number', parseAsn));
    const isOwn = (address: string) => !address.startsWith('fe80:');
    const addressed = ports.find(({ addresses }) => addresses.some(isOwn))?.name;
    const management =
      known.management ?? (await one('Management interface', isPortOf(ports), addressed));
    const wire = await several('A wire: name=inside,outside[,link]', parseWire, known.wire);
    const seconds =
      wire.length === 0
        ? 0
        : (known.listen ??
          (await one(
            'Seconds to hear on the wires who the routers are, 0 for not',
            (text) => (text === '0' ? 0 : parseSeconds(text)),
            '10',
          )));
    const heard = seconds > 0 ? await listen(wire, seconds) : undefined;
    for (const [port, { macs, networks }] of heard ?? []) {
      const senders = macs.slice(0, shown).map(({ mac, frames }) => `${mac} (${frames})`);
      const to = networks.slice(0, shown).map(({ prefix, frames }) => `${prefix} (${frames})`);
      say(`  into ${port} send ${senders.join(', ') || 'none'}; to ${to.join(', ') || 'nowhere'}`);
    }
    const router = await several('A router: name=address', parseRouter, known.router);
    const fromRouter =
      known.fromRouter ??
      (known.network.length === 0 &&
        router.length > 0 &&
        (await one('Learn your networks from the first router by BGP, yes or no', yesOrNo, 'no')));
    const network = fromRouter
      ? known.network
      : await several('A network of yours, such as 198.51.100.0/22', parseNetwork, known.network);
    const link = await several('A link: name,asn,capacity[,mac|wire]', parseLink, known.link);
    return {
      ...known,
      ...{ asn, management, wire, router, network, link, fromRouter },
      ...(heard ? { heard } : {}),
    };
  } finally {
    terminal.close();
  }
}

function questionsAt(terminal: Interface) {
  const left = new AbortController();
  terminal.once('close', () => left.abort());
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const ask = async (question: string, fallback = ''): Promise<string> => {
    const text = `${question}${fallback === '' ? '' : ` [${fallback}]`}: `;
    try {
      const answer = await terminal.question(text, { signal: left.signal });
      return answer.trim() === '' ? fallback : answer.trim();
    } catch (cause) {
      if (!left.signal.aborted) throw cause;
      say('');
      throw new HeadgateError('cancelled', 'nothing was written', { cause });
    }
  };
  /** Until an answer is right. */
  const one = async <T>(question: string, parse: (text: string) => T, fallback?: string) => {
    for (;;) {
      const found = tryTo(parse, await ask(question, fallback));
      if (found.ok) return found.value;
      say(`  ${found.why}`);
    }
  };
  /** Nothing is asked where options told some. */
  const several = async <T>(
    question: string,
    parse: (text: string) => T,
    told: readonly T[],
  ): Promise<readonly T[]> => {
    const all = [...told];
    while (told.length === 0) {
      const answer = await ask(`${question}, empty ends`);
      if (answer === '') break;
      const found = tryTo(parse, answer);
      if (found.ok) all.push(found.value);
      else say(`  ${found.why}`);
    }
    return all;
  };
  return { one, several, say };
}

type Tried<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string };

function tryTo<T>(parse: (text: string) => T, text: string): Tried<T> {
  try {
    return { ok: true, value: parse(text) };
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return { ok: false, why: error.message };
  }
}

const isPortOf = (ports: readonly PortFacts[]) => (text: string) => {
  if (ports.some(({ name }) => name === text)) return text;
  throw new InvalidArgumentError(`there is no interface "${text}"`);
};

function yesOrNo(text: string): boolean {
  if (/^y(es)?$/i.test(text)) return true;
  if (/^no?$/i.test(text)) return false;
  throw new InvalidArgumentError('expected yes or no');
}
