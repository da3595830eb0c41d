import { chmodSync, mkdirSync } from 'node:fs';
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

export const openbgpd: RouterKind = {
  name: 'OpenBGPD',
  programs: ['/usr/sbin/bgpd', '/usr/sbin/bgpctl'],
  // The portable version has neither TCP MD5 nor TTL security on Linux.
  can: {
    ...canAll,
    md5: false,
    gtsm: false,
    // 7.7 says "AID not negotiated" to every request for families that it negotiated, to BIRD's as well.
    answersRefresh: false,
  },
  start,
};

async function start(options: RouterCase): Promise<RunningRouter> {
  const daemon = new Daemon('openbgpd', (folder) => [
    '/usr/sbin/bgpd',
    '-d',
    '-f',
    `${folder}/bgpd.conf`,
  ]);
  // Its processes lock themselves in here; the service's own start would make it.
  mkdirSync('/run/openbgpd', { recursive: true });
  const socket = `${daemon.folder}/control`;
  // bgpd refuses a configuration that others may read when it holds keys; the folder is its own.
  chmodSync(daemon.write('bgpd.conf', configuration(options, socket)), 0o600);
  chmodSync(daemon.folder, 0o755);
  const ask = (...words: string[]) =>
    run(inside(border.routerSpace, ['bgpctl', '-s', socket, ...words]));
  const unit = border.unit[options.transport];
  const launch = async () => {
    daemon.start();
    await eventually(`bgpd answers: ${daemon.output}`, async () =>
      (await ask('show')).includes('Neighbor'),
    );
  };
  return running(daemon, launch, {
    routes: async () =>
      parseTable(await ask('-j', 'show', 'rib', 'in', 'neighbor', unit, 'detail')),
    refresh: async () => {
      await ask('neighbor', unit, 'refresh');
    },
  });
}

function configuration(options: RouterCase, socket: string): string {
  const { asn, unitAsn, transport } = options;
  const networks = options.originates.map(
    ({ prefix, nextHop }) => `network ${prefix} set nexthop ${nextHop}`,
  );
  return `AS ${asn}
router-id 10.99.0.1
listen on ${border.router[transport]}
socket "${socket}"
fib-update no
holdtime ${options.holdTimeS ?? 90}
${networks.join('\n')}
neighbor ${border.unit[transport]} {
  remote-as ${unitAsn}
  local-address ${border.router[transport]}
  announce IPv4 unicast
  announce IPv6 unicast
  announce add-path recv yes
  announce add-path send all
  announce restart ${options.gracefulRestartS ? 'yes' : 'no'}
}
${options.otherAsn === undefined ? '' : `neighbor ${border.other.ipv4} {\n  remote-as ${options.otherAsn}\n  local-address ${border.router.ipv4}\n}`}
allow from any
allow to any
`;
}

interface OpenRoute {
  readonly prefix: string;
  readonly aspath?: string;
  readonly exit_nexthop?: string;
  readonly true_nexthop?: string;
  readonly communities?: readonly string[];
  readonly large_communities?: readonly string[];
}

function parseTable(text: string): SeenRoute[] {
  if (text.trim() === '') return [];
  // The cast: the form that bgpctl 7.7 prints, as far as it is read here.
  const { rib = [] } = JSON.parse(text) as { readonly rib?: readonly OpenRoute[] };
  return rib.map((route) => ({
    prefix: route.prefix,
    nextHop: route.exit_nexthop ?? route.true_nexthop ?? '',
    asPath: (route.aspath ?? '').split(' ').filter(Boolean).map(Number),
    communities: route.communities ?? [],
    largeCommunities: [...(route.large_communities ?? [])].sort(),
  }));
}
