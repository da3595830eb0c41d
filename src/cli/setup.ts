/** `headgate setup`: writes the first settings, from flags, from questions, and from what can be found out. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { HeadgateError } from '../core/base/error.ts';
import { formatSettingsError, loadSettings } from '../core/settings/index.ts';
import { gatherFacts, type PortFacts, readPorts } from './doctor/facts.ts';
import { judge } from './doctor/judge.ts';
import { renderFindings } from './doctor.ts';
import { UseError } from './face/exit.ts';
import { defaultSettingsFile } from './face/settings-file.ts';
import { askForMissing, type Known } from './setup/ask.ts';
import { type Heard, listenAt, networksFromRouter } from './setup/learn.ts';
import { parseAsn, parseLink, parseRouter, parseSeconds, parseWire } from './setup/parse.ts';
import {
  type LinkAnswer,
  type RouterAnswer,
  renderFirstSettings,
  type WireAnswer,
} from './setup/render.ts';
import { replaceFile } from './setup/replace-file.ts';

interface Options extends Known {
  readonly output: string;
  readonly force?: boolean;
  /** By the outside of each wire, where it was listened at before. */
  readonly heard?: ReadonlyMap<string, Heard>;
}

/** The longest that a router may take to tell all it has. */
const routerDeadlineMs = 60_000;
/** Of what is heard, told in the settings' head. */
const heardTold = 8;
/** A network is heard for ours when it gets at least so much of the frames that come in. */
const heardShare = 0.01;

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
      const asked = process.stdin.isTTY ? await askForMissing(options, ports, listenAll) : options;
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
  const heard =
    options.heard ??
    (options.listen === undefined
      ? new Map<string, Heard>()
      : await listenAll(wires, options.listen));
  const told = [...options.network, ...learned];
  const networks = told.length > 0 ? told : networksHeard(heard);
  if (networks.length === 0) {
    throw new UseError(
      'expected --network, or --from-router or --listen to learn your networks, and none was heard',
    );
  }
  const inside = wires.find(({ place }) => place === 'inside');
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
      ...[...heard].flatMap(([port, found]) => findingsOf(port, found)),
      ...(told.length > 0
        ? []
        : ['nobody told your networks: those below are where frames came in for']),
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
  replaceFile(output, text, 0o640);
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

async function listenAll(
  wires: readonly WireAnswer[],
  seconds: number,
): Promise<ReadonlyMap<string, Heard>> {
  return new Map(
    await Promise.all(
      wires.map(async ({ outside }) => [outside, await listenAt(outside, seconds)] as const),
    ),
  );
}

/** Where frames from outside go to, without what is too little to be more than a stray. */
function networksHeard(heard: ReadonlyMap<string, Heard>): readonly string[] {
  const networks = [...heard.values()].flatMap((found) => found.networks);
  const all = networks.reduce((sum, { frames }) => sum + frames, 0);
  const enough = networks.filter(({ frames }) => frames >= heardShare * all);
  return [...new Set(enough.map(({ prefix }) => prefix))].sort();
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

const collect = (text: string, before: readonly string[]) => [...before, text];
const collectWire = (text: string, before: readonly WireAnswer[]) => [...before, parseWire(text)];
const collectLink = (text: string, before: readonly LinkAnswer[]) => [...before, parseLink(text)];
const collectRouter = (text: string, before: readonly RouterAnswer[]) => [
  ...before,
  parseRouter(text),
];
