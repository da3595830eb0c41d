/** What `headgate setup` finds by itself: our networks from a router's table, and who is heard on a port. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { HeadgateError } from '../../core/base/error.ts';
import { asn as asAsn, routerId } from '../../core/base/units.ts';
import { systemClock } from '../../daemon/clock.ts';
import { createSpeaker } from '../../speaker/index.ts';

const silent = { debug() {}, info() {}, warn() {} };
const pollMs = 200;
const quietMs = 2000;

export interface RouterQuestion {
  readonly address: string;
  readonly asn: number;
  /** BGP identifier and end of the session: an IPv4 address of ours. */
  readonly own: string;
  /** 179 unless a test says otherwise. */
  readonly port?: number;
  readonly deadlineMs: number;
}

/**
 * The prefixes that a router of ours tells by iBGP without any AS in the path: those of our own AS. Announces nothing.
 * Throws HeadgateError `router_silent` when no session comes up, with what to do.
 */
export async function networksFromRouter(question: RouterQuestion): Promise<readonly string[]> {
  const { address, asn, own, port, deadlineMs } = question;
  const name = routerId('router');
  const speaker = createSpeaker({
    routers: [
      {
        name,
        address,
        asn: asAsn(asn),
        localAddress: own,
        ...(port === undefined ? {} : { port }),
      },
    ],
    localAsn: asAsn(asn),
    routerId: own,
    networks: [],
    clock: systemClock,
    log: silent,
  });
  await speaker.start();
  try {
    const deadline = Date.now() + deadlineMs;
    // A router has told all when nothing more comes: not every one says so (RFC 4724's end of RIB).
    for (let seen = { paths: 0, at: Date.now() }; ; ) {
      const [session] = speaker.sessions();
      const paths = session?.pathsReceived ?? 0;
      if (paths !== seen.paths) seen = { paths, at: Date.now() };
      if (paths > 0 && Date.now() - seen.at > quietMs) break;
      if (Date.now() > deadline) {
        const why = session?.lastError?.text ?? session?.phase ?? 'idle';
        const what = why === 'established' ? 'tells no routes' : `holds no BGP session (${why})`;
        throw new HeadgateError(
          'router_silent',
          `${address} ${what}: make ${own} an iBGP neighbour that gets its routes, or give --network`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    const ownRoutes = speaker.routesFrom(name).filter(({ asPath }) => asPath.trim() === '');
    return [...new Set(ownRoutes.map(({ prefix }) => prefix))].sort();
  } finally {
    await speaker.stop('setup has learned what it asked for');
  }
}

/** Who sent frames into a port, the busiest first. */
export interface Heard {
  /** Source MAC addresses: on the outside of a wire, the border routers. */
  readonly macs: ReadonlyArray<{ readonly mac: string; readonly frames: number }>;
  /** Where those frames go, as /24 and /48: our networks are among them. */
  readonly networks: ReadonlyArray<{ readonly prefix: string; readonly frames: number }>;
}

const framesMax = 20_000;

/** Listens at a port for a while, from when it really listens. Throws HeadgateError `no_tcpdump` or `not_heard`. */
export async function listenAt(port: string, seconds: number): Promise<Heard> {
  const args = ['-i', port, '-Q', 'in', '-nn', '-e', '-q', '-t', '-c', String(framesMax)];
  const child = spawn('tcpdump', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let heard = '';
  let said = '';
  let timer: NodeJS.Timeout | undefined;
  child.stdout.on('data', (chunk) => {
    heard += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
    // On a busy machine it takes a while to begin.
    if (said.includes('listening on'))
      timer ??= setTimeout(() => child.kill('SIGINT'), seconds * 1000);
  });
  let code: unknown;
  try {
    [code] = await once(child, 'close');
  } catch (cause) {
    const message = 'listening needs tcpdump: apt install tcpdump, or leave --listen away';
    throw new HeadgateError('no_tcpdump', message, { cause });
  }
  clearTimeout(timer);
  if (code === 0) return readHeard(heard);
  const why = said.split('\n').findLast((line) => line.startsWith('tcpdump: ')) ?? said.trim();
  throw new HeadgateError('not_heard', `cannot listen at ${port}: ${why}`);
}

/** tcpdump's lines: `02:… > 02:…, IPv4, length 98: 192.0.2.1.443 > 198.51.100.7.5000: tcp 0`. Pure. */
export function readHeard(text: string): Heard {
  const macs = new Map<string, number>();
  const networks = new Map<string, number>();
  for (const line of text.split('\n')) {
    const mac = /^([0-9a-f:]{17}) > /.exec(line)?.[1];
    if (mac === undefined) continue;
    macs.set(mac, (macs.get(mac) ?? 0) + 1);
    const to = / > (\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f:]*?)(?:\.\d+)?: (?:tcp|UDP|ICMP)/.exec(
      line.slice(40),
    )?.[1];
    const network = to === undefined ? undefined : networkOf(to);
    if (network !== undefined) networks.set(network, (networks.get(network) ?? 0) + 1);
  }
  const ranked = (counts: ReadonlyMap<string, number>) =>
    [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return {
    macs: ranked(macs).map(([mac, frames]) => ({ mac, frames })),
    networks: ranked(networks).map(([prefix, frames]) => ({ prefix, frames })),
  };
}

/** The /24 or /48 of a global address; undefined for link-local and multicast ones. */
function networkOf(address: string): string | undefined {
  const v4 = /^(\d+\.\d+\.\d+)\.\d+$/.exec(address);
  if (v4) return /^(22[4-9]|23\d|169\.254)/.test(address) ? undefined : `${v4[1]}.0/24`;
  if (!address.includes(':') || /^(fe80|ff)/.test(address)) return undefined;
  const [head = '', tail = ''] = address.split('::');
  const front = head.split(':').filter((group) => group !== '');
  const back = tail.split(':').filter((group) => group !== '');
  const zeros = address.includes('::') ? Math.max(0, 8 - front.length - back.length) : 0;
  const groups = [...front, ...Array.from({ length: zeros }, () => '0'), ...back].slice(0, 3);
  return `${groups.join(':')}::/48`.replace(/(:0)+::\/48$/, '::/48');
}
