/** What `headgate doctor` looks at: the machine as it is, read and not changed. */
import { execFile } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Settings } from '../../core/settings/index.ts';

export interface PortFacts {
  readonly name: string;
  readonly exists: boolean;
  readonly mac?: string;
  readonly isUp?: boolean;
  readonly mtu?: number;
  /** Mb/s as the driver tells; absent where it does not. */
  readonly speedMbps?: number;
  /** The kernel's driver of a real card. */
  readonly driver?: string;
  readonly addresses: readonly string[];
  /** Offloads of ethtool -k that are on; undefined where ethtool is missing. */
  readonly offloads: readonly string[] | undefined;
  /** Bridge or bond that it belongs to. */
  readonly master?: string;
}

export interface Facts {
  readonly node: string;
  readonly kernel: string;
  /** Effective capabilities, one bit each (capabilities(7)). */
  readonly capabilities: bigint;
  readonly ports: ReadonlyMap<string, PortFacts>;
  readonly hasBpffs: boolean;
  /** The kernel's own word on whether its clock is synchronised; undefined where nothing tells. */
  readonly isClockSynchronised: boolean | undefined;
  /** By router: undefined when a connection opened, else why not. */
  readonly bgp: ReadonlyMap<string, string | undefined>;
  /** Folders that are written to and cannot be. */
  readonly unwritable: readonly string[];
  /** Files with secrets that others may read. */
  readonly exposed: readonly string[];
  /** Largest socket buffer, bytes. */
  readonly rmemMax: number;
}

const run = promisify(execFile);
const bgpTimeoutMs = 3000;

/** Reads all that the settings make worth reading; what cannot be read is left out, never an error. */
export async function gatherFacts(settings: Settings, file: string): Promise<Facts> {
  const names = settings.wires.flatMap((wire) => [wire.inside, wire.outside ?? []].flat());
  const { interface: management } = settings.management;
  const ports = await Promise.all(
    [...new Set([...names, ...(management === undefined ? [] : [management])])].map(readPort),
  );
  const speaking = settings.routers.filter((router) => router.bgp && !router.bgp.passive);
  const bgp = await Promise.all(
    speaking.map(async ({ name, address, bgp: session }) => {
      const from = session?.localAddress ?? settings.management.address;
      const isSameFamily = from?.includes(':') === address.includes(':');
      const why = await reach(address, session?.port ?? 179, isSameFamily ? from : undefined);
      return [name, why] as const;
    }),
  );
  const status = read('/proc/self/status');
  return {
    node: process.versions.node,
    kernel: read('/proc/sys/kernel/osrelease').trim(),
    capabilities: BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(status)?.[1] ?? '0'}`),
    ports: new Map(ports.map((port) => [port.name, port])),
    hasBpffs: /\sbpf\s/.test(read('/proc/self/mounts')),
    isClockSynchronised: await clockState(),
    bgp: new Map(bgp),
    unwritable: [dirname(settings.history.path), dirname(settings.control.socket)].filter(
      (folder) => !isWritable(folder),
    ),
    exposed: exposedFiles(settings, file),
    rmemMax: Number(read('/proc/sys/net/core/rmem_max')) || 0,
  };
}

/** The interfaces of this machine, without the loopback. */
export async function readPorts(): Promise<readonly PortFacts[]> {
  const names = readdirSync('/sys/class/net').filter((name) => name !== 'lo' && isPort(name));
  return Promise.all(names.sort().map(readPort));
}

const isPort = (name: string) => existsSync(`/sys/class/net/${name}/address`);

async function readPort(name: string): Promise<PortFacts> {
  const at = `/sys/class/net/${name}`;
  if (!existsSync(at)) return { name, exists: false, addresses: [], offloads: [] };
  const speed = Number(read(`${at}/speed`));
  const driver = link(`${at}/device/driver`);
  const master = link(`${at}/master`);
  return {
    name,
    exists: true,
    mac: read(`${at}/address`).trim(),
    isUp: (Number(read(`${at}/flags`)) & 1) === 1,
    mtu: Number(read(`${at}/mtu`)),
    ...(speed > 0 ? { speedMbps: speed } : {}),
    ...(driver === undefined ? {} : { driver }),
    ...(master === undefined ? {} : { master }),
    addresses: (networkInterfaces()[name] ?? []).map(({ cidr, address }) => cidr ?? address),
    offloads: await readOffloads(name),
  };
}

/** `large-receive-offload: on` and the like. */
async function readOffloads(name: string): Promise<readonly string[] | undefined> {
  try {
    const { stdout } = await run('ethtool', ['-k', name]);
    return [...stdout.matchAll(/^\s*([\w-]+): on/gm)].map((match) => match[1] ?? '');
  } catch {
    return undefined;
  }
}

async function clockState(): Promise<boolean | undefined> {
  if (existsSync('/run/systemd/timesync/synchronized')) return true;
  try {
    const { stdout } = await run('timedatectl', ['show', '-p', 'NTPSynchronized', '--value']);
    return stdout.trim() === 'yes';
  } catch {
    // No systemd: chrony is the other way of this distribution.
  }
  try {
    const { stdout } = await run('chronyc', ['-c', 'tracking']);
    return !stdout.includes('Not synchronised');
  } catch {
    return undefined;
  }
}

/** Undefined when a TCP connection opened, else the system's reason. */
function reach(host: string, port: number, localAddress?: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
    const end = (why: string | undefined) => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(bgpTimeoutMs, () => end(`no answer within ${bgpTimeoutMs / 1000} s`));
    socket.once('connect', () => end(undefined));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

function exposedFiles({ routers, notices }: Settings, file: string): readonly string[] {
  const secrets = routers.flatMap(({ bgp, snmp }) => [
    bgp?.md5File,
    ...(snmp?.version === '2c' ? [snmp.communityFile] : [snmp?.authKeyFile, snmp?.privacyKeyFile]),
  ]);
  const hasInline = routers.some(
    ({ bgp, snmp }) => bgp?.md5 ?? (snmp?.version === '2c' ? snmp.community : snmp?.authKey),
  );
  return [...secrets, notices?.webhook?.urlFile, ...(hasInline ? [file] : [])].filter(
    (path): path is string => path?.includes('/') === true && isOpenToOthers(path),
  );
}

function isOpenToOthers(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && (stat.mode & 0o004) !== 0;
}

/** A folder that is not there yet is made by the unit, if its parent lets it. */
function isWritable(folder: string): boolean {
  if (!existsSync(folder)) return folder !== '/' && isWritable(dirname(folder));
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function link(path: string): string | undefined {
  try {
    return basename(readlinkSync(path));
  } catch {
    return undefined;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
