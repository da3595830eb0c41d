import { inside, run } from '../../../../src/lab/namespaces.ts';
import { border, eventually } from '../border.ts';
import {
  canAll,
  Daemon,
  type RouterCase,
  type RouterKind,
  type RunningRouter,
  running,
  type SeenRoute,
} from './router.ts';

/** bgpd alone, without zebra: it needs no kernel routes to hold sessions. */
export const frr: RouterKind = {
  name: 'FRR',
  programs: ['/usr/lib/frr/bgpd', '/usr/bin/vtysh'],
  can: {
    ...canAll,
    nextHopKept: false,
  },
  start,
};

async function start(options: RouterCase): Promise<RunningRouter> {
  const daemon = new Daemon('frr', (folder) => [
    '/usr/lib/frr/bgpd',
    '-Z',
    '-S',
    '-f',
    `${folder}/bgpd.conf`,
    '-i',
    `${folder}/bgpd.pid`,
    '--vty_socket',
    folder,
    '-P',
    '0',
    '-l',
    border.router[options.transport],
    '--log',
    'stdout',
  ]);
  daemon.write('bgpd.conf', configuration(options));
  const ask = (command: string) =>
    run(
      inside(border.routerSpace, [
        'vtysh',
        '--vty_socket',
        daemon.folder,
        '-d',
        'bgpd',
        '-c',
        command,
      ]),
    );
  const launch = async () => {
    daemon.start();
    await eventually(`bgpd answers: ${daemon.output}`, async () =>
      (await ask('show version')).includes('FRR'),
    );
  };
  return running(daemon, launch, {
    routes: async () => {
      const tables = await Promise.all(
        ['ipv4', 'ipv6'].map(async (family) =>
          parseTable(
            await ask(`show bgp ${family} unicast json detail`),
            border.unit[options.transport],
          ),
        ),
      );
      return tables.flat();
    },
    refresh: async () => {
      await ask(`clear bgp ${border.unit[options.transport]} soft in`);
    },
  });
}

function configuration(options: RouterCase): string {
  const { asn, unitAsn, transport } = options;
  const unit = border.unit[transport];
  const neighbor = ` neighbor ${unit}`;
  const family = (name: 'ipv4' | 'ipv6') => [
    ` address-family ${name} unicast`,
    ...options.originates
      .filter(({ prefix }) => prefix.includes(':') === (name === 'ipv6'))
      .map(({ prefix }) => `  network ${prefix}`),
    ` ${neighbor} activate`,
    ` ${neighbor} addpath-tx-all-paths`,
    ...(name === 'ipv4' && options.otherAsn !== undefined
      ? [`  neighbor ${border.other.ipv4} activate`]
      : []),
    ' exit-address-family',
  ];
  return [
    'log stdout',
    `router bgp ${asn}`,
    ' bgp router-id 10.99.0.1',
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ' no bgp default ipv4-unicast',
    ' bgp log-neighbor-changes',
    ...(options.gracefulRestartS
      ? [' bgp graceful-restart', ` bgp graceful-restart restart-time ${options.gracefulRestartS}`]
      : []),
    `${neighbor} remote-as ${unitAsn}`,
    `${neighbor} timers connect 2`,
    `${neighbor} timers ${Math.max(1, Math.floor((options.holdTimeS ?? 90) / 3))} ${options.holdTimeS ?? 90}`,
    ...(options.md5 ? [`${neighbor} password ${options.md5}`] : []),
    ...(options.gtsm ? [`${neighbor} ttl-security hops 1`] : []),
    ...(options.otherAsn === undefined
      ? []
      : [
          ` neighbor ${border.other.ipv4} remote-as ${options.otherAsn}`,
          ` neighbor ${border.other.ipv4} timers connect 2`,
        ]),
    ...family('ipv4'),
    ...family('ipv6'),
    'exit',
    '',
  ].join('\n');
}

interface FrrTable {
  readonly routes?: Readonly<Record<string, FrrEntry | readonly FrrPath[]>>;
}
interface FrrEntry {
  readonly paths?: readonly FrrPath[];
}
interface FrrPath {
  readonly peer?: { readonly peerId?: string };
  readonly nexthops?: ReadonlyArray<{ readonly ip?: string; readonly scope?: string }>;
  readonly aspath?: { readonly string?: string };
  readonly community?: { readonly list?: readonly string[] };
  readonly largeCommunity?: { readonly list?: readonly string[] };
}

function parseTable(text: string, unit: string): SeenRoute[] {
  // The cast: the form that bgpd 8.4 prints, as far as it is read here.
  const table = JSON.parse(text) as FrrTable;
  return Object.entries(table.routes ?? {}).flatMap(([prefix, entry]) => {
    const paths = Array.isArray(entry)
      ? (entry as readonly FrrPath[])
      : ((entry as FrrEntry).paths ?? []);
    return paths
      .filter(({ peer }) => peer?.peerId === unit)
      .map((path) => ({
        prefix,
        nextHop: path.nexthops?.find(({ scope }) => scope !== 'link-local')?.ip ?? '',
        asPath: (path.aspath?.string ?? '')
          .split(' ')
          .filter((word) => /^\d+$/.test(word))
          .map(Number),
        communities: path.community?.list ?? [],
        largeCommunities: [...(path.largeCommunity?.list ?? [])].sort(),
      }));
  });
}
