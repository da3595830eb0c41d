/** `headgate bgp`: the sessions with the routers, what they told us, and what we told them. */
import { setTimeout as wait } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parsePrefix } from '../core/base/prefix.ts';
import type {
  AnnouncedRoute,
  ChangeStretch,
  InjectedDetour,
  MonitoredPeer,
  MonitoredRoute,
  RankedRoute,
  ReceivedRoute,
  SessionStatus,
} from '../speaker/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatDuration, formatTable } from './face/text.ts';

interface RouterOptions extends AskOptions {
  readonly router?: string;
}

/** How often `--follow` asks, ms. */
const followMs = 1_000;

export function register(program: Command): void {
  const bgp = askCommand(program, 'bgp', 'shows the BGP sessions, their counters and last errors')
    .option('--counters', 'every counter of every session')
    .action(async (options: AskOptions & { readonly counters?: boolean }) => {
      const sessions = await ask<readonly SessionStatus[]>(options, 'bgp');
      print(options, sessions, options.counters ? renderCounters : renderSessions);
    });
  const router = () => new Option('-r, --router <name>', 'of this router alone');
  askCommand(
    bgp,
    'routes',
    'shows the routes that the routers told: all paths to a prefix or address, best first, or the first of each table',
  )
    .argument('[at]', 'prefix or address', requirePrefix)
    .addOption(router())
    .option(
      '--limit <count>',
      'routes of each router, where no prefix is asked for',
      requireCount,
      1_000,
    )
    .action(async (at: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<RouterOptions & { readonly limit: number }>();
      const { limit } = options;
      const args = { ...of(options), limit, ...(at === undefined ? {} : { at }) };
      print(options, await askRouters<ReceivedRoute>(options, 'bgp_routes', args), renderRoutes);
    });
  askCommand(bgp, 'announced', 'shows what each router is to hear, and why it does not hear it')
    .addOption(router())
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<RouterOptions>();
      print(
        options,
        await askRouters<AnnouncedRoute>(options, 'bgp_announced', of(options)),
        renderAnnounced,
      );
    });
  askCommand(bgp, 'detours', 'shows the detours of outbound traffic that each router is told')
    .addOption(router())
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<RouterOptions>();
      const detours = await askRouters<InjectedDetour>(options, 'bgp_detours', of(options));
      print(options, detours, renderDetours);
    });
  askCommand(
    bgp,
    'monitored',
    'shows what routers tell by BMP: their peers, or what those told and hear for a prefix or address',
  )
    .argument('[at]', 'prefix or address', requirePrefix)
    .action(async (at: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<AskOptions>();
      if (at === undefined)
        print(
          options,
          await ask<readonly MonitoredPeer[]>(options, 'bmp_peers'),
          renderMonitoredPeers,
        );
      else
        print(
          options,
          await ask<readonly MonitoredRoute[]>(options, 'bmp_routes', { at }),
          renderMonitoredRoutes,
        );
    });
  askCommand(bgp, 'changes', 'shows the latest changes of sessions and routes')
    .option('-f, --follow', 'goes on until interrupted')
    .action(async (_: unknown, command: Command) => {
      await showChanges(command.optsWithGlobals<AskOptions & { readonly follow?: boolean }>());
    });
}

const of = ({ router }: RouterOptions) => (router === undefined ? {} : { router });

/** Without a router named, the unit answers with one list for each. */
async function askRouters<T>(
  options: AskOptions,
  command: string,
  args: Readonly<Record<string, unknown>>,
): Promise<readonly T[]> {
  const lists = await ask<ReadonlyArray<T | readonly T[]>>(options, command, args);
  // The cast: `flat` of lists of T, or of T itself, is T; the compiler does not see that T is no list.
  return lists.flat() as T[];
}

function requireCount(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Expected a whole number above 0.');
  return Number(text);
}

function requirePrefix(text: string): string {
  if (!parsePrefix(text).ok)
    throw new InvalidArgumentError('Expected a prefix such as 198.51.100.0/24, or an address.');
  return text;
}

export function renderSessions(sessions: readonly SessionStatus[]): string {
  const table = formatTable(
    [
      { head: 'router', cell: (session) => session.router },
      { head: 'address', cell: (session) => session.address },
      { head: 'AS', cell: (session) => String(session.asn), align: 'right' },
      { head: 'state', cell: (session) => session.phase },
      { head: 'for', cell: (session) => formatDuration(session.phaseMs), align: 'right' },
      { head: 'received', cell: (session) => String(session.pathsReceived), align: 'right' },
      { head: 'announced', cell: (session) => String(session.prefixesAnnounced), align: 'right' },
      { head: 'agreed on', cell: (session) => session.capabilities.join(' ') },
    ],
    sessions,
  );
  const errors = sessions.flatMap(({ router, lastError, egress }) => [
    ...errorLine(router, lastError),
    ...(egress ? [`${router}: egress session ${egress.phase}, ${egress.detours} detours`] : []),
    ...errorLine(`${router} egress session`, egress?.lastError),
  ]);
  return [table, ...errors].join('\n');
}

const errorLine = (session: string, lastError: SessionStatus['lastError']): string[] =>
  lastError ? [`${session}: ${lastError.text} (${formatDuration(lastError.agoMs)} ago)`] : [];

function renderCounters(sessions: readonly SessionStatus[]): string {
  const rows = sessions.flatMap(({ router, counters }) =>
    Object.entries(counters).map(([name, count]) => ({ router, name, count })),
  );
  return formatTable(
    [
      { head: 'router', cell: (row) => row.router },
      { head: 'counter', cell: (row) => row.name },
      { head: 'count', cell: (row) => String(row.count), align: 'right' },
    ],
    rows,
  );
}

export function renderRoutes(routes: ReadonlyArray<ReceivedRoute & Partial<RankedRoute>>): string {
  return formatTable(
    [
      { head: 'prefix', cell: (route) => route.prefix },
      { head: 'router', cell: (route) => route.router },
      { head: 'next hop', cell: (route) => route.nextHop },
      { head: 'pref', cell: (route) => String(route.localPref ?? '-'), align: 'right' },
      { head: 'med', cell: (route) => String(route.med ?? '-'), align: 'right' },
      { head: 'path', cell: (route) => `${route.asPath} ${route.origin}`.trim() },
      {
        head: 'communities',
        cell: (route) => [...route.communities, ...route.largeCommunities].join(' '),
      },
      { head: '', cell: (route) => (route.isStale ? 'stale' : '') },
      { head: 'choice', cell: choiceOf },
    ],
    routes,
  );
}

export function renderDetours(detours: readonly InjectedDetour[]): string {
  return formatTable(
    [
      { head: 'destination', cell: ({ detour }) => detour.prefix },
      { head: 'next hop', cell: ({ detour }) => detour.nextHop },
      { head: 'pref', cell: ({ detour }) => String(detour.localPref), align: 'right' },
      { head: 'state', cell: ({ state }) => state },
      { head: 'why', cell: ({ reason }) => reason },
    ],
    detours,
  );
}

const tableNames: Readonly<Record<MonitoredPeer['table'], string>> = {
  in_pre: 'told the router',
  in_post: 'accepted of it',
  out_pre: 'chosen for it',
  out_post: 'told by the router',
  local: "the router's own",
};

export function renderMonitoredPeers(peers: readonly MonitoredPeer[]): string {
  return formatTable(
    [
      { head: 'router', cell: (peer) => peer.router },
      { head: 'peer', cell: (peer) => peer.address },
      { head: 'AS', cell: (peer) => String(peer.asn), align: 'right' },
      { head: 'table', cell: (peer) => tableNames[peer.table] },
      { head: 'state', cell: (peer) => (peer.isUp ? 'up' : `down: ${peer.reason ?? ''}`) },
      { head: 'paths', cell: (peer) => String(peer.paths), align: 'right' },
    ],
    peers,
  );
}

function renderMonitoredRoutes(routes: readonly MonitoredRoute[]): string {
  return formatTable(
    [
      { head: 'prefix', cell: (route) => route.prefix },
      { head: 'router', cell: (route) => route.router },
      { head: 'peer', cell: (route) => route.peer },
      { head: 'table', cell: (route) => tableNames[route.table] },
      { head: 'next hop', cell: (route) => route.nextHop },
      { head: 'path', cell: (route) => `${route.asPath} ${route.origin}`.trim() },
      {
        head: 'communities',
        cell: (route) => [...route.communities, ...route.largeCommunities].join(' '),
      },
    ],
    routes,
  );
}

const choiceOf = ({ rank, lostAt }: Partial<RankedRoute>): string =>
  lostAt !== undefined ? `lost at ${lostAt.replaceAll('_', ' ')}` : rank === 1 ? 'best' : '';

export function renderAnnounced(routes: readonly AnnouncedRoute[]): string {
  return formatTable(
    [
      { head: 'prefix', cell: ({ announcement }) => announcement.prefix },
      { head: 'next hop', cell: (route) => route.nextHop ?? '-' },
      {
        head: 'communities',
        cell: ({ announcement }) =>
          [...announcement.communities, ...announcement.largeCommunities]
            .map((community) => community.join(':'))
            .join(' '),
      },
      { head: 'state', cell: (route) => route.state },
      { head: 'why', cell: (route) => route.reason },
    ],
    routes,
  );
}

async function showChanges(options: AskOptions & { readonly follow?: boolean }): Promise<void> {
  let next = 0;
  for (;;) {
    const stretch = await ask<ChangeStretch>(options, 'bgp_changes', { since: next });
    next = stretch.next;
    // With --follow each change is a JSON value of its own line, so that a script can read as it comes.
    if (options.json && !options.follow) print(options, stretch, () => '');
    else
      for (const line of renderChanges(stretch, options.json === true))
        process.stdout.write(`${line}\n`);
    if (!options.follow) return;
    await wait(followMs);
  }
}

function renderChanges(stretch: ChangeStretch, asJson: boolean): readonly string[] {
  const lost = stretch.lost > 0 ? [`(${stretch.lost} changes were too fast to show)`] : [];
  if (asJson) return stretch.changes.map((change) => JSON.stringify(change));
  const lines = stretch.changes.map((change) => {
    if ('phase' in change)
      return `${change.router} ${change.kind.replace('_', ' ')} ${change.phase}${change.reason ? `: ${change.reason}` : ''}`;
    const side = change.kind === 'received' ? 'from' : 'to';
    const what = change.kind === 'detour' ? 'detour ' : '';
    return `${side} ${change.router} ${what}${change.prefix} ${change.action}`;
  });
  return [...lost, ...lines];
}
