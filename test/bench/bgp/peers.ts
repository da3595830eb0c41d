/** Other BGP implementations as receivers of the same feeds: configuration, how many prefixes they have, memory. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inside } from '../../../src/lab/namespaces.ts';

export const benchSpace = 'hgb-bench';

export interface PeerReceiver {
  readonly name: string;
  readonly program: string;
  /** Starts it; `count` gives the paths received over all feeds. */
  start(feeders: readonly string[]): {
    readonly child: ChildProcess;
    count(): Promise<number>;
    remove(): void;
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function ask(argv: readonly string[]): Promise<string> {
  const [program = '', ...rest] = inside(benchSpace, argv);
  return new Promise((resolve) => {
    execFile(program, rest, { maxBuffer: 64 << 20, timeout: 20_000 }, (_, stdout) =>
      resolve(stdout),
    );
  });
}

function launch(
  name: string,
  file: string,
  text: string,
  argv: (folder: string) => readonly string[],
) {
  const folder = mkdtempSync(join(tmpdir(), `hgb-bench-${name}-`));
  writeFileSync(join(folder, file), text, { mode: 0o600 });
  const [program = '', ...rest] = inside(benchSpace, argv(folder));
  const child = spawn(program, rest, { stdio: 'ignore' });
  return { folder, child, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export const peers: readonly PeerReceiver[] = [
  {
    name: 'BIRD 2',
    program: '/usr/sbin/bird',
    start: (feeders) => {
      const sessions = feeders.map(
        (address, i) =>
          `protocol bgp feed${i} { local 10.98.0.9 as 64512; neighbor ${address} as ${65_101 + i}; strict bind yes; multihop; hold time 0; connect delay time 1; ipv4 { import all; export none; }; ipv6 { import all; export none; }; }`,
      );
      const text = `router id 10.98.0.9;\nprotocol device {}\n${sessions.join('\n')}\n`;
      const { folder, child, remove } = launch('bird', 'bird.conf', text, (f) => [
        'bird',
        '-f',
        '-c',
        `${f}/bird.conf`,
        '-s',
        `${f}/ctl`,
        '-P',
        `${f}/pid`,
      ]);
      const count = async () => {
        const shown = await ask(['birdc', '-s', `${folder}/ctl`, 'show', 'route', 'count']);
        return sum([...shown.matchAll(/^(\d+) of/gm)].map((match) => Number(match[1])));
      };
      return { child, count, remove };
    },
  },
  {
    name: 'FRR',
    program: '/usr/lib/frr/bgpd',
    start: (feeders) => {
      const neighbors = feeders.map(
        (address, i) =>
          ` neighbor ${address} remote-as ${65_101 + i}\n neighbor ${address} ebgp-multihop\n neighbor ${address} disable-connected-check\n neighbor ${address} timers 0 0\n neighbor ${address} timers connect 1\n address-family ipv6 unicast\n  neighbor ${address} activate\n exit-address-family`,
      );
      const text = `router bgp 64512\n bgp router-id 10.98.0.9\n no bgp ebgp-requires-policy\n${neighbors.join('\n')}\nexit\n`;
      const { folder, child, remove } = launch('frr', 'bgpd.conf', text, (f) => [
        '/usr/lib/frr/bgpd',
        '-Z',
        '-S',
        '-f',
        `${f}/bgpd.conf`,
        '-i',
        `${f}/pid`,
        '--vty_socket',
        f,
        '-P',
        '0',
        '-l',
        '10.98.0.9',
      ]);
      const count = async () => {
        const shown = await ask([
          'vtysh',
          '--vty_socket',
          folder,
          '-d',
          'bgpd',
          '-c',
          'show bgp summary json',
        ]);
        return sum([...shown.matchAll(/"pfxRcd":(\d+)/g)].map((match) => Number(match[1])));
      };
      return { child, count, remove };
    },
  },
  {
    name: 'GoBGP',
    program: '/usr/bin/gobgpd',
    start: (feeders) => {
      const neighbors = feeders.map(
        (address, i) =>
          `[[neighbors]]\n  [neighbors.config]\n    neighbor-address = "${address}"\n    peer-as = ${65_101 + i}\n  [neighbors.ebgp-multihop.config]\n    enabled = true\n    multihop-ttl = 10\n  [neighbors.transport.config]\n    local-address = "10.98.0.9"\n  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = "ipv4-unicast"\n  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = "ipv6-unicast"`,
      );
      const text = `[global.config]\n  as = 64512\n  router-id = "10.98.0.9"\n  local-address-list = ["10.98.0.9"]\n${neighbors.join('\n')}\n`;
      const { child, remove } = launch('gobgp', 'gobgpd.toml', text, (f) => [
        'gobgpd',
        '-f',
        `${f}/gobgpd.toml`,
        '--api-hosts',
        '127.0.0.1:50051',
        '--pprof-disable',
      ]);
      const count = async () => {
        const shown = await ask(['gobgp', 'neighbor']);
        return sum([...shown.matchAll(/\|\s+(\d+)\s+\d+$/gm)].map((match) => Number(match[1])));
      };
      return { child, count, remove };
    },
  },
];

export const isInstalled = ({ program }: PeerReceiver): boolean => existsSync(program);

/** Resident bytes of a process and its children (`ip netns exec` is replaced by what it runs). */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const own = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return (
    own +
    sum(
      children
        .split(' ')
        .filter(Boolean)
        .map((child) => residentBytes(Number(child))),
    )
  );
}
