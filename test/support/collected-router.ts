/**
 * A router in namespaces whose exports and counters a test collects:
 *
 *   outside ──wan─ router ─lan── inside        router ──mgmt── the test's own namespace
 *   203.0.113.2    .1   .1  198.51.100.2       100.64.77.2     100.64.77.1
 *   2001:db8:f::2                2001:db8:a::2
 */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  inside,
  ipBatch,
  readCounters,
  removeNamespaces,
  run,
  spawnInside,
} from '../../src/lab/namespaces.ts';

export const addresses = {
  outside: '203.0.113.2',
  outside6: '2001:db8:f::2',
  inside: '198.51.100.2',
  inside6: '2001:db8:a::2',
  router: '100.64.77.2',
  collector: '100.64.77.1',
} as const;

/** ifIndex of the router's interface towards outside: chosen, so that exporters can be told. */
export const wanIndex = 71;

export interface CollectedRouter {
  readonly namespaces: {
    readonly outside: string;
    readonly router: string;
    readonly inside: string;
  };
  /** Starts a program in the router, ended with it. */
  spawn(argv: readonly string[]): ChildProcess;
  /** Sends TCP both ways between outside and inside for about `seconds` and waits for its end. */
  transfer(options: {
    readonly seconds: number;
    readonly rate: string;
    readonly family?: 4 | 6;
  }): Promise<void>;
  /** Pings the router itself: traffic that is no block's, to push earlier packets out of capture buffers. */
  flush(): Promise<void>;
  /** The kernel's own bytes of the interface towards outside. */
  wanBytes(): Promise<{ readonly inbound: number; readonly outbound: number }>;
  remove(): Promise<void>;
}

/** Why such a router cannot be made here, or false. */
export function skipWithoutRouter(...programs: readonly string[]): string | false {
  if (process.getuid?.() !== 0) return 'needs root for network namespaces';
  for (const program of ['ip', 'iperf3', 'ethtool', 'ping', ...programs]) {
    const isThere = ['/usr/bin', '/usr/sbin', '/sbin', '/bin'].some((folder) =>
      existsSync(`${folder}/${program}`),
    );
    if (!isThere) return `${program} is not installed`;
  }
  return false;
}

/** `name` begins the names of its namespaces: at most 8 characters, its test's own. */
export async function makeCollectedRouter(name: string): Promise<CollectedRouter> {
  const namespaces = { outside: `${name}-out`, router: `${name}-rt`, inside: `${name}-in` };
  const management = `${name}m0`;
  const all = Object.values(namespaces);
  // What a crashed run left behind.
  await removeNamespaces(all);
  await run(['ip', 'link', 'del', management]).catch(() => '');
  await ipBatch(
    undefined,
    all.map((namespace) => `netns add ${namespace}`),
  );
  const { outside, router } = namespaces;
  await ipBatch(undefined, [
    `link add name wan index ${wanIndex} netns ${router} type veth peer name eth0 netns ${outside}`,
    `link add name lan netns ${router} type veth peer name eth0 netns ${namespaces.inside}`,
    `link add ${management} type veth peer name mgmt netns ${router}`,
    `addr add ${addresses.collector}/30 dev ${management}`,
    `link set ${management} up`,
  ]);
  await setUp(router, {
    wan: ['203.0.113.1/24', '2001:db8:f::1/64'],
    lan: ['198.51.100.1/24', '2001:db8:a::1/64'],
    mgmt: [`${addresses.router}/30`],
  });
  await setUp(outside, { eth0: [`${addresses.outside}/24`, `${addresses.outside6}/64`] });
  await setUp(namespaces.inside, { eth0: [`${addresses.inside}/24`, `${addresses.inside6}/64`] });
  await ipBatch(outside, [
    'route add default via 203.0.113.1',
    'route add default via 2001:db8:f::1',
  ]);
  await ipBatch(namespaces.inside, [
    'route add default via 198.51.100.1',
    'route add default via 2001:db8:a::1',
  ]);
  // Super-packets would be sampled as one packet, which no real router does.
  const offloads = ['gso', 'tso', 'gro'].flatMap((name) => [name, 'off']);
  for (const [namespace, device] of [
    [outside, 'eth0'],
    [namespaces.inside, 'eth0'],
    [router, 'wan'],
    [router, 'lan'],
  ] as const) {
    await run(inside(namespace, ['ethtool', '-K', device, ...offloads]));
  }
  const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
  await run(inside(router, ['sysctl', '-qw', ...forwarding]));
  const children: ChildProcess[] = [];
  return {
    namespaces,
    spawn(argv) {
      const child = spawnInside(router, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
      // Unread output would block a talkative program.
      child.stdout?.resume();
      child.stderr?.resume();
      children.push(child);
      return child;
    },
    async transfer({ seconds, rate, family = 4 }) {
      const to = family === 4 ? addresses.inside : addresses.inside6;
      const server = spawnInside(namespaces.inside, ['iperf3', '-s', '-1'], { stdio: 'ignore' });
      children.push(server);
      await listening(namespaces.inside, 5201);
      await run(
        inside(outside, ['iperf3', '-c', to, '--bidir', '-t', String(seconds), '-b', rate]),
      );
    },
    async flush() {
      await run(
        inside(outside, ['ping', '-q', '-c', '1000', '-i', '0.002', '-s', '1400', '203.0.113.1']),
      );
    },
    async wanBytes() {
      const wan = (await readCounters(router)).get('wan');
      return { inbound: wan?.rxBytes ?? 0, outbound: wan?.txBytes ?? 0 };
    },
    async remove() {
      for (const child of children) child.kill('SIGKILL');
      await removeNamespaces(all);
      await run(['ip', 'link', 'del', management]).catch(() => '');
    },
  };
}

async function setUp(
  namespace: string,
  interfaces: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  await ipBatch(namespace, [
    'link set lo up',
    ...Object.entries(interfaces).flatMap(([device, own]) => [
      ...own.map(
        (address) => `addr add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`,
      ),
      `link set ${device} up`,
    ]),
  ]);
}

/** Waits until something listens on a TCP port of a namespace. */
export async function listening(namespace: string, port: number): Promise<void> {
  await until(
    `port ${port} in ${namespace}`,
    () =>
      execFileSync('ip', ['netns', 'exec', namespace, 'ss', '-Hltn', `sport = :${port}`]).length >
      0,
  );
}

/** Waits for a condition, at most 60 s: the machine may be busy with other things. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
