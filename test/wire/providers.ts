/** Two providers behind a Linux router: what a border's outside host becomes. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { asn, linkId, routerId } from '../../src/core/base/units.ts';
import { renderLinuxPolicy } from '../../src/router/templates/linux.ts';
import {
  type Border,
  insideAddress,
  insideAddress6,
  outsideAddress,
  outsideAddress6,
  until,
} from './border.ts';

const object = fileURLToPath(new URL('../../../build/Release/vlan_marks.bpf.o', import.meta.url));
export const providers = [
  {
    name: 'north',
    link: linkId('north'),
    vlan: 101,
    near: '192.0.2.2',
    far: '192.0.2.1',
    net6: '2001:db8:1',
  },
  {
    name: 'south',
    link: linkId('south'),
    vlan: 4094,
    near: '192.0.2.6',
    far: '192.0.2.5',
    net6: '2001:db8:2',
  },
] as const;
type Provider = (typeof providers)[number]['name'];
/** Hosts of the Internet, by the link that the unit marks their sessions for. */
export const hosts = {
  north: ['203.0.113.1', '2001:db8:a::1'],
  south: ['203.0.113.2', '2001:db8:b::1'],
  unmarked: ['203.0.113.3', '2001:db8:c::1'],
} as const;
/** The router in the place of a border's outside host, and two providers behind it. */
export class Providers {
  readonly #border: Border;

  constructor(border: Border) {
    this.#border = border;
  }

  open(): void {
    this.close();
    const border = this.#border;
    const router = border.namespace('outside');
    for (const key of ['ipv4.ip_forward', 'ipv6.conf.all.forwarding'])
      border.run('outside', 'sysctl', '-qw', `net.${key}=1`);
    border.run('inside', 'ip', 'route', 'add', 'default', 'via', outsideAddress);
    border.run('inside', 'ip', '-6', 'route', 'add', 'default', 'via', outsideAddress6);
    for (const { link, near, far, net6 } of providers) {
      const space = this.#space(link);
      ip('netns', 'add', space);
      const peer = ['peer', 'name', 'customer', 'netns', space];
      ip('-n', router, 'link', 'add', link, 'type', 'veth', ...peer);
      for (const [at, port, address, address6] of [
        [router, link, near, `${net6}::2`],
        [space, 'customer', far, `${net6}::1`],
      ] as const) {
        ip('-n', at, 'address', 'add', `${address}/30`, 'dev', port);
        ip('-n', at, 'address', 'add', `${address6}/64`, 'dev', port, 'nodad');
        ip('-n', at, 'link', 'set', port, 'up');
      }
      ip('-n', space, 'link', 'set', 'lo', 'up');
      for (const [address, address6] of Object.values(hosts)) {
        ip('-n', space, 'address', 'add', `${address}/32`, 'dev', 'lo');
        ip('-n', space, 'address', 'add', `${address6}/128`, 'dev', 'lo', 'nodad');
      }
      ip('-n', space, 'route', 'add', `${insideAddress}/32`, 'via', near);
      ip('-n', space, 'route', 'add', `${insideAddress6}/128`, 'via', `${net6}::2`);
    }
    const [north] = providers;
    ip('-n', router, 'route', 'add', 'default', 'via', north.far);
    ip('-n', router, 'route', 'add', 'default', 'via', `${north.net6}::1`);
  }

  /** What `headgate router-config --kind linux` prints, run as it says. */
  configure(): void {
    const script = renderLinuxPolicy({
      router: routerId('br1'),
      asn: asn(64512),
      unit: { address: '10.77.0.9', asn: asn(64512) },
      networks: [],
      floor: { ipv4: 24, ipv6: 48 },
      links: providers.map(({ link, vlan, far, net6 }, i) => ({
        number: i + 1,
        name: link,
        asn: asn(65001 + i),
        neighbors: [far, `${net6}::1`],
        mark: { vlan },
      })),
      maxPrefixes: 10,
      maxDetours: 10,
      addPath: true,
    });
    this.#border.run('outside', 'env', 'INSIDE=o0', `OBJECT=${object}`, 'sh', '-c', script);
  }

  /** One TCP session of so many megabytes, from our host unless `-R` turns it; bytes that arrived. */
  async transfer(host: string, megabytes: number, options: readonly string[]): Promise<number> {
    const command = ['netns', 'exec', this.#space('south'), 'iperf3', '-s', '-1', '-D'];
    ip(...command);
    const space = this.#space('south');
    await until(
      'iperf3 listens',
      () => execFileSync('ip', ['netns', 'exec', space, 'ss', '-Hltn'], { encoding: 'utf8' }),
      (text) => text.includes(':5201'),
    );
    const size = ['-n', `${megabytes}M`, ...options];
    const text = await this.#border.runAside('inside', 'iperf3', '-J', '-c', host, ...size);
    const { end, error } = JSON.parse(text);
    if (error) throw new Error(error);
    return end.sum_received.bytes;
  }

  /** Echo requests that each provider has received. */
  echoes(family: 4 | 6): Record<Provider, number> {
    const file = family === 4 ? 'snmp' : 'snmp6';
    const name = family === 4 ? 'Icmp InEchos' : 'Icmp6InEchos';
    return this.#each((link) => counter(this.#read(this.#space(link), file), name));
  }

  /** TCP segments that each provider has received. */
  segments(): Record<Provider, number> {
    return this.#each((link) => counter(this.#read(this.#space(link), 'snmp'), 'Tcp InSegs'));
  }

  /** TCP segments with a wrong checksum, at our host and the providers. */
  badChecksums(): number {
    const spaces = [
      this.#border.namespace('inside'),
      ...providers.map(({ link }) => this.#space(link)),
    ];
    return spaces.reduce(
      (sum, space) => sum + counter(this.#read(space, 'snmp'), 'Tcp InCsumErrors'),
      0,
    );
  }

  close(): void {
    for (const { link } of providers) {
      try {
        ip('netns', 'del', this.#space(link));
      } catch {
        // Not there: the usual case.
      }
    }
  }

  #each(read: (link: Provider) => number): Record<Provider, number> {
    return { north: read('north'), south: read('south') };
  }

  #read(space: string, file: string): string {
    const command = ['netns', 'exec', space, 'cat', `/proc/net/${file}`];
    return execFileSync('ip', command, { encoding: 'utf8' });
  }

  #space(link: string): string {
    return `${this.#border.namespace('outside')}-${link}`;
  }
}

/** A number of /proc/net/snmp (`Tcp InSegs`) or snmp6 (`Icmp6InEchos`). */
function counter(text: string, name: string): number {
  const [table = '', column] = name.split(' ');
  const rows = text.split('\n').map((line) => line.split(/\s+/));
  if (column === undefined) return Number(rows.find(([key]) => key === table)?.[1]);
  const [names, values] = rows.filter(([key]) => key === `${table}:`);
  return Number(values?.[names?.indexOf(column) ?? -1]);
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
