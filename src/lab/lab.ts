/**
 * Raises and removes the lab: namespaces, cables, shaped links, routers. Everything that a lab makes is a namespace
 * called `PREFIX-NODE`, a process inside one, or a file in its folder; so removing is complete even after a crash.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { HeadgateError } from '../core/base/error.ts';
import { renderBorder, renderProvider, renderSource } from './bird.ts';
import { renderFrrBorder } from './frr.ts';
import { startFrr } from './frr-start.ts';
import {
  exporterRoot,
  renderSnmpd,
  snmpCacheCommand,
  snmpdCommand,
  softflowdCommand,
} from './instruments.ts';
import {
  type InterfaceCounters,
  inside,
  ipBatch,
  listNamespaces,
  readCounters,
  removeNamespaces,
  run,
} from './namespaces.ts';
import { waitForRoutes } from './routes.ts';
import type { LabShape } from './shape.ts';
import { type BorderRouter, layOut, type Port, type Topology } from './topology.ts';
import { layOutUnits } from './units-topology.ts';

/** What headgate asks of a border router, in its configuration language. */
export type BorderPolicy = (topology: Topology, router: BorderRouter) => string;

export interface LabOptions {
  readonly shape: LabShape;
  readonly policy: BorderPolicy;
  /** Tells this lab's namespaces from another's; `hglab` when a person raises it. */
  readonly prefix?: string;
  /** `bridge`: a plain Linux bridge stands in for each wire, so that the lab works without a unit. */
  readonly wires?: 'unit' | 'bridge';
  /** Whether the lab may be removed as a leftover once this process is gone; false for `headgate lab up`. */
  readonly isOwned?: boolean;
}

export interface Lab {
  readonly prefix: string;
  readonly topology: Topology;
  /** For configuration, logs and sockets of what runs in the lab. */
  readonly folder: string;
  namespace(node: string): string;
  /** Runs a program in a node to its end and gives its stdout. */
  run(node: string, argv: readonly string[]): Promise<string>;
  counters(node: string): Promise<Map<string, InterfaceCounters>>;
  /** One command to a router's BIRD. */
  birdc(node: string, command: string): Promise<string>;
  /** Commands to a border router's FRR. */
  vtysh(node: string, ...commands: readonly string[]): Promise<string>;
  /** A border router's forwarding table, both families, as text that only changes when forwarding does. */
  forwarding(router: string): Promise<string>;
  /** Resolves when sources and border routers have each other's paths by every provider; needs forwarding wires. */
  waitForRoutes(deadlineMs: number): Promise<void>;
  /** By which provider each source reaches each block now, as its kernel forwards. */
  waysIn(): Promise<readonly WaysIn[]>;
  close(): Promise<void>;
}

export interface WaysIn {
  readonly source: string;
  /** Provider by block prefix; `none` where the source has no path. */
  readonly blocks: Readonly<Record<string, string>>;
}

export const defaultPrefix = 'hglab';
const stateFolder = '/run/headgate-lab';

/** Raises a lab; one of the same prefix, or whose owner has died, is removed first. */
export async function openLab(options: LabOptions): Promise<Lab> {
  const prefix = options.prefix ?? defaultPrefix;
  if (process.getuid?.() !== 0)
    throw new HeadgateError('no_capability', 'the lab needs root: it makes network namespaces');
  await removeLeftovers();
  await closeLab(prefix);
  const folder = `${stateFolder}/${prefix}`;
  mkdirSync(folder, { recursive: true });
  const topology = layOutAny(options.shape);
  const owner = options.isOwned === false ? 0 : process.pid;
  writeFileSync(`${folder}/lab.json`, JSON.stringify({ owner, shape: options.shape }));
  const lab = labOf(prefix, folder, topology);
  try {
    await cable(lab, options.wires ?? 'unit');
    await startRouters(lab, options.policy);
    if (topology.shape.place === 'beside') await startInstruments(lab);
  } catch (error) {
    await lab.close();
    throw error;
  }
  return lab;
}

/** The lab of that prefix that is up, if any. */
export function findLab(prefix = defaultPrefix): Lab | undefined {
  const folder = `${stateFolder}/${prefix}`;
  const state = readState(folder);
  return state && labOf(prefix, folder, layOutAny(state.shape));
}

/** Removes a lab whatever state it is in; none is no error. */
export async function closeLab(prefix = defaultPrefix): Promise<void> {
  await removeNamespaces(
    listNamespaces().filter((name) => isNodeOf(prefix, name.slice(prefix.length + 1), name)),
  );
  rmSync(`${stateFolder}/${prefix}`, { recursive: true, force: true });
}

/** Removes the labs whose owner is gone: a crash's leftovers. */
export async function removeLeftovers(): Promise<void> {
  if (!existsSync(stateFolder)) return;
  for (const prefix of readdirSync(stateFolder)) {
    const state = readState(`${stateFolder}/${prefix}`);
    if (state && state.owner !== 0 && !existsSync(`/proc/${state.owner}`)) await closeLab(prefix);
  }
}

const layOutAny = (shape: LabShape): Topology =>
  shape.routers === 3 ? layOutUnits(shape) : layOut(shape);

function isNodeOf(prefix: string, node: string, name: string): boolean {
  const nodes = /^(src\d|north|south|coast|hill|br\d|lan|unit|west|mid|east|nats\d|core|hosts)$/;
  return name === `${prefix}-${node}` && nodes.test(node);
}

function readState(folder: string): { owner: number; shape: LabShape } | undefined {
  const path = `${folder}/lab.json`;
  // Written by openLab above.
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

function labOf(prefix: string, folder: string, topology: Topology): Lab {
  const namespace = (node: string) => `${prefix}-${node}`;
  const runIn = (node: string, argv: readonly string[]) => run(inside(namespace(node), argv));
  const birdc = (node: string, command: string) =>
    run(['birdc', '-s', `${folder}/${node}.ctl`, ...command.split(' ')]);
  const self: Lab = {
    prefix,
    topology,
    folder,
    namespace,
    run: runIn,
    birdc,
    vtysh: (node, ...commands) =>
      run([
        ...['vtysh', '--vty_socket', `${folder}/${node}`],
        ...commands.flatMap((command) => ['-c', command]),
      ]),
    counters: (node) => readCounters(namespace(node)),
    forwarding: async (router) => {
      const tables = await Promise.all(
        ['-4', '-6'].map((family) => run(['ip', family, '-n', namespace(router), 'route', 'show'])),
      );
      return tables
        .flatMap((table) => table.split('\n'))
        .map((line) => line.replace(/ nhid \d+/, '').trim())
        .filter((line) => line !== '' && !line.startsWith('fe80'))
        .sort()
        .join('\n');
    },
    waitForRoutes: (deadlineMs) => waitForRoutes(self, deadlineMs),
    waysIn: () => Promise.all(topology.sources.map(({ name }) => waysInOf(topology, name, runIn))),
    close: () => closeLab(prefix),
  };
  return self;
}

async function cable(lab: Lab, wires: 'unit' | 'bridge'): Promise<void> {
  const { topology, namespace } = lab;
  await ipBatch(
    undefined,
    topology.nodes.map((node) => `netns add ${namespace(node)}`),
  );
  // One segment per packet, so that interfaces, shapers and the unit all count the same frames.
  await ipBatch(
    undefined,
    topology.cables.map(({ ends: [a, b] }) => {
      const end = (port: Port) =>
        `name ${port.name} netns ${namespace(port.node)} ${port.mac ? `address ${port.mac} ` : ''}gso_max_segs 1`;
      return `link add ${end(a)} type veth peer ${end(b)}`;
    }),
  );
  await Promise.all(topology.nodes.map((node) => configureNode(lab, node, wires)));
}

async function configureNode(lab: Lab, node: string, wires: 'unit' | 'bridge'): Promise<void> {
  const { topology } = lab;
  // Switches and the unit's ports stay silent: no IPv6 address may appear on them.
  const units = ['unit', ...topology.sites.map((site) => site.unit)];
  const isQuiet = node === 'lan' || units.includes(node);
  await lab.run(node, [
    'sysctl',
    '-qw',
    'net.ipv6.conf.all.accept_dad=0',
    'net.ipv6.conf.default.accept_dad=0',
    `net.ipv6.conf.all.disable_ipv6=${isQuiet ? 1 : 0}`,
    `net.ipv6.conf.default.disable_ipv6=${isQuiet ? 1 : 0}`,
    'net.ipv4.ip_forward=1',
    'net.ipv6.conf.all.forwarding=1',
    'net.ipv4.conf.all.rp_filter=0',
    'net.ipv4.conf.default.rp_filter=0',
    // A live stream keeps little in store: what a full link held back is not sent later on top.
    'net.ipv4.tcp_wmem=4096 16384 49152',
  ]);
  const ports = topology.cables.flatMap((c) => c.ends).filter((port) => port.node === node);
  const bridges = topology.bridges.filter((bridge) => bridge.node === node);
  const standIns =
    wires === 'bridge'
      ? topology.wires
          .filter(({ unit }) => unit === node)
          .map((w) => ({ name: `w-${w.name}`, ports: [w.inside, w.outside] }))
      : [];
  await ipBatch(lab.namespace(node), [
    'link set dev lo up',
    ...ports.flatMap((port) => [
      ...port.addresses.map(
        (address) => `addr add ${address} dev ${port.name}${address.includes(':') ? ' nodad' : ''}`,
      ),
      `link set dev ${port.name} up`,
    ]),
    ...[...bridges, ...standIns].flatMap((bridge) => [
      `link add name ${bridge.name} type bridge`,
      ...bridge.ports.map((port) => `link set dev ${port} master ${bridge.name}`),
      `link set dev ${bridge.name} up`,
    ]),
    ...routesOf(topology, node),
  ]);
  if (node === 'hosts') await routeBack(lab);
  const provider = topology.providers.find((p) => p.name === node);
  if (provider) {
    await lab.run(node, [
      ...['tc', 'qdisc', 'add', 'dev', 'customer', 'root', 'tbf'],
      ...['rate', String(provider.capacityBitps), 'burst', '16k', 'latency', '60ms'],
    ]);
  }
}

/** What no routing protocol brings: our inside, and the source hosts' addresses. */
function routesOf(topology: Topology, node: string): string[] {
  const source = topology.sources.find((s) => s.name === node);
  if (source) return source.hosts.map((host) => `addr add ${host} dev lo`);
  if (node === 'core') {
    return ['route add default via 10.0.0.1', 'route add default via fd00:0:0:1::1'];
  }
  return [];
}

/** Each host answers by its own block's interface. */
async function routeBack(lab: Lab): Promise<void> {
  for (const family of [4, 6] as const) {
    const lines = lab.topology.blocks.flatMap((block, n) => {
      if (block.host.includes(':') !== (family === 6)) return [];
      const gateway = block.host.replace(/10$/, '1');
      return [
        `route add default via ${gateway} dev ${block.port} table ${100 + n}`,
        `rule add from ${block.host} table ${100 + n}`,
      ];
    });
    await ipBatch(lab.namespace('hosts'), lines, family);
  }
}

async function startRouters(lab: Lab, policy: BorderPolicy): Promise<void> {
  const { topology } = lab;
  await Promise.all([
    ...topology.sources.map((s) => startBird(lab, s.name, renderSource(topology, s))),
    ...topology.providers.map((p) => startBird(lab, p.name, renderProvider(topology, p))),
    ...topology.routers.map((router) =>
      router.kind === 'frr'
        ? startFrr(
            (argv) => lab.run(router.name, argv),
            `${lab.folder}/${router.name}`,
            renderFrrBorder(topology, router, policy(topology, router)),
          )
        : startBird(lab, router.name, renderBorder(topology, router, policy(topology, router))),
    ),
  ]);
}

async function startBird(lab: Lab, node: string, configuration: string): Promise<void> {
  const base = `${lab.folder}/${node}`;
  writeFileSync(`${base}.conf`, configuration.replaceAll('"bird.log"', `"${base}.log"`));
  await lab.run(node, [
    ...['bird', '-c', `${base}.conf`, '-s', `${base}.ctl`, '-P', `${base}.pid`],
  ]);
}

/** An SNMP agent on each border router, and an exporter of flows on each link. */
export async function startInstruments(lab: Lab): Promise<void> {
  const { topology, folder } = lab;
  for (const router of topology.routers) {
    writeFileSync(`${folder}/${router.name}-snmpd.conf`, renderSnmpd(router));
    await lab.run(router.name, snmpdCommand(folder, router));
    await lab.run(router.name, snmpCacheCommand(router));
  }
  mkdirSync(exporterRoot, { recursive: true });
  for (const provider of topology.providers) {
    const ifIndex = Number(
      await lab.run(provider.router, ['cat', `/sys/class/net/${provider.name}/ifindex`]),
    );
    await lab.run(provider.router, softflowdCommand(folder, topology, provider, ifIndex));
  }
}

async function waysInOf(topology: Topology, source: string, runIn: Lab['run']): Promise<WaysIn> {
  const entries = await Promise.all(
    topology.blocks.map(async (block) => {
      const family = block.host.includes(':') ? '-6' : '-4';
      const route = await runIn(source, ['ip', family, 'route', 'get', block.host]).catch(() => '');
      return [block.prefix, /dev (\S+)/.exec(route)?.[1] ?? 'none'] as const;
    }),
  );
  return { source, blocks: Object.fromEntries(entries) };
}
