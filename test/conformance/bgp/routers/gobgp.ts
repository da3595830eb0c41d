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

export const gobgp: RouterKind = {
  name: 'GoBGP',
  programs: ['/usr/bin/gobgpd', '/usr/bin/gobgp'],
  can: {
    ...canAll,
    // A soft reset inbound reads its own copy again and asks nobody.
    refresh: false,
  },
  start,
};

async function start(options: RouterCase): Promise<RunningRouter> {
  const daemon = new Daemon('gobgp', (folder) => [
    'gobgpd',
    '-f',
    `${folder}/gobgpd.toml`,
    '--api-hosts',
    '127.0.0.1:50051',
    '--pprof-disable',
  ]);
  daemon.write('gobgpd.toml', configuration(options));
  const ask = (...words: string[]) => run(inside(border.routerSpace, ['gobgp', ...words]));
  const unit = border.unit[options.transport];
  const launch = async () => {
    // The client reaches the daemon over the namespace's own loopback.
    daemon.start();
    await eventually(`gobgpd answers: ${daemon.output}`, async () =>
      (await ask('global')).includes(String(options.asn)),
    );
    for (const { prefix, nextHop } of options.originates) {
      const family = prefix.includes(':') ? 'ipv6' : 'ipv4';
      await ask('global', 'rib', '-a', family, 'add', prefix, 'nexthop', nextHop);
    }
  };
  return running(daemon, launch, {
    routes: async () => {
      const tables = await Promise.all(
        ['ipv4', 'ipv6'].map(async (family) =>
          parseTable(await ask('global', 'rib', '-a', family, '-j')),
        ),
      );
      const own = new Set(options.originates.map(({ prefix }) => prefix));
      return tables.flat().filter(({ prefix }) => !own.has(prefix));
    },
    refresh: async () => {
      await ask('neighbor', unit, 'softresetin');
    },
  });
}

function configuration(options: RouterCase): string {
  const { asn, unitAsn, transport } = options;
  const family = (name: string) => `
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${name}-unicast"
    [neighbors.afi-safis.add-paths.config]
      receive = true
      send-max = 8
    ${options.gracefulRestartS ? '[neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true' : ''}`;
  return `[global.config]
  as = ${asn}
  router-id = "10.99.0.1"
  local-address-list = ["${border.router[transport]}"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${border.unit[transport]}"
    peer-as = ${unitAsn}
    ${options.md5 ? `auth-password = "${options.md5}"` : ''}
  [neighbors.timers.config]
    hold-time = ${options.holdTimeS ?? 90}
    keepalive-interval = ${Math.max(1, Math.floor((options.holdTimeS ?? 90) / 3))}
    connect-retry = 5
    idle-hold-time-after-reset = 1
  [neighbors.transport.config]
    local-address = "${border.router[transport]}"
  ${options.gtsm ? '[neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255' : ''}
  ${options.gracefulRestartS ? `[neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = ${options.gracefulRestartS}` : ''}
${family('ipv4')}
${family('ipv6')}
${options.otherAsn === undefined ? '' : other(options.otherAsn)}
`;
}

const other = (otherAsn: number) => `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${border.other.ipv4}"
    peer-as = ${otherAsn}
  [neighbors.timers.config]
    connect-retry = 5
    idle-hold-time-after-reset = 1
  [neighbors.transport.config]
    local-address = "${border.router.ipv4}"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
`;

interface GoPath {
  readonly nlri?: { readonly prefix?: string };
  readonly attrs?: ReadonlyArray<{
    readonly type: number;
    readonly nexthop?: string;
    readonly as_paths?: ReadonlyArray<{ readonly asns?: readonly number[] }>;
    readonly communities?: readonly number[];
    readonly value?: unknown;
  }>;
}

function parseTable(text: string): SeenRoute[] {
  if (!text.trim().startsWith('{') && !text.trim().startsWith('[')) return [];
  // The cast: the form that gobgp 3.10 prints, as far as it is read here.
  const table = JSON.parse(text) as Readonly<Record<string, readonly GoPath[]>>;
  return Object.entries(table).flatMap(([prefix, paths]) =>
    paths.map(({ attrs = [] }) => {
      const of = (type: number) => attrs.find((attribute) => attribute.type === type);
      const large = (of(32)?.value ?? []) as ReadonlyArray<Readonly<Record<string, number>>>;
      return {
        prefix,
        nextHop: of(3)?.nexthop ?? of(14)?.nexthop ?? '',
        asPath: (of(2)?.as_paths ?? []).flatMap((segment) => segment.asns ?? []),
        communities: (of(8)?.communities ?? []).map((value) => `${value >>> 16}:${value & 0xffff}`),
        largeCommunities: large.map((c) => `${c.ASN}:${c.LocalData1}:${c.LocalData2}`).sort(),
      };
    }),
  );
}
