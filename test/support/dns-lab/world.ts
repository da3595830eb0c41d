/**
 *            10.77.0.0/24 site0 ─┐                 ┌─ north ─┐  203.0.113.0/24
 *            10.77.1.0/24 site1 ─┤                 │         │
 *            10.77.2.0/24 site2 ─┼─ net ─(delay)───┤         ├─ border (service) ── unit (name server)
 *            10.77.3.0/24 site3 ─┘                 └─ south ─┘  198.51.100.0/24
 *
 * Each provider forwards from the border only what has a source of its own space, so the border routes by source. The
 * unit has an address for probes (.1) and one that it serves names at (.53) in each space.
 * Every site has an unbound and users. `net` delays what goes to the providers by (site, provider).
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  inside,
  ipBatch,
  removeNamespaces,
  run,
  spawnInside,
} from '../../../src/lab/namespaces.ts';

export const providers = {
  north: { space: '203.0.113', uplink: '10.78.1' },
  south: { space: '198.51.100', uplink: '10.78.2' },
} as const;
export type Provider = keyof typeof providers;
export const providerNames = ['north', 'south'] as const;
export const sites = [0, 1, 2, 3] as const;
export const siteNetwork = (site: number) => `10.77.${site}`;

const prefix = 'hgdl';
const border = `${prefix}-border`;
export const unit = `${prefix}-unit`;
const net = `${prefix}-net`;
const unitHosts = [1, 53] as const;
const siteName = (site: number) => `${prefix}-site${site}`;
const providerName = (provider: Provider) => `${prefix}-${provider}`;
const all = [border, unit, net, ...sites.map(siteName), ...providerNames.map(providerName)];

export interface Visit {
  readonly at: number;
  readonly provider: Provider | undefined;
  readonly site: number;
}

export interface World {
  readonly visits: readonly Visit[];
  /** One way, from the site to us by this provider. */
  readonly delay: (site: number, provider: Provider, milliseconds: number) => Promise<void>;
  /** What the site's resolver answers for the name. */
  readonly lookUp: (site: number, name: string) => Promise<string>;
  /** The provider's circuit to us is cut. */
  readonly cut: (provider: Provider) => Promise<void>;
  readonly startUsers: (name: string) => void;
  readonly close: () => Promise<void>;
}

export async function openWorld(folder: string): Promise<World> {
  await removeNamespaces(all);
  for (const name of all) {
    await run(['ip', 'netns', 'add', name]);
    await run(
      inside(name, [
        'sysctl',
        '-qw',
        'net.ipv4.ip_forward=1',
        'net.ipv4.conf.all.rp_filter=0',
        'net.ipv4.conf.default.rp_filter=0',
      ]),
    );
    await ipBatch(name, ['link set lo up']);
  }
  for (const site of sites) {
    const name = siteName(site);
    await join(
      net,
      `s${site}`,
      `${siteNetwork(site)}.1/24`,
      name,
      'up0',
      `${siteNetwork(site)}.2/24`,
    );
    await ipBatch(name, [`route add default via ${siteNetwork(site)}.1`]);
  }
  await join(border, 'unit', '10.80.0.1/24', unit, 'up0', '10.80.0.2/24');
  await ipBatch(unit, ['route add default via 10.80.0.1']);
  for (const [index, provider] of providerNames.entries()) {
    const { space, uplink } = providers[provider];
    const name = providerName(provider);
    const circuit = `10.79.${index + 1}`;
    await join(net, provider, `${uplink}.1/24`, name, 'up0', `${uplink}.2/24`);
    await join(name, 'down0', `${circuit}.1/24`, border, provider, `${circuit}.2/24`);
    const strict = [
      `rule add iif down0 from ${space}.0/24 lookup main pref 10`,
      'rule add iif down0 prohibit pref 11',
    ];
    await ipBatch(name, [
      `route add default via ${uplink}.1`,
      `route add ${space}.0/24 via ${circuit}.2`,
      ...strict,
    ]);
    await ipBatch(border, [
      `addr add ${space}.10/32 dev lo`,
      ...unitHosts.map((host) => `route add ${space}.${host} via 10.80.0.2`),
      `rule add from ${space}.0/24 lookup ${100 + index}`,
      `route add default via ${circuit}.1 table ${100 + index}`,
    ]);
    await ipBatch(
      unit,
      unitHosts.map((host) => `addr add ${space}.${host}/32 dev lo`),
    );
    // What comes back from the relay goes on to its provider.
    await ipBatch(net, [`route add ${space}.0/24 via ${uplink}.2 table 200`]);
  }

  const children: ChildProcess[] = [];
  const relayFile = fileURLToPath(
    new URL('../../../../test/support/delay-relay.py', import.meta.url),
  );
  const relay = start(net, ['python3', relayFile, 'hgdelay']);
  children.push(relay.child);
  await relay.line();
  await ipBatch(net, [
    'link set hgdelay up',
    'rule add iif hgdelay lookup 200 pref 10',
    ...providerNames.map((provider) => `route add ${providers[provider].space}.0/24 dev hgdelay`),
  ]);

  const receiver = start(border, [process.execPath, programOf('receiver'), '80']);
  children.push(receiver.child);
  await receiver.line();
  const visits: Visit[] = [];
  receiver.onLine((line) => {
    const [at = '', local = '', remote = ''] = line.split(' ');
    const provider = providerNames.find((name) => local.includes(`${providers[name].space}.`));
    visits.push({ at: Number(at), provider, site: Number(/10\.77\.(\d)\./.exec(remote)?.[1]) });
  });
  for (const site of sites) {
    const file = `${folder}/unbound-${site}.conf`;
    writeFileSync(file, unboundSettings(folder, `${siteNetwork(site)}.2`));
    children.push(spawnInside(siteName(site), ['unbound', '-d', '-c', file], { stdio: 'ignore' }));
  }

  return {
    visits,
    delay: async (site, provider, milliseconds) => {
      relay.child.stdin?.write(
        `${siteNetwork(site)} ${providers[provider].space} ${milliseconds}\n`,
      );
      await relay.line();
    },
    lookUp: (site, name) =>
      run(
        inside(
          siteName(site),
          `dig @${siteNetwork(site)}.2 ${name} A +short +tries=2 +time=3`.split(' '),
        ),
      ).catch(() => ''),
    cut: (provider) => ipBatch(providerName(provider), ['link set down0 down']),
    startUsers: (name) => {
      for (const site of sites) {
        const argv = [process.execPath, programOf('client'), `${siteNetwork(site)}.2`, name, '80'];
        children.push(start(siteName(site), argv).child);
      }
    },
    close: async () => {
      for (const child of children) child.kill('SIGKILL');
      await removeNamespaces(all);
    },
  };
}

const programOf = (name: string) => fileURLToPath(new URL(`./${name}.js`, import.meta.url));

async function join(
  left: string,
  leftDevice: string,
  leftAddress: string,
  right: string,
  rightDevice: string,
  rightAddress: string,
): Promise<void> {
  const link = `link add ${leftDevice} type veth peer name ${rightDevice} netns ${right}`;
  await run(['ip', '-n', left, ...link.split(' ')]);
  for (const [name, device, address] of [
    [left, leftDevice, leftAddress],
    [right, rightDevice, rightAddress],
  ] as const)
    await ipBatch(name, [`addr add ${address} dev ${device}`, `link set ${device} up`]);
}

function start(namespace: string, argv: readonly string[]) {
  const child = spawnInside(namespace, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  if (!child.stdout) throw new Error('its stdout is a pipe');
  const lines = createInterface({ input: child.stdout });
  const ended = new AbortController();
  lines.once('close', () => ended.abort(new Error(`${argv.join(' ')} ended`)));
  return {
    child,
    line: () => once(lines, 'line', { signal: ended.signal }),
    onLine: (listener: (line: string) => void) => lines.on('line', listener),
  };
}

function unboundSettings(folder: string, address: string): string {
  const server = [
    ...['do-daemonize: no', 'use-syslog: no', 'username: ""', 'chroot: ""', 'pidfile: ""'],
    ...[`directory: "${folder}"`, `interface: ${address}`, `outgoing-interface: ${address}`],
    ...['access-control: 10.0.0.0/8 allow', 'module-config: "iterator"', 'num-threads: 1'],
    ...['target-fetch-policy: "0 0 0 0 0"', 'do-ip6: no', 'verbosity: 0'],
  ];
  const stub = providerNames.map((provider) => `  stub-addr: ${providers[provider].space}.53`);
  return [
    ...['server:', ...server.map((line) => `  ${line}`), 'stub-zone:'],
    ...['  name: "svc.example.net"', ...stub, 'remote-control:', '  control-enable: no', ''],
  ].join('\n');
}
