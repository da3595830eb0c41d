import { readFileSync } from 'node:fs';
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

/** Not a router: it tells what it hears as JSON lines, from which its table is kept here. */
export const exabgp: RouterKind = {
  name: 'ExaBGP',
  programs: ['/usr/sbin/exabgp'],
  can: {
    ...canAll,
    gtsm: false,
    addPath: false,
    gracefulRestart: false,
    refresh: false,
    transit: false,
  },
  start,
};

async function start(options: RouterCase): Promise<RunningRouter> {
  const daemon = new Daemon('exabgp', (folder) => [
    'env',
    'exabgp.daemon.user=root',
    'exabgp.log.level=WARNING',
    'exabgp.api.cli=false',
    // Without a port it would only connect.
    `exabgp.tcp.bind=${border.router[options.transport]}`,
    'exabgp.tcp.port=179',
    'exabgp',
    `${folder}/exabgp.conf`,
  ]);
  const file = `${daemon.folder}/heard.jsonl`;
  // Its own stdout stays open: ExaBGP takes the end of that for the end of the program.
  daemon.write('hear.sh', `#!/bin/sh\ncat > ${file}\nexit 0\n`);
  daemon.write('exabgp.conf', configuration(options, `/bin/sh ${daemon.folder}/hear.sh`));
  const launch = async () => {
    // What it heard in an earlier life it has forgotten.
    daemon.write('heard.jsonl', '');
    daemon.start();
    await eventually(
      'exabgp listens',
      async () => (await run(inside(border.routerSpace, ['ss', '-lnt']))).includes(':179'),
      40_000,
    );
  };
  return running(daemon, launch, {
    routes: async () => replay(readFileSync(file, 'utf8')),
    refresh: async () => {},
  });
}

function configuration(options: RouterCase, program: string): string {
  const routes = options.originates
    .map(({ prefix, nextHop }) => `    route ${prefix} next-hop ${nextHop};`)
    .join('\n');
  return `process heard {
  run ${program};
  encoder json;
}
neighbor ${border.unit[options.transport]} {
  router-id 10.99.0.1;
  local-address ${border.router[options.transport]};
  local-as ${options.asn};
  peer-as ${options.unitAsn};
  hold-time ${options.holdTimeS ?? 90};
  ${options.md5 ? `md5-password "${options.md5}";` : ''}
  family { ipv4 unicast; ipv6 unicast; }
  capability { route-refresh; }
  api { processes [ heard ]; neighbor-changes; receive { parsed; update; } }
  static {
${routes}
  }
}
`;
}

interface Heard {
  readonly type?: string;
  readonly neighbor?: {
    readonly state?: string;
    readonly message?: {
      readonly update?: {
        readonly attribute?: Readonly<Record<string, unknown>>;
        readonly announce?: Readonly<
          Record<string, Readonly<Record<string, ReadonlyArray<{ readonly nlri: string }>>>>
        >;
        readonly withdraw?: Readonly<Record<string, ReadonlyArray<{ readonly nlri: string }>>>;
      };
    };
  };
}

function replay(text: string): SeenRoute[] {
  const table = new Map<string, SeenRoute>();
  for (const line of text.split('\n')) {
    if (!line.startsWith('{')) continue;
    // The cast: the form that ExaBGP 4.2 prints, as far as it is read here.
    const heard = JSON.parse(line) as Heard;
    if (heard.neighbor?.state === 'down') table.clear();
    const update = heard.neighbor?.message?.update;
    for (const list of Object.values(update?.withdraw ?? {}))
      for (const { nlri } of list) table.delete(nlri);
    for (const hops of Object.values(update?.announce ?? {})) {
      for (const [nextHop, list] of Object.entries(hops)) {
        for (const { nlri } of list)
          if (nlri) table.set(nlri, routeOf(nlri, nextHop, update?.attribute ?? {}));
      }
    }
  }
  return [...table.values()];
}

function routeOf(
  prefix: string,
  nextHop: string,
  attribute: Readonly<Record<string, unknown>>,
): SeenRoute {
  const lists = (name: string) =>
    ((attribute[name] ?? []) as ReadonlyArray<readonly number[]>)
      .map((item) => item.join(':'))
      .sort();
  const path = attribute['as-path'];
  return {
    prefix,
    nextHop,
    asPath: Array.isArray(path) ? path.map(Number) : [],
    communities: lists('community'),
    largeCommunities: lists('large-community'),
  };
}
