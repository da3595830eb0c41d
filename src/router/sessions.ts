/**
 * Sessions routed by their link without any mark, on a Linux router (whose routing daemon may be BIRD or FRR): an
 * nftables map from the session's tuple to a firewall mark, and one policy rule and table per link. The whole map is
 * replaced in one transaction, so no packet meets a moment without it. Nothing here outlives a reboot: nor do sessions.
 */
import { HeadgateError } from '../core/base/error.ts';
import type { RouterDialect } from './driver.ts';
import { familyOf, type LinkGateway, maxSessions, type SessionRoute } from './intent.ts';
import type { RouterShell } from './shell.ts';
import { createUndoTimer, defaultFolder } from './undo-timer.ts';

export interface SessionsOptions {
  readonly shell: RouterShell;
  readonly gateways: readonly LinkGateway[];
  /** Mark, table and rule priority of link 0; link N takes the Nth after it. 0x68670000 and 26,700 unless set. */
  readonly markBase?: number;
  readonly tableBase?: number;
  /** On the router, for what undoes a change that is not confirmed. */
  readonly folder?: string;
}

const table = 'inet headgate_sessions';

export function sessionsDialect(options: SessionsOptions): RouterDialect {
  const { shell, gateways } = options;
  const markBase = options.markBase ?? 0x6867_0000;
  const tableBase = options.tableBase ?? 26_700;
  const timer = createUndoTimer(shell, 'sessions', options.folder ?? defaultFolder);
  let before = renderTable([], markBase);
  const load = (sessions: readonly SessionRoute[]) =>
    shell.run(['nft', '-f', '-'], renderTable(sessions, markBase));
  const read = async () => parseTable(await shell.run(['nft', 'list', 'ruleset']), markBase);
  return {
    render: (intent) => renderLines(intent.sessions),
    read: async () => renderLines(await read()),
    async stage(intent, undoAfterS) {
      if (intent.sessions.length > maxSessions)
        throw new HeadgateError(
          'too_many_sessions',
          `${intent.sessions.length} sessions to route by rules, at most ${maxSessions}: mark them instead`,
        );
      before = renderTable(await read(), markBase);
      await timer.start(nftScript(before), undoAfterS);
      if (intent.sessions.length > 0) await routeLinks(shell, gateways, markBase, tableBase);
      await load(intent.sessions);
    },
    async verify(intent) {
      const [wanted, found] = [renderLines(intent.sessions), renderLines(await read())];
      return wanted === found ? undefined : 'the session rules in force are not those wanted';
    },
    confirm: () => timer.stop(),
    async undo() {
      await timer.stop();
      await shell.run(['nft', '-f', '-'], before);
    },
    clearScript: () => nftScript(renderTable([], markBase)),
  };
}

const nftScript = (ruleset: string): string => `nft -f - <<'END'\n${ruleset}END\n`;

/** The rules that turn a mark into a link. Without marked packets they do nothing, so they are never taken back. */
async function routeLinks(
  shell: RouterShell,
  gateways: readonly LinkGateway[],
  markBase: number,
  tableBase: number,
): Promise<void> {
  for (const { number, ipv4, ipv6 } of gateways) {
    for (const [family, gateway] of [
      ['-4', ipv4],
      ['-6', ipv6],
    ] as const) {
      if (gateway === undefined) continue;
      const id = String(tableBase + number);
      await shell.run(['ip', family, 'route', 'replace', 'default', 'via', gateway, 'table', id]);
      const rules = await shell.run(['ip', family, 'rule', 'show', 'priority', id]);
      if (rules.trim() !== '') continue;
      const mark = `0x${(markBase + number).toString(16)}`;
      await shell.run([
        ...['ip', family, 'rule', 'add', 'priority', id],
        ...['fwmark', mark, 'lookup', id],
      ]);
    }
  }
}

function renderTable(sessions: readonly SessionRoute[], markBase: number): string {
  const elements = (family: 4 | 6) => {
    const ours = sessions.filter((session) => familyOf(session.source) === family);
    if (ours.length === 0) return '';
    const items = ours.map(
      (s) =>
        `${s.source} . ${s.sourcePort} . ${s.destination} . ${s.destinationPort} . ${s.protocol} : ${markBase + s.link}`,
    );
    return `    elements = { ${items.join(', ')} }\n`;
  };
  const map = (family: 4 | 6, ip: string) =>
    `  map sessions${family} {
    typeof ${ip} saddr . th sport . ${ip} daddr . th dport . meta l4proto : meta mark
${elements(family)}  }
`;
  const rule = (family: 4 | 6, ip: string) =>
    `    meta mark set ${ip} saddr . th sport . ${ip} daddr . th dport . meta l4proto map @sessions${family}
`;
  // Made, deleted and made anew in one transaction: replaced as a whole, whether it was there or not.
  return `table ${table}
delete table ${table}
table ${table} {
${map(4, 'ip')}${map(6, 'ip6')}  chain prerouting {
    type filter hook prerouting priority mangle; policy accept;
${rule(4, 'ip')}${rule(6, 'ip6')}  }
}
`;
}

/** Reads back what `nft list ruleset` prints of our table; another program's tables are none of our business. */
function parseTable(ruleset: string, markBase: number): SessionRoute[] {
  const start = ruleset.indexOf(`table ${table} {`);
  if (start < 0) return [];
  const ours = ruleset.slice(start, ruleset.indexOf('\n}', start));
  const element = /([0-9a-f.:]+) \. (\d+) \. ([0-9a-f.:]+) \. (\d+) \. (tcp|udp) : (0x[0-9a-f]+)/g;
  return [...ours.matchAll(element)].map((match): SessionRoute => {
    const [, source = '', sourcePort, destination = '', destinationPort, protocol, mark] = match;
    return {
      protocol: protocol === 'udp' ? 'udp' : 'tcp',
      source,
      sourcePort: Number(sourcePort),
      destination,
      destinationPort: Number(destinationPort),
      link: Number(mark) - markBase,
    };
  });
}

function renderLines(sessions: readonly SessionRoute[]): string {
  return sessions
    .map(
      (s) =>
        `session ${s.protocol} ${s.source} ${s.sourcePort} ${s.destination} ${s.destinationPort} link ${s.link}\n`,
    )
    .sort()
    .join('');
}
