/** Raises and removes the content network. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { HeadgateError } from '../../core/base/error.ts';
import { startFrr } from '../frr-start.ts';
import { renderSnmpd, snmpCacheCommand, snmpdCommand } from '../instruments.ts';
import {
  type InterfaceCounters,
  inside,
  ipBatch,
  listNamespaces,
  readCounters,
  readShaperDrops,
  removeNamespaces,
  run,
} from '../namespaces.ts';
import { renderContentBorder, renderContentProvider, renderNet } from './bird.ts';
import { renderContentFrr } from './frr.ts';
import { cables, destinationCount, nodes, providers, type RouterKind, router } from './topology.ts';

export interface ContentLab {
  readonly folder: string;
  namespace(node: string): string;
  run(node: string, argv: readonly string[]): Promise<string>;
  birdc(node: string, command: string): Promise<string>;
  counters(node: string): Promise<Map<string, InterfaceCounters>>;
  /** By provider, how many of the destinations the border router forwards by it. */
  waysOut(): Promise<Readonly<Record<string, number>>>;
  /** Packets that the shapers of the border router have dropped, by provider. */
  dropped(): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

const folderOf = (prefix: string) => `/run/headgate-lab-${prefix}`;

/** `policy`: what headgate asks of the border router. A leftover of the same prefix is removed first. */
export async function openContentLab(
  prefix: string,
  policy: string,
  kind: RouterKind = 'bird',
): Promise<ContentLab> {
  if (process.getuid?.() !== 0)
    throw new HeadgateError('no_capability', 'the lab needs root: it makes network namespaces');
  await closeContentLab(prefix);
  const folder = folderOf(prefix);
  mkdirSync(folder, { recursive: true });
  const namespace = (node: string) => `${prefix}-${node}`;
  const runIn = (node: string, argv: readonly string[]) => run(inside(namespace(node), argv));
  const lab: ContentLab = {
    folder,
    namespace,
    run: runIn,
    birdc: (node, command) => run(['birdc', '-s', `${folder}/${node}.ctl`, ...command.split(' ')]),
    counters: (node) => readCounters(namespace(node)),
    waysOut: () => waysOut(runIn),
    dropped: async () => Object.fromEntries(await readShaperDrops(namespace(router.name))),
    close: () => closeContentLab(prefix),
  };
  try {
    await cable(lab);
    await Promise.all([
      kind === 'frr'
        ? startFrr(
            (argv) => runIn(router.name, argv),
            `${folder}/${router.name}`,
            renderContentFrr(policy),
          )
        : startBird(lab, router.name, renderContentBorder(policy)),
      startBird(lab, 'net', renderNet()),
      ...providers.map(({ name }, i) => startBird(lab, name, renderContentProvider(i))),
      startSnmp(lab),
    ]);
  } catch (error) {
    await lab.close();
    throw error;
  }
  return lab;
}

export async function closeContentLab(prefix: string): Promise<void> {
  const own = new Set(nodes.map((node) => `${prefix}-${node}`));
  await removeNamespaces(listNamespaces().filter((name) => own.has(name)));
  rmSync(folderOf(prefix), { recursive: true, force: true });
}

async function cable(lab: ContentLab): Promise<void> {
  await ipBatch(
    undefined,
    nodes.map((node) => `netns add ${lab.namespace(node)}`),
  );
  await ipBatch(
    undefined,
    cables.map(({ ends: [a, b] }) => {
      const [from, to] = [a, b].map((end) => `name ${end.name} netns ${lab.namespace(end.node)}`);
      return `link add ${from} type veth peer ${to}`;
    }),
  );
  await Promise.all(nodes.map((node) => configure(lab, node)));
}

async function configure(lab: ContentLab, node: string): Promise<void> {
  await lab.run(node, [
    ...['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0'],
    ...['net.ipv4.conf.default.rp_filter=0', 'net.ipv6.conf.all.disable_ipv6=1'],
    ...['net.ipv6.conf.default.disable_ipv6=1'],
  ]);
  const ports = cables.flatMap(({ ends }) => ends).filter((port) => port.node === node);
  await ipBatch(lab.namespace(node), [
    'link set dev lo up',
    ...ports.flatMap(({ name, addresses }) => [
      ...addresses.map((address) => `addr add ${address} dev ${name}`),
      `link set dev ${name} up`,
    ]),
    ...(node === 'hosts' ? [`route add default via ${router.inside}`] : []),
    // Every address of the foreign network answers here.
    ...(node === 'net' ? ['route add local 10.200.0.0/15 dev lo'] : []),
  ]);
  if (node !== router.name) return;
  // Half a second of queue: what the wire's process held back while this machine did not run it comes as one burst, and
  // is no overload. One that lasts fills the queue, and shows on the interface before that.
  for (const { name, capacityBitps } of providers) {
    await lab.run(node, [
      ...['tc', 'qdisc', 'add', 'dev', name, 'root', 'tbf'],
      ...['rate', String(capacityBitps), 'burst', '32k', 'latency', '500ms'],
    ]);
  }
}

async function startBird(lab: ContentLab, node: string, configuration: string): Promise<void> {
  const base = `${lab.folder}/${node}`;
  writeFileSync(`${base}.conf`, configuration.replaceAll('"bird.log"', `"${base}.log"`));
  await lab.run(node, [
    ...['bird', '-c', `${base}.conf`, '-s', `${base}.ctl`, '-P', `${base}.pid`],
  ]);
}

async function startSnmp({ folder, run }: ContentLab): Promise<void> {
  const agent = { name: router.name, management: router.address };
  writeFileSync(`${folder}/${router.name}-snmpd.conf`, renderSnmpd(agent));
  await run(router.name, snmpdCommand(folder, agent));
  await run(router.name, snmpCacheCommand(agent));
}

async function waysOut(runIn: ContentLab['run']): Promise<Readonly<Record<string, number>>> {
  const routes = await runIn(router.name, ['ip', 'route', 'show', 'root', '10.200.0.0/16']);
  const counts: Record<string, number> = {};
  for (const [, device = ''] of routes.matchAll(/^10\.200\.\d+\.0\/24 .*dev (\S+)/gm))
    counts[device] = (counts[device] ?? 0) + 1;
  return counts;
}

export const allByNorth = (ways: Readonly<Record<string, number>>): boolean =>
  ways.north === destinationCount;
