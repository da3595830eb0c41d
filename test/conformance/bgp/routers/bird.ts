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

export const bird: RouterKind = {
  name: 'BIRD 2',
  programs: ['/usr/sbin/bird', '/usr/sbin/birdc'],
  can: canAll,
  start,
};

async function start(options: RouterCase): Promise<RunningRouter> {
  const daemon = new Daemon('bird', (folder) => [
    'bird',
    '-f',
    '-c',
    `${folder}/bird.conf`,
    '-s',
    `${folder}/bird.ctl`,
    '-P',
    `${folder}/bird.pid`,
  ]);
  daemon.write('bird.conf', configuration(options));
  const ask = (...words: string[]) =>
    run(inside(border.routerSpace, ['birdc', '-s', `${daemon.folder}/bird.ctl`, ...words]));
  const launch = async () => {
    daemon.start();
    await eventually(`BIRD answers: ${daemon.output}`, async () =>
      (await ask('show', 'status')).includes('up and running'),
    );
  };
  return running(daemon, launch, {
    routes: async () => parseRoutes(await ask('show', 'route', 'protocol', 'unit', 'all')),
    refresh: async () => {
      await ask('reload', 'in', 'unit');
    },
  });
}

function configuration(options: RouterCase): string {
  const { transport, asn, unitAsn } = options;
  const statics = (family: 'ipv4' | 'ipv6') =>
    options.originates
      .filter(({ prefix }) => prefix.includes(':') === (family === 'ipv6'))
      .map(({ prefix, nextHop }) => `  route ${prefix} via ${nextHop};`)
      .join('\n');
  const channel = (family: string) => `  ${family} {
    import all; export where source = RTS_STATIC || proto = "beside"; add paths on; ${asn === unitAsn ? '' : 'next hop keep;'}
  };`;
  return `log stderr all;
router id 10.99.0.1;
protocol device { }
protocol direct { ipv4; ipv6; }
protocol static own4 { ipv4;
${statics('ipv4')}
}
protocol static own6 { ipv6;
${statics('ipv6')}
}
protocol bgp unit {
  local ${border.router[transport]} as ${asn};
  neighbor ${border.unit[transport]} as ${unitAsn};
  connect retry time 2; connect delay time 1; error wait time 1, 5;
  hold time ${options.holdTimeS ?? 90};
  ${options.md5 ? `password "${options.md5}";` : ''}
  ${options.gtsm ? 'ttl security on; multihop 1;' : ''}
  graceful restart ${options.gracefulRestartS ? 'on' : 'aware'};
  ${options.gracefulRestartS ? `graceful restart time ${options.gracefulRestartS};` : ''}
${channel('ipv4')}
${channel('ipv6')}
}
${options.otherAsn === undefined ? '' : other(options.asn, options.otherAsn)}
`;
}

const other = (asn: number, otherAsn: number) => `protocol bgp beside {
  local ${border.router.ipv4} as ${asn};
  neighbor ${border.other.ipv4} as ${otherAsn};
  connect retry time 2; connect delay time 1; error wait time 1, 5;
  ipv4 { import all; export none; };
}`;

/** `show route all` tells each route on a line of its own and its attributes, indented, below. */
function parseRoutes(text: string): SeenRoute[] {
  const routes: SeenRoute[] = [];
  let prefix = '';
  let attributes = new Map<string, string>();
  const finish = () => {
    if (attributes.size === 0) return;
    const list = (name: string) => attributes.get(name) ?? '';
    routes.push({
      prefix,
      nextHop: list('BGP.next_hop').split(' ')[0] ?? '',
      asPath: list('BGP.as_path').split(' ').filter(Boolean).map(Number),
      communities: tuples(list('BGP.community')),
      largeCommunities: tuples(list('BGP.large_community')),
    });
    attributes = new Map();
  };
  for (const line of text.split('\n')) {
    const head = /^(\S+\/\d+)?\s+(?:unicast|unreachable) \[unit/.exec(line);
    if (head) {
      finish();
      prefix = head[1] ?? prefix;
    }
    const attribute = /^\s+(BGP\.\w+): ?(.*)$/.exec(line);
    if (attribute) attributes.set(attribute[1] ?? '', attribute[2] ?? '');
  }
  finish();
  return routes;
}

const tuples = (text: string): string[] =>
  [...text.matchAll(/\(([^)]*)\)/g)]
    .map((match) => (match[1] ?? '').replaceAll(/,\s*/g, ':'))
    .sort();
