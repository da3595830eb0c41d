/**
 * A unit whose probes leave by two links, on whose returning paths a test imposes delay and loss:
 *
 *   unit ── border ══ north (DSCP 10, source .1) ══ world: 192.0.2.1, 2001:db8:f::1
 *                  ══ south (DSCP 20, source .2) ══
 */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import {
  inside,
  ipBatch,
  readCounters,
  removeNamespaces,
  run,
  spawnInside,
} from '../../src/lab/namespaces.ts';
import { listening, until } from './collected-router.ts';

/** Further hosts of the world, all alike. */
export const hosts: readonly string[] = Array.from({ length: 20 }, (_, i) => `192.0.2.${i + 1}`);

export const target = { 4: '192.0.2.1', 6: '2001:db8:f::1' } as const;

/** What the way back from the world does; loss 0 to 1 as nftables draws it, delay in microseconds. */
export interface PathFault {
  readonly delayUs: number;
  readonly loss: number;
}

export interface ProbedPaths {
  readonly unit: string;
  /** A settings file that names both links. */
  readonly settings: string;
  impose(link: 'north' | 'south', fault: PathFault): Promise<void>;
  /** Limits what north brings in from the world, as a provider's port does: a queue of 50 ms before it. */
  shape(rate: string): Promise<void>;
  /** Bytes that came in by a link so far, as its interface at the border counts them. */
  inboundBytes(link: 'north' | 'south'): Promise<number>;
  /** Sends UDP from the world to the unit by north until the child is ended. */
  load(rate: string): Promise<ChildProcess>;
  /** Runs a program in the unit's namespace and gives its stdout. */
  inUnit(argv: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

const links = {
  north: { index: 1, dscp: 10 },
  south: { index: 2, dscp: 20 },
} as const;
type LinkName = keyof typeof links;

export async function makeProbedPaths(name: string): Promise<ProbedPaths> {
  const [unit, border, world] = [`${name}-un`, `${name}-br`, `${name}-wo`];
  const all = [unit, border, world];
  const folder = mkdtempSync(`${tmpdir()}/${name}-`);
  await removeNamespaces(all);
  await ipBatch(
    undefined,
    all.map((namespace) => `netns add ${namespace}`),
  );
  await ipBatch(undefined, [
    `link add eth0 netns ${unit} type veth peer name unit netns ${border}`,
    ...Object.keys(links).map(
      (link) => `link add ${link} netns ${border} type veth peer name ${link} netns ${world}`,
    ),
  ]);
  const up = (device: string, ...own: readonly string[]) => [
    ...own.map(
      (address) => `addr add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`,
    ),
    `link set ${device} up`,
  ];
  const linkNet = (link: LinkName, host: number) => [
    `10.9.${links[link].index}.${host}/24`,
    `2001:db8:9:${links[link].index}::${host}/64`,
  ];
  await ipBatch(unit, [
    'link set lo up',
    // The sources of both links, each of its provider's space.
    ...up(
      'eth0',
      '10.9.0.2/24',
      '2001:db8:9::2/64',
      '203.0.113.1/32',
      '203.0.113.2/32',
      '2001:db8:a::1/128',
      '2001:db8:a::2/128',
    ),
    'route add default via 10.9.0.1',
    'route add default via 2001:db8:9::1',
  ]);
  await ipBatch(border, [
    ...up('unit', '10.9.0.1/24', '2001:db8:9::1/64'),
    ...up('north', ...linkNet('north', 1)),
    ...up('south', ...linkNet('south', 1)),
    // The last is for what bears no mark: the answers to the load.
    ...[
      '203.0.113.0/24 via 10.9.0.2',
      '192.0.2.0/24 via 10.9.1.2',
      '2001:db8:a::/64 via 2001:db8:9::2',
    ].map((route) => `route add ${route}`),
  ]);
  await ipBatch(world, [
    ...up('lo', ...hosts.map((host) => `${host}/32`), `${target[6]}/128`),
    ...up('north', ...linkNet('north', 2)),
    ...up('south', ...linkNet('south', 2)),
    // What makes the way back: each source by its own link.
    'route add 203.0.113.1 via 10.9.1.1',
    'route add 203.0.113.2 via 10.9.2.1',
    'route add 2001:db8:a::1 via 2001:db8:9:1::1',
    'route add 2001:db8:a::2 via 2001:db8:9:2::1',
  ]);
  for (const namespace of [border, world]) {
    const keys = [
      'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1',
      'net.ipv4.conf.all.rp_filter=0',
      'net.ipv4.conf.default.rp_filter=0',
    ];
    await run(inside(namespace, ['sysctl', '-qw', ...keys]));
  }
  await routeByMark(border);
  const relay = `${folder}/delay-relay`;
  execFileSync('cc', ['-O2', '-o', relay, 'test/support/delay-relay.c']);
  const children: ChildProcess[] = [];
  const delays = new Map<LinkName, number>();
  const relays = new Map<LinkName, ChildProcess>();
  const settings = `${folder}/headgate.yaml`;
  writeFileSync(settings, settingsText());
  return {
    unit,
    settings,
    async impose(link, { delayUs, loss }) {
      // A relay that goes on leaves no moment without delay.
      if (delays.get(link) !== delayUs) {
        relays.get(link)?.kill('SIGKILL');
        relays.set(link, await startRelay(border, link, relay, delayUs));
        delays.set(link, delayUs);
      }
      await imposeLoss(border, link, loss);
    },
    async shape(rate) {
      const qdisc = ['tbf', 'rate', rate, 'burst', '4kb', 'latency', '50ms'];
      await run(inside(world, ['tc', 'qdisc', 'replace', 'dev', 'north', 'root', ...qdisc]));
    },
    async inboundBytes(link) {
      return (await readCounters(border)).get(link)?.rxBytes ?? 0;
    },
    async load(rate) {
      const server = spawnInside(unit, ['iperf3', '-s', '-1', '-B', '203.0.113.1'], {
        stdio: 'ignore',
      });
      children.push(server);
      await listening(unit, 5201);
      const where = ['-c', '203.0.113.1', '-B', target[4]];
      const client = spawnInside(
        world,
        ['iperf3', '-u', '-b', rate, '-l', '1000', '-t', '600', ...where],
        { stdio: 'ignore' },
      );
      children.push(client);
      return client;
    },
    inUnit: (argv) => run(inside(unit, argv)),
    async remove() {
      for (const child of [...relays.values(), ...children]) child.kill('SIGKILL');
      await removeNamespaces(all);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** As a border router does: the DSCP that the unit wrote chooses the link out. */
async function routeByMark(border: string): Promise<void> {
  const marks = Object.values(links).flatMap(({ index, dscp }) => [
    `iifname "unit" ip dscp ${dscp} meta mark set ${index}`,
    `iifname "unit" ip6 dscp ${dscp} meta mark set ${index}`,
  ]);
  const rules = `table inet probed {
    chain choosing { type filter hook prerouting priority -150; ${marks.join('; ')}; }
    chain loss { type filter hook forward priority 0; }
  }`;
  await run(inside(border, ['nft', '-f', '-']), rules);
  for (const [link, { index }] of Object.entries(links)) {
    await ipBatch(border, [
      `rule add fwmark ${index} table ${index}`,
      `route add default via 10.9.${index}.2 dev ${link} table ${index}`,
    ]);
    await ipBatch(
      border,
      [
        `rule add fwmark ${index} table ${index}`,
        `route add default via 2001:db8:9:${index}::2 dev ${link} table ${index}`,
      ],
      6,
    );
  }
}

/** Answers that come in by the link pass a TUN device, where the relay holds them. */
async function startRelay(
  border: string,
  link: LinkName,
  relay: string,
  delayUs: number,
): Promise<ChildProcess> {
  const device = `${link}-tun`;
  const table = links[link].index + 100;
  const child = spawnInside(border, [relay, device, String(delayUs)], { stdio: 'ignore' });
  await until(`the device ${device}`, () =>
    run(['ip', '-n', border, 'link', 'set', device, 'up']).then(
      () => true,
      () => false,
    ),
  );
  for (const family of [4, 6] as const) {
    await ipBatch(border, [`rule del iif ${link}`], family).catch(() => '');
    await ipBatch(
      border,
      [`rule add iif ${link} table ${table}`, `route replace default dev ${device} table ${table}`],
      family,
    );
  }
  return child;
}

/** Drops a share of what has passed the relay, by a random draw for each packet. */
async function imposeLoss(border: string, link: LinkName, loss: number): Promise<void> {
  const chain = `add chain inet probed ${link}; flush chain inet probed ${link}`;
  const draw =
    loss > 0
      ? `; add rule inet probed ${link} ${loss < 1 ? `numgen random mod 100000 < ${Math.round(loss * 100_000)} ` : ''}drop`
      : '';
  const device = `${link}-tun`;
  const jump = `add rule inet probed loss iifname "${device}" jump ${link}`;
  const listing = await run(inside(border, ['nft', 'list', 'chain', 'inet', 'probed', 'loss']));
  const commands = listing.includes(device) ? `${chain}${draw}` : `${chain}${draw}; ${jump}`;
  await run(inside(border, ['nft', commands]));
}

function settingsText(): string {
  const linkLines = Object.entries(links).map(
    ([link, { index, dscp }]) =>
      `  - { name: ${link}, asn: 6500${index}, capacity: 1G, mark: { dscp: ${dscp} }, source: [203.0.113.${index}, "2001:db8:a::${index}"] }`,
  );
  return ['asn: 64512', 'networks: [198.51.100.0/24]', 'links:', ...linkLines, ''].join('\n');
}
