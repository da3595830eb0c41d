/** `headgate setup`: writes the first settings, from flags, from questions, and from what can be found out. */
import { existsSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { HeadgateError } from '../core/base/error.ts';
import { formatSettingsError, loadSettings } from '../core/settings/index.ts';
import { gatherFacts, type PortFacts, readPorts } from './doctor/facts.ts';
import { judge } from './doctor/judge.ts';
import { renderFindings } from './doctor.ts';
import { UseError } from './face/exit.ts';
import { defaultSettingsFile } from './face/settings-file.ts';
import { type Heard, listenAt, networksFromRouter } from './setup/learn.ts';
import {
  type LinkAnswer,
  type RouterAnswer,
  renderFirstSettings,
  type WireAnswer,
} from './setup/render.ts';

interface Options {
  readonly output: string;
  readonly force?: boolean;
  readonly asn?: number;
  readonly network: readonly string[];
  readonly management?: string;
  readonly wire: readonly WireAnswer[];
  readonly link: readonly LinkAnswer[];
  readonly router: readonly RouterAnswer[];
  readonly fromRouter?: boolean;
  readonly listen?: number;
}

/** The longest that a router may take to tell all it has. */
const routerDeadlineMs = 60_000;
/** Of what is heard, told in the settings' head. */
const heardTold = 8;

export function register(program: Command): void {
  program
    .command('setup')
    .description('writes first settings: asks on a terminal for what no option tells')
    .option('-o, --output <file>', 'where the settings go; - is stdout', defaultSettingsFile)
    .option('--force', 'replace a file that exists')
    .option('--asn <number>', 'your AS number', parseAsn)
    .option('--network <prefix>', 'own address space; repeatable', collect, [])
    .option('--management <interface>', 'where BGP, metrics and probes live')
    .option('--wire <name=inside,outside[,link]>', 'a pair of ports; repeatable', collectWire, [])
    .option(
      '--link <name,asn,capacity[,mac|wire]>',
      'an upstream circuit; repeatable',
      collectLink,
      [],
    )
    .option('--router <name=address>', 'a border router; repeatable', collectRouter, [])
    .option('--from-router', 'learn the networks from the first router, by a BGP session')
    .option('--listen <seconds>', 'hear on the wires who the routers are', parseSeconds)
    .action(async (options: Options) => {
      if (options.output !== '-' && options.force !== true && existsSync(options.output)) {
        throw new HeadgateError('exists', `${options.output} exists; --force replaces it`);
      }
      const ports = await readPorts();
      const asked = process.stdin.isTTY ? await askForMissing(options, ports) : options;
      await write(asked, ports);
    });
}

async function write(options: Options, ports: readonly PortFacts[]): Promise<void> {
  const { asn, link: links, router: routers, wire: wires, output } = options;
  if (asn === undefined) throw new UseError('expected --asn: your AS number');
  if (links.length === 0) throw new UseError('expected --link NAME,ASN,CAPACITY, at least one');
  const management = managementOf(options.management, ports);
  const [router] = routers;
  if (options.fromRouter && (!router || management?.address === undefined)) {
    throw new UseError('--from-router needs --router and --management with an IPv4 address');
  }
  const learned =
    options.fromRouter && router && management?.address !== undefined
      ? await networksFromRouter({
          address: router.address,
          asn,
          own: management.address,
          deadlineMs: routerDeadlineMs,
        })
      : [];
  const networks = [...options.network, ...learned];
  if (networks.length === 0) {
    throw new UseError('expected --network, or --from-router to learn your networks');
  }
  const inside = wires.find(({ place }) => place === 'inside');
  const heard =
    options.listen === undefined
      ? []
      : await Promise.all(
          wires.map(async ({ outside }) =>
            findingsOf(outside, await listenAt(outside, options.listen ?? 0)),
          ),
        );
  const text = renderFirstSettings({
    asn,
    networks,
    ...(management ? { management } : {}),
    wires,
    links: links.map((link) =>
      link.mac !== undefined && inside ? { ...link, wire: inside.name } : link,
    ),
    routers,
    findings: [
      ...ports.map(
        ({ name, mac, speedMbps, addresses, driver }) =>
          `${name} ${mac ?? ''}${speedMbps === undefined ? '' : `, ${speedMbps} Mb/s`}${driver === undefined ? '' : `, driver ${driver}`}${addresses.length > 0 ? `, ${addresses.join(' ')}` : ''}`,
      ),
      ...heard.flat(),
    ],
  });
  await finish(text, output);
}

/** Nothing is written that `headgate check` would refuse. */
async function finish(text: string, output: string): Promise<void> {
  const loaded = loadSettings(text, output);
  if (!loaded.ok) {
    const [first] = loaded.error;
    const why = first ? `${first.path}: ${first.message}` : 'they are not right';
    if (first) process.stderr.write(`${formatSettingsError(first)}\n`);
    throw new HeadgateError('bad_settings', `nothing was written: ${why}`);
  }
  if (output === '-') {
    process.stdout.write(text);
    return;
  }
  // For the unit's user and its group: keys may come to stand in it.
  writeFileSync(output, text, { mode: 0o640 });
  process.stdout.write(`${output} is written; the unit starts in mode observe\n`);
  const findings = judge(loaded.value, await gatherFacts(loaded.value, output));
  process.stdout.write(`${renderFindings(findings)}\n`);
}

function managementOf(name: string | undefined, ports: readonly PortFacts[]) {
  if (name === undefined) return undefined;
  const port = ports.find((candidate) => candidate.name === name);
  if (!port) {
    const names = ports.map((candidate) => candidate.name).join(', ');
    throw new UseError(`there is no interface ${name}; there are ${names || 'none'}`);
  }
  const address = port.addresses
    .map((text) => text.split('/')[0])
    .find((text) => !text?.includes(':'));
  return { interface: name, ...(address === undefined ? {} : { address }) };
}

function findingsOf(port: string, { macs, networks }: Heard): readonly string[] {
  const top = <T>(all: readonly T[]) => all.slice(0, heardTold);
  return [
    `into ${port} send ${
      top(macs)
        .map(({ mac, frames }) => `${mac} (${frames} frames)`)
        .join(', ') || 'none'
    }`,
    `to ${
      top(networks)
        .map(({ prefix, frames }) => `${prefix} (${frames})`)
        .join(', ') || 'nowhere'
    }`,
  ];
}

/** Questions for what no option told; an empty answer takes what stands in brackets. */
async function askForMissing(options: Options, ports: readonly PortFacts[]): Promise<Options> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const ask = async (question: string, fallback = ''): Promise<string> => {
    const answer = await terminal.question(
      `${question}${fallback === '' ? '' : ` [${fallback}]`}: `,
    );
    return answer.trim() === '' ? fallback : answer.trim();
  };
  const several = async <T>(
    question: string,
    parse: (text: string) => T,
  ): Promise<readonly T[]> => {
    const found: T[] = [];
    for (;;) {
      const answer = await ask(`${question}, empty ends`);
      if (answer === '') return found;
      try {
        found.push(parse(answer));
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
        process.stderr.write(`  ${error.message}\n`);
      }
    }
  };
  try {
    for (const { name, mac, addresses } of ports) {
      process.stderr.write(`  ${name} ${mac ?? ''} ${addresses.join(' ')}\n`);
    }
    const asn = options.asn ?? parseAsn(await ask('Your AS number'));
    const addressed = ports.find(({ addresses }) => addresses.length > 0)?.name;
    const management = options.management ?? (await ask('Management interface', addressed));
    const network =
      options.network.length > 0 || options.fromRouter
        ? options.network
        : await several('A network of yours, such as 198.51.100.0/22', String);
    const wire =
      options.wire.length > 0
        ? options.wire
        : await several('A wire: name=inside,outside[,link]', parseWire);
    const link =
      options.link.length > 0
        ? options.link
        : await several('A link: name,asn,capacity[,mac|wire]', parseLink);
    const router =
      options.router.length > 0
        ? options.router
        : await several('A router: name=address', parseRouter);
    return { ...options, asn, management, network, wire, link, router };
  } finally {
    terminal.close();
  }
}

function parseAsn(text: string): number {
  const asn = Number(text);
  if (!(Number.isInteger(asn) && asn >= 1 && asn <= 4_294_967_295)) {
    throw new InvalidArgumentError('expected an AS number from 1 to 4294967295');
  }
  return asn;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 600)) throw new InvalidArgumentError('expected 1 to 600 seconds');
  return seconds;
}

function parseWire(text: string): WireAnswer {
  const match = /^([\w.-]+)=([^,]+),([^,]+?)(,link)?$/.exec(text);
  const [, name, inside, outside, link] = match ?? [];
  if (name === undefined || inside === undefined || outside === undefined) {
    throw new InvalidArgumentError('expected NAME=INSIDE,OUTSIDE or NAME=INSIDE,OUTSIDE,link');
  }
  return { name, inside, outside, place: link === undefined ? 'inside' : 'link' };
}

function parseLink(text: string): LinkAnswer {
  const [name, asn, capacity, known] = text.split(',');
  if (!name || !asn || !capacity) {
    throw new InvalidArgumentError('expected NAME,ASN,CAPACITY, such as north,65001,10G');
  }
  const isMac = known !== undefined && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(known);
  return {
    name,
    asn: parseAsn(asn),
    capacity,
    ...(known === undefined ? {} : isMac ? { mac: known } : { wire: known }),
  };
}

function parseRouter(text: string): RouterAnswer {
  const [name, address] = text.split('=');
  if (!name || !address) throw new InvalidArgumentError('expected NAME=ADDRESS');
  return { name, address };
}

const collect = (text: string, before: readonly string[]) => [...before, text];
const collectWire = (text: string, before: readonly WireAnswer[]) => [...before, parseWire(text)];
const collectLink = (text: string, before: readonly LinkAnswer[]) => [...before, parseLink(text)];
const collectRouter = (text: string, before: readonly RouterAnswer[]) => [
  ...before,
  parseRouter(text),
];
